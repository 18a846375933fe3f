#include "config/environment.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "base/lower_case.h"
#include "config/foreign_variables.h"
#include "config/keys.h"
#include "config/legacy.h"
#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view gateway_prefix = "GATEWAY_";
constexpr std::string_view listener_names = "GATEWAY_LISTENER_NAMES";

// What the full gateway calls some of our variables. The one of our name wins.
struct Alias {
  std::string_view name;
  std::string_view own;
};
constexpr std::array<Alias, 2> aliases{
    {{"LOG4J2_APPENDER_LAYOUT", "GATEWAY_LOG_FORMAT"}, {"LOG4J2_ROOT_LEVEL", "GATEWAY_LOG_LEVEL"}}};

const Alias* find_alias(std::string_view name) {
  const auto found = std::ranges::find(aliases, name, &Alias::name);
  return found == aliases.end() ? nullptr : &*found;
}

class Variables {
 public:
  Variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
            Report& report)
      : sources_(sources), places_(places), draft_(draft), report_(report) {}

  void read() {
    for (const auto& [name, value] : sources_.environment) {
      const bool of_interest = name.starts_with(gateway_prefix) || name.starts_with(upstream_prefix) ||
                               find_alias(name) != nullptr;
      if (!of_interest) continue;
      if (injected_by_kubernetes(name, value)) continue;
      // Templates leave a variable empty to omit it. Only host name verification is switched off that way.
      if (value.empty() && name != "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM") continue;
      names_.emplace(name, value);
    }
    if (const std::string* list = find(listener_names)) declare(*list);
    for (const auto& [name, value] : names_) {
      if (name.starts_with(upstream_prefix)) {
        upstream(name, value);
      } else if (name.starts_with(listener_prefix) && name != listener_names) {
        listener(name, value);
      } else if (const Alias* alias = find_alias(name)) {
        const Key& key = *find_variable(alias->own);
        if (find(alias->own) == nullptr) put(draft_.of(key.table), key, name, value);
      } else {
        global(name, value);
      }
    }
    report_legacy_variables(names_, draft_, report_);
  }

 private:
  const std::string* find(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second;
  }

  std::string where(std::string_view name) const {
    const auto place = places_.find(std::string(name));
    return std::string(name) + (place == places_.end() ? "" : " (" + place->second + ")");
  }

  // A variable overrides the file, also if one of them gives a secret and the other a file that holds it.
  void put(Section& section, const Key& key, const std::string& name, const std::string& value) {
    const std::string bare(key.name);
    const std::string in_file = bare + "_file";
    const bool named_file = key.secret && name.ends_with("_FILE");
    for (const std::string& other : {bare, in_file}) {
      const auto old = section.find(other);
      if (old != section.end() && !from_variable_.contains(&old->second)) section.erase(old);
    }
    // Blanks around a secret are part of it.
    Setting setting =
        key.secret && !named_file
            ? Setting{where(name), value, {value}, false, {}}
            : Setting{where(name), std::string(trim(value)), split(value, key.separator), false, {}};
    const auto at = section.insert_or_assign(named_file ? in_file : bare, std::move(setting)).first;
    from_variable_.insert(&at->second);
  }

  DraftCluster& cluster() {
    if (DraftCluster* found = draft_.find("default")) return *found;
    DraftCluster made;
    made.name = "default";
    made.where = "environment";
    made.from_variables = true;
    draft_.clusters.push_back(std::move(made));
    return draft_.clusters.back();
  }

  void declare(const std::string& list) {
    const std::string place = where(listener_names);
    std::set<std::string> seen;
    for (const std::string& item : split(list, ',')) {
      if (item.empty()) continue;
      const std::string name = lower_case(item);
      if (!listener_name_valid(item)) {
        const bool underscore = item.find('_') != std::string::npos;
        report_.error(
            place,
            quoted(item) + (underscore ? " contains an underscore, which is not allowed in a listener name"
                                       : " is not a valid listener name"),
            "use a letter, then letters and digits");
        continue;
      }
      if (!seen.insert(name).second) {
        report_.error(place, "listener " + name + " is named twice",
                      "names are matched without case: rename one");
        continue;
      }
      DraftCluster& own = cluster();
      if (own.find(name) != nullptr) continue;
      if (own.listeners.size() >= listeners_max) {
        report_.error(place, too_many_listeners(own.name), "run several kferrys");
        break;
      }
      DraftListener made;
      made.name = name;
      made.where = place;
      made.from_variables = true;
      own.listeners.push_back(std::move(made));
    }
    if (seen.empty()) report_.error(place, "no listener is named", "name at least one, such as external");
  }

  void listener(const std::string& name, const std::string& value) {
    const std::string rest = name.substr(listener_prefix.size());
    const auto underscore = rest.find('_');
    const std::string listener_name = lower_case(rest.substr(0, underscore));
    const std::string suffix = underscore == std::string::npos ? "" : rest.substr(underscore + 1);
    DraftCluster* own = draft_.find("default");
    DraftListener* declared = own == nullptr ? nullptr : own->find(listener_name);
    if (declared == nullptr) {
      report_.warn(where(name),
                   "no listener " + quoted(listener_name) + " is declared: the variable is ignored",
                   "add it to GATEWAY_LISTENER_NAMES, or remove the variable");
      return;
    }
    // HOST is an old alias.
    const std::string name_in_file = lower_case(suffix) == "host" ? "advertised_host" : lower_case(suffix);
    const Key* key = find_key(Table::listener, name_in_file);
    if (key == nullptr || !key->own_variable.empty()) {
      report_.error(where(name), quoted(suffix) + " is not a setting of a listener",
                    remedy_for_suffix(upper(listener_name), suffix, key));
      return;
    }
    if (lower_case(suffix) == "host" &&
        find(std::string(listener_prefix) + upper(listener_name) + "_ADVERTISED_HOST") != nullptr) {
      report_.warn(where(name), "the old name of ADVERTISED_HOST, which is also set: ignored", "remove it");
      return;
    }
    put(declared->settings, *key, name, value);
  }

  // `key` has that name, but one variable for all listeners; null if no key has the name.
  static std::string remedy_for_suffix(const std::string& listener_name, const std::string& suffix,
                                       const Key* key) {
    if (key != nullptr) {
      return "set " + std::string(key->own_variable) + ", or " + std::string(key->name) + " in the file";
    }
    std::vector<std::string> suffixes{"HOST"};
    for (const Key& candidate : keys_of(Table::listener)) {
      if (candidate.own_variable.empty()) suffixes.push_back(upper(candidate.name));
    }
    if (const auto guess = nearest(upper(suffix), suffixes)) {
      return "did you mean " + std::string(listener_prefix) + listener_name + "_" + *guess + "?";
    }
    return "known suffixes: " + join(suffixes, ", ");
  }

  void upstream(const std::string& name, const std::string& value) {
    const Key* key = find_key(Table::upstream, lower_case(name.substr(upstream_prefix.size())));
    if (key == nullptr) {
      std::vector<std::string> known = names_of(Table::upstream);
      for (std::string& one : known) one = std::string(upstream_prefix) + upper(one);
      unknown(name, known);
    } else {
      put(cluster().upstream, *key, name, value);
    }
  }

  void global(const std::string& name, const std::string& value) {
    const Key* key = find_variable(name);
    if (name == "GATEWAY_SECURITY_MODE") {
      security_mode(name, value);
    } else if (name == "GATEWAY_ACL_ENABLED") {
      acl_enabled(name, value);
    } else if (key != nullptr && key->table == Table::listener) {
      // One variable for every listener.
      DraftCluster* own = draft_.find("default");
      if (own == nullptr) return;
      for (DraftListener& one : own->listeners) put(one.settings, *key, name, value);
    } else if (key != nullptr && key->table != Table::variables) {
      put(draft_.of(key->table), *key, name, value);
    } else if (key != nullptr || is_legacy_variable(name)) {
      // Read elsewhere, or accepted and not needed (the licence).
    } else if (known_to_full_gateway(name)) {
      report_.warn(where(name), "belongs to the full gateway and has no effect in a passthrough: ignored",
                   "remove it to silence this line");
    } else {
      std::vector<std::string> known;
      for (const Key& one : all_keys()) {
        if (one.own_variable.empty()) continue;
        known.emplace_back(one.own_variable);
        if (one.secret) known.push_back(std::string(one.own_variable) + "_FILE");
      }
      unknown(name, known);
    }
  }

  void acl_enabled(const std::string& name, const std::string& value) {
    const std::string flag = lower_case(trim(value));
    if (flag == "true") {
      report_.error(where(name), "kferry enforces no ACLs: the brokers do, on the clients' own principals",
                    "set GATEWAY_ACL_ENABLED=false and keep the ACLs in Kafka");
    } else if (flag != "false") {
      report_.error(where(name), quoted(value) + " is neither true nor false",
                    "set GATEWAY_ACL_ENABLED=false");
    }
  }

  void security_mode(const std::string& name, const std::string& value) {
    const std::string mode = upper(trim(value));
    if (mode == "KAFKA_MANAGED") return;
    if (mode == "GATEWAY_MANAGED") {
      report_.error(
          where(name),
          "GATEWAY_MANAGED needs users and ACLs stored in the gateway; kferry stores no credentials: clients "
          "authenticate at the brokers",
          "set GATEWAY_SECURITY_MODE=KAFKA_MANAGED");
      return;
    }
    report_.error(where(name), quoted(value) + " is not a security mode",
                  "set GATEWAY_SECURITY_MODE=KAFKA_MANAGED");
  }

  void unknown(const std::string& name, const std::vector<std::string>& known) {
    const auto guess = report_.warnings_full() ? std::nullopt : nearest(name, known);
    report_.warn(where(name), "unknown variable: ignored",
                 guess ? "did you mean " + *guess + "?" : "remove it to silence this line");
  }

  const Sources& sources_;
  const std::map<std::string, std::string>& places_;
  Draft& draft_;
  Report& report_;
  std::map<std::string, std::string, std::less<>> names_;
  std::set<const Setting*> from_variable_;
};

}  // namespace

void read_variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
                    Report& report) {
  Variables(sources, places, draft, report).read();
}

}  // namespace kferry::config
