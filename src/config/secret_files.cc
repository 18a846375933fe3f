#include "config/secret_files.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view file_suffix = "_file";

void read_section(Section& section, Table table, const Sources& sources, Report& report) {
  for (auto it = section.begin(); it != section.end();) {
    const Key* key = find_key(table, it->first);
    if (key == nullptr || key->name == it->first) {
      ++it;
      continue;
    }
    const Setting file = it->second;
    const std::string target = it->first.substr(0, it->first.size() - file_suffix.size());
    it = section.erase(it);
    if (file.faulty) {
      section.emplace(target, file);
      continue;
    }
    if (const auto both = section.find(target); both != section.end()) {
      report.error(file.where, "the secret is given twice, here and at " + both->second.where,
                   "keep one of the two");
      continue;
    }
    if (!sources.read_file) {
      report.error(file.where, "secret files cannot be read here", "give the secret itself");
      continue;
    }
    const auto text = sources.read_file(file.text);
    if (!text) {
      report.error(file.where, "cannot read " + quoted(file.text) + ": " + text.error(),
                   "check the path, and that kferry's user may read it");
      continue;
    }
    const std::string value(without_line_end(*text));
    section.emplace(target, Setting{file.where, value, {value}, false, file.text});
  }
}

}  // namespace

void read_secret_files(Draft& draft, const Sources& sources, Report& report) {
  for (DraftCluster& cluster : draft.clusters) {
    read_section(cluster.settings, Table::cluster, sources, report);
    read_section(cluster.upstream, Table::upstream, sources, report);
    for (DraftListener& listener : cluster.listeners) {
      read_section(listener.settings, Table::listener, sources, report);
      read_section(listener.tls, Table::listener_tls, sources, report);
    }
  }
  for (std::size_t i = 0; i < table_count; ++i)
    read_section(draft.of(static_cast<Table>(i)), static_cast<Table>(i), sources, report);
}

}  // namespace kferry::config
