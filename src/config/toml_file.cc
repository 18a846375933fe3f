#include "config/toml_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/lower_case.h"
#include "base/stable_sort.h"
#include "config/interpolation.h"
#include "config/suggestion.h"
#include "config/text.h"
#include "config/tomlplusplus.h"

namespace kferry::config {
namespace {

// A parser's message may quote the text around the fault, which may be a password: removes what is quoted.
std::string without_quotes(std::string_view message) {
  std::string out;
  for (std::size_t at = 0; at < message.size();) {
    const char c = message[at];
    if (c != '\'' && c != '"') {
      out += c;
      ++at;
      continue;
    }
    const auto end = message.find(c, at + 1);
    if (end == std::string_view::npos) return out + "…";
    const std::string_view inside = message.substr(at + 1, end - at - 1);
    out += inside.size() <= 1 ? std::string(message.substr(at, end - at + 1)) : std::string("…");
    at = end + 1;
  }
  return out;
}

// TOML allows only tabs and line ends; a name with another control character would garble a message.
std::optional<std::size_t> line_of_control_character(std::string_view text) {
  std::size_t line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    const bool allowed = c == '\t' || c == '\n' || c == '\r';
    if (((c >= 0 && c < 0x20) || c == 0x7F) && !allowed) return line;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(const std::string& file, const Sources& sources, Draft& draft, Report& report)
      : file_(file), sources_(sources), draft_(draft), report_(report) {}

  void root(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "cluster") {
        if (const auto* clusters = table_of(node, "cluster")) {
          for (const auto& [cluster_key, cluster] : *clusters) {
            if (report_.full()) break;
            if (draft_.clusters.size() == clusters_max) {
              report_.error(place(cluster_key.source()),
                            "there are more than " + std::to_string(clusters_max) + " clusters",
                            "run several kferrys");
              break;
            }
            read_cluster(std::string(cluster_key.str()), cluster);
          }
        }
      } else if (const auto which = global_table(name)) {
        section(node, name, *which, draft_.of(*which));
      } else {
        std::vector<std::string> known{"cluster"};
        for (const auto& [title, value] : global_tables) known.emplace_back(title);
        unknown(key, "the file", std::move(known));
      }
    }
    // toml++ sorts keys by name; operators read line by line.
    sort_by_line(draft_.clusters);
    for (DraftCluster& cluster : draft_.clusters) sort_by_line(cluster.listeners);
    sort_by_line(report_.problems);
  }

 private:
  static constexpr std::array<std::pair<std::string_view, Table>, 4> global_tables{
      {{"operations", Table::operations},
       {"engine", Table::engine},
       {"tls", Table::tls},
       {"limits", Table::limits}}};

  static std::optional<Table> global_table(std::string_view name) {
    for (const auto& [title, table] : global_tables) {
      if (title == name) return table;
    }
    return std::nullopt;
  }

  static long line_of(const std::string& where) {
    const auto colon = where.rfind(':');
    return colon == std::string::npos ? 0
                                      : parse_integer(std::string_view(where).substr(colon + 1)).value_or(0);
  }

  template <typename Placed>
  static void sort_by_line(std::vector<Placed>& placed) {
    sort_stably(placed, [](const Placed& each) { return line_of(each.where); });
  }

  std::string place(const toml::source_region& region) const {
    return file_ + ":" + std::to_string(region.begin.line);
  }

  const toml::table* table_of(const toml::node& node, const std::string& name) {
    if (const auto* table = node.as_table()) return table;
    report_.error(place(node.source()), name + " is not a table", "write it as [" + name + "…]");
    return nullptr;
  }

  void unknown(const toml::key& key, const std::string& inside, std::vector<std::string> known) {
    const std::string name(key.str());
    if (report_.full()) return report_.error(place(key.source()), "unknown key " + quoted(name), {});
    const auto guess = nearest(lower_case(name), known);
    std::sort(known.begin(), known.end());
    report_.error(place(key.source()), "unknown key " + quoted(name) + " in " + inside,
                  guess ? "did you mean " + *guess + "?" : "known here: " + join(known, ", "));
  }

  void section(const toml::node& node, const std::string& path, Table of, Section& into) {
    if (const auto* table = table_of(node, path)) {
      for (const auto& [key, value] : *table) setting(key, value, path, of, {}, into);
    }
  }

  // `subtables`: what else the table at `path` may contain.
  void setting(const toml::key& key, const toml::node& value, const std::string& path, Table of,
               const std::vector<std::string>& subtables, Section& into) {
    const Key* known = find_key(of, key.str());
    if (known == nullptr || !known->in_file) {
      std::vector<std::string> names = names_of(of);
      names.insert(names.end(), subtables.begin(), subtables.end());
      unknown(key, "[" + path + "]", std::move(names));
      return;
    }
    Setting& out = into[std::string(key.str())];
    out = {};
    out.where = place(key.source());
    const std::size_t before = report_.problems.size();
    read_value(value, *known, out);
    out.faulty = report_.problems.size() > before;
  }

