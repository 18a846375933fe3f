#include "config/env_file.h"

#include <algorithm>
#include <expected>
#include <string_view>

#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view blanks = " \t";

}  // namespace

void read_env_file(Sources& sources, std::map<std::string, std::string>& places, Report& report) {
  const auto found = sources.environment.find("GATEWAY_ENV_FILE");
  if (found == sources.environment.end() || found->second.empty()) return;
  const std::string path = found->second;
  const auto text =
      sources.read_file
          ? sources.read_file(path)
          : std::expected<std::string, std::string>(std::unexpected("no file can be read here"));
  if (!text) {
    report.error("GATEWAY_ENV_FILE", "cannot read " + quoted(path) + ": " + text.error(),
                 "check the path, and that kferry's user may read it");
    return;
  }
  std::string_view rest = *text;
  if (constexpr std::string_view mark = "\xEF\xBB\xBF"; rest.starts_with(mark))
    rest.remove_prefix(mark.size());
  for (int line = 1; !rest.empty(); ++line) {
    const auto end = rest.find('\n');
    std::string_view entry = rest.substr(0, end);
    if (entry.ends_with('\r')) entry.remove_suffix(1);
    entry = entry.substr(std::min(entry.find_first_not_of(blanks), entry.size()));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (entry.empty() || entry.front() == '#') continue;
    if (entry.starts_with("export ") || entry.starts_with("export\t"))
      entry = entry.substr(std::min(entry.find_first_not_of(blanks, 7), entry.size()));
    const auto equals = entry.find('=');
    const std::string_view name = trim(entry.substr(0, equals));
    const bool named =
        !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
        std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        });
    const std::string place = path + ":" + std::to_string(line);
    if (equals == std::string_view::npos || !named) {
      report.error(place, "the line is not NAME=value",
                   "write [export ]NAME=value, or begin a comment with #");
      continue;
    }
    // Blanks at the end may belong to a secret; those around quotes or around the equals sign do not.
    std::string_view value = entry.substr(equals + 1);
    const std::string_view bare = trim(value);
    if (bare.size() >= 2 && (bare.front() == '"' || bare.front() == '\'') && bare.back() == bare.front()) {
      value = bare.substr(1, bare.size() - 2);
    } else if (name.size() != equals) {
      value = value.substr(std::min(value.find_first_not_of(blanks), value.size()));
    }
    if (sources.environment.emplace(std::string(name), std::string(value)).second) {
      places.emplace(std::string(name), place);
    }
  }
}

}  // namespace kferry::config
