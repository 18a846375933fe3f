#include "config/load.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/read_file.h"
#include "base/secret.h"
#include "config/draft.h"
#include "config/env_file.h"
#include "config/environment.h"
#include "config/report.h"
#include "config/secret_files.h"
#include "config/text.h"
#include "config/toml_file.h"
#include "config/validate.h"

namespace kferry::config {
namespace {

// No file that a configuration names is larger. A device or log named by mistake must not fill the memory.
constexpr std::size_t file_size_max = 4 * MiB;

std::expected<std::string, std::string> read_whole_file(const std::string& path) {
  auto bytes = read_file(path, file_size_max);
  if (!bytes) return std::unexpected(std::move(bytes.error().why));
  std::string text(text_of(*bytes));
  wipe(*bytes);
  return text;
}

}  // namespace

std::string to_string(const Problem& problem) {
  return problem.where + ": " + problem.what + (problem.remedy.empty() ? "" : ": " + problem.remedy);
}

Loaded load(const Sources& given) {
  Report report;
  Sources sources = given;
  std::map<std::string, std::string> places;
  Draft draft;
  Loaded loaded;
  read_env_file(sources, places, report);
  if (sources.toml) {
    loaded.file = sources.toml->name;
    Report file;
    const bool parsed = read_toml(*sources.toml, sources, draft, file);
    if (!parsed) {
      loaded.problems = std::move(file.problems);
      return loaded;
    }
    report.add(std::move(file));
  }
  read_variables(sources, places, draft, report);
  read_secret_files(draft, sources, report);
  loaded.settings = written_settings(draft);
  loaded.config = validate(draft, report);
  cross_check(loaded.config, draft, sources, report);
  report.close();
  loaded.problems = std::move(report.problems);
  loaded.warnings = std::move(report.warnings);
  return loaded;
}

std::expected<Sources, Problem> system_sources(const std::optional<std::string>& path) {
  Sources sources;
  sources.read_file = read_whole_file;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view pair(*entry);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos)
      sources.environment.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  const std::string name = path.value_or(default_path);
  if (path || access(default_path, F_OK) == 0) {
    auto text = read_whole_file(name);
    if (!text) {
      return std::unexpected(Problem{name, "cannot be read: " + text.error(),
                                     "check the path, and that kferry's user may read it", false});
    }
    sources.toml = Toml{name, std::move(*text)};
  }
  if (auto range = read_whole_file("/proc/sys/net/ipv4/ip_local_port_range")) {
    std::replace(range->begin(), range->end(), '\t', ' ');
    const std::string_view text = trim(*range);
    const auto space = text.find(' ');
    const auto first = parse_integer(text.substr(0, space));
    const auto last =
        space == std::string_view::npos ? std::nullopt : parse_integer(trim(text.substr(space)));
    if (first && last && *first >= 0 && *last <= 65535 && *first <= *last) {
      sources.ephemeral_ports = {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
    }
  }
  return sources;
}

}  // namespace kferry::config