  void read_value(const toml::node& value, const Key& known, Setting& out) {
    if (const auto* array = value.as_array()) {
      if (known.kind != Kind::list) return wrong_type(out.where, known);
      for (const toml::node& item : *array) {
        auto text = scalar(item, out.where, Kind::list);
        if (!text) return wrong_type(out.where, known);
        out.items.push_back(*text);
      }
      out.text = join(out.items, ",");
    } else {
      auto text = scalar(value, out.where, known.kind);
      if (!text) return wrong_type(out.where, known);
      out.text = *text;
      out.items = {*text};
    }
  }

  std::optional<std::string> scalar(const toml::node& node, const std::string& where, Kind kind) {
    if (const auto* text = node.as_string()) return interpolate(text->get(), where, sources_, report_);
    if (const auto* integer = node.as_integer();
        integer != nullptr && (kind == Kind::integer || kind == Kind::list)) {
      return std::to_string(integer->get());
    }
    if (const auto* flag = node.as_boolean(); flag != nullptr && kind == Kind::boolean) {
      return std::string(flag->get() ? "true" : "false");
    }
    return std::nullopt;
  }

  void wrong_type(const std::string& where, const Key& key) {
    static constexpr std::array<std::string_view, 5> wanted{"a string", "a string or a list",
                                                            "a whole number", "true or false", "a string"};
    const std::string want(wanted[static_cast<std::size_t>(key.kind)]);
    report_.error(where, std::string(key.name) + " has the wrong type", "write " + want);
  }

  void read_cluster(const std::string& name, const toml::node& node) {
    const auto* table = table_of(node, "cluster." + name);
    if (table == nullptr) return;
    DraftCluster cluster;
    cluster.name = name;
    cluster.where = place(node.source());
    const bool valid =
        !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                 c == '-';
        });
    if (!valid) {
      report_.error(cluster.where, quoted(name) + " is not a valid cluster name",
                    "use letters, digits, '-' and '_', at most 64 characters");
    }
    for (const auto& [key, value] : *table) {
      if (key.str() == "upstream") {
        section(value, "cluster." + name + ".upstream", Table::upstream, cluster.upstream);
      } else if (key.str() == "listener") {
        if (const auto* listeners = table_of(value, "cluster." + name + ".listener")) {
          for (const auto& [listener_key, listener] : *listeners) {
            if (report_.full()) break;
            if (cluster.listeners.size() == listeners_max) {
              report_.error(place(listener_key.source()), too_many_listeners(name), "run several kferrys");
              break;
            }
            read_listener(std::string(listener_key.str()), listener, cluster);
          }
        }
      } else {
        setting(key, value, "cluster." + name, Table::cluster, {"upstream", "listener"}, cluster.settings);
      }
    }
    draft_.clusters.push_back(std::move(cluster));
  }

  void read_listener(const std::string& name, const toml::node& node, DraftCluster& cluster) {
    const std::string path = "cluster." + cluster.name + ".listener." + name;
    const auto* table = table_of(node, path);
    if (table == nullptr) return;
    DraftListener listener;
    listener.name = lower_case(name);
    listener.where = place(node.source());
    if (!listener_name_valid(name)) {
      report_.error(listener.where, quoted(name) + " is not a valid listener name",
                    "use a letter, then letters and digits; an underscore is not allowed");
    } else if (cluster.find(listener.name) != nullptr) {
      report_.error(listener.where, "listener " + listener.name + " is declared twice",
                    "names are matched without case: rename one");
      return;
    }
    for (const auto& [key, value] : *table) {
      if (key.str() == "tls") {
        section(value, path + ".tls", Table::listener_tls, listener.tls);
      } else {
        setting(key, value, path, Table::listener, {"tls"}, listener.settings);
      }
    }
    cluster.listeners.push_back(std::move(listener));
  }

  const std::string& file_;
  const Sources& sources_;
  Draft& draft_;
  Report& report_;
};

}  // namespace

bool read_toml(const Toml& toml, const Sources& sources, Draft& draft, Report& report) {
  if (const auto line = line_of_control_character(toml.text)) {
    report.error(toml.name + ":" + std::to_string(*line), "TOML syntax error: a control character",
                 "remove it: only tabs and line ends are allowed");
    return false;
  }
  const toml::parse_result parsed = toml::parse(toml.text, std::string_view{toml.name});
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    report.error(toml.name + ":" + std::to_string(error.source().begin.line) + ":" +
                     std::to_string(error.source().begin.column),
                 "TOML syntax error: " + without_quotes(error.description()),
                 "correct it; the rest of the file is read after that");
    return false;
  }
  Reader(toml.name, sources, draft, report).root(parsed.table());
  return true;
}

}  // namespace kferry::config
