#include "config/environment.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/foreign_variables.h"
#include "config/legacy.h"
#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view gateway = "GATEWAY_";
constexpr std::string_view kafka = "KAFKA_";
constexpr std::string_view listener_prefix = "GATEWAY_LISTENER_";
constexpr std::string_view ssl_prefix = "GATEWAY_SSL_";

constexpr std::array<std::string_view, 10> global_names{
    "GATEWAY_LISTENER_NAMES", "GATEWAY_SECURITY_MODE",   "GATEWAY_ACL_ENABLED", "GATEWAY_MIN_BROKERID",
    "GATEWAY_HTTP_PORT",      "GATEWAY_HTTP_BIND",       "GATEWAY_HEALTH_BIND", "GATEWAY_ENV_FILE",
    "GATEWAY_LICENSE_KEY",    "GATEWAY_LICENSE_KEY_FILE"};

class Variables {
 public:
  Variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
            Report& report)
      : sources_(sources), places_(places), draft_(draft), report_(report) {}

  void read() {
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with(gateway) && !name.starts_with(kafka)) continue;
      if (injected_by_kubernetes(name, value)) continue;
      // An empty variable is how templates leave one out; only host name verification is switched off so.
      if (value.empty() && name != "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM") continue;
      names_.emplace(name, value);
    }
    if (const std::string* list = find("GATEWAY_LISTENER_NAMES")) declare(*list);
    for (const auto& [name, value] : names_) {
      if (name.starts_with(kafka)) {
        upstream(name, value);
      } else if (name.starts_with(listener_prefix) && name != "GATEWAY_LISTENER_NAMES") {
        listener(name, value);
      } else if (name.starts_with(ssl_prefix)) {
        listener_tls(name, value);
      } else {
        global(name, value);
      }
    }
    report_legacy_variables(names_, draft_, report_);
    if (DraftCluster* cluster = draft_.find("default")) {
      for (DraftListener& l : cluster->listeners) {
        if (const std::string* min = find("GATEWAY_MIN_BROKERID"))
          put(l.settings, "min_broker_id", "GATEWAY_MIN_BROKERID", *min);
      }
    }
  }

 private:
  const std::string* find(const std::string& name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second;
  }

  std::string where(const std::string& name) const {
    const auto place = places_.find(name);
    return place == places_.end() ? name : name + " (" + place->second + ")";
  }

  void put(Section& section, const std::string& key, const std::string& name, const std::string& value,
           char separator = ',') {
    put(section, key, Setting{where(name), std::string(trim(value)), split(value, separator), false, {}});
  }

  // Blanks around a secret are a part of it.
  void put_secret(Section& section, const std::string& key, const std::string& name,
                  const std::string& value) {
    put(section, key, Setting{where(name), value, {value}, false, {}});
  }

  void put(Section& section, const std::string& key, Setting setting) {
    // A variable overrides the file, also when one of them names a secret and the other a file with it.
    constexpr std::string_view file = "_file";
    const std::string bare = key.ends_with(file) ? key.substr(0, key.size() - file.size()) : key;
    for (const std::string& other : {bare, bare + std::string(file)}) {
      const auto old = section.find(other);
      if (old != section.end() && !from_variable_.contains(&old->second)) section.erase(old);
    }
    const auto [at, added] = section.insert_or_assign(key, std::move(setting));
    (void)added;
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
    const std::string place = where("GATEWAY_LISTENER_NAMES");
    std::set<std::string> seen;
    for (const std::string& item : split(list, ',')) {
      if (item.empty()) continue;
      const std::string name = lower(item);
      if (!listener_name_valid(item)) {
        const bool underscore = item.find('_') != std::string::npos;
        report_.error(place,
                      quoted(item) + (underscore ? " holds an underscore, which no listener name may"
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
    const std::string listener_name = lower(rest.substr(0, underscore));
    const std::string suffix = underscore == std::string::npos ? "" : rest.substr(underscore + 1);
    DraftCluster* own = draft_.find("default");
    DraftListener* declared = own == nullptr ? nullptr : own->find(listener_name);
    if (declared == nullptr) {
      report_.warn(where(name),
                   "no listener " + quoted(listener_name) + " is declared: the variable is ignored",
                   "add it to GATEWAY_LISTENER_NAMES, or remove the variable");
      return;
    }
    std::string key = lower(suffix);
    if (key == "host") key = "advertised_host";
    // min_broker_id is one variable for all: GATEWAY_MIN_BROKERID.
    const Key* known = key == "min_broker_id" ? nullptr : find_key(listener_keys(), key);
    if (known == nullptr) {
      std::vector<std::string> suffixes{"HOST"};
      for (const std::string& candidate : names_of(listener_keys())) {
        if (candidate != "min_broker_id") suffixes.push_back(upper(candidate));
      }
      std::string remedy = "known suffixes: " + join(suffixes, ", ");
      if (key == "min_broker_id") {
        remedy = "set GATEWAY_MIN_BROKERID, or min_broker_id in the file";
      } else if (const auto guess = nearest(upper(suffix), suffixes)) {
        remedy = "did you mean " + std::string(listener_prefix) + upper(listener_name) + "_" + *guess + "?";
      }
      report_.error(where(name), quoted(suffix) + " is not a setting of a listener", remedy);
      return;
    }
    if (key == "advertised_host" && lower(suffix) == "host" &&
        find(std::string(listener_prefix) + upper(listener_name) + "_ADVERTISED_HOST") != nullptr) {
      report_.warn(where(name), "the old name of ADVERTISED_HOST, which is set too: ignored", "remove it");
      return;
    }
    put(declared->settings, key, name, value);
  }

  void upstream(const std::string& name, const std::string& value) {
    const std::string key = lower(name.substr(kafka.size()));
    const Key* const known = find_key(upstream_keys(), key);
    if (known == nullptr) {
      unknown(name, upstream_names());
    } else if (known->secret && known->name == key) {
      put_secret(cluster().upstream, key, name, value);
    } else {
      put(cluster().upstream, key, name, value);
    }
  }

  static std::vector<std::string> upstream_names() {
    std::vector<std::string> names;
    for (const std::string& key : names_of(upstream_keys())) names.push_back(std::string(kafka) + upper(key));
    return names;
  }

  void listener_tls(const std::string& name, const std::string& value) {
    const std::string key = lower(name.substr(ssl_prefix.size()));
    const Key* const known = find_key(gateway_ssl_keys(), key);
    if (known == nullptr) {
      std::vector<std::string> names;
      for (const std::string& one : names_of(gateway_ssl_keys()))
        names.push_back(std::string(ssl_prefix) + upper(one));
      unknown(name, names);
      return;
    }
    if (key == "update_context_interval_minutes") {
      put(draft_.tls, "update_interval_minutes", name, value);
      return;
    }
    if (known->secret && known->name == key) {
      put_secret(draft_.listener_tls, key, name, value);
      return;
    }
    // A subject holds commas itself.
    put(draft_.listener_tls, key, name, value, key == "required_subjects" ? ';' : ',');
  }

  void global(const std::string& name, const std::string& value) {
    if (name == "GATEWAY_SECURITY_MODE") {
      security_mode(name, value);
    } else if (name == "GATEWAY_ACL_ENABLED") {
      const std::string flag = lower(trim(value));
      if (flag == "true") {
        report_.error(where(name), "kferry enforces no ACLs: the brokers do, on the clients' own principals",
                      "set GATEWAY_ACL_ENABLED=false and keep the ACLs in Kafka");
      } else if (flag != "false") {
        report_.error(where(name), quoted(value) + " is neither true nor false",
                      "set GATEWAY_ACL_ENABLED=false");
      }
    } else if (name == "GATEWAY_HTTP_PORT") {
      put(draft_.operations, "http_port", name, value);
    } else if (name == "GATEWAY_HTTP_BIND") {
      put(draft_.operations, "http_bind", name, value);
    } else if (name == "GATEWAY_HEALTH_BIND") {
      put(draft_.operations, "health_bind", name, value);
    } else if (name == "GATEWAY_MIN_BROKERID" || name == "GATEWAY_LISTENER_NAMES" ||
               name == "GATEWAY_ENV_FILE" || name == "GATEWAY_LICENSE_KEY" ||
               name == "GATEWAY_LICENSE_KEY_FILE" || is_legacy_variable(name)) {
      // Read elsewhere, or (the licence) accepted and never needed.
    } else if (known_to_full_gateway(name)) {
      report_.warn(where(name), "belongs to the full gateway and means nothing to a passthrough: ignored",
                   "remove it to silence this line");
    } else {
      unknown(name, {global_names.begin(), global_names.end()});
    }
  }

  void security_mode(const std::string& name, const std::string& value) {
    const std::string mode = upper(trim(value));
    if (mode == "KAFKA_MANAGED") return;
    if (mode == "GATEWAY_MANAGED") {
      report_.error(where(name),
                    "GATEWAY_MANAGED asks for users and ACLs kept by the gateway; kferry stores no "
                    "credentials, clients "
                    "authenticate at the brokers themselves",
                    "set GATEWAY_SECURITY_MODE=KAFKA_MANAGED");
      return;
    }
    report_.error(where(name), quoted(value) + " is not a security mode",
                  "set GATEWAY_SECURITY_MODE=KAFKA_MANAGED");
  }

  void unknown(const std::string& name, const std::vector<std::string>& known) {
    const auto guess = nearest(name, known);
    report_.warn(where(name), "unknown variable: ignored",
                 guess ? "did you mean " + *guess + "?" : "remove it to silence this line");
  }

  const Sources& sources_;
  const std::map<std::string, std::string>& places_;
  Draft& draft_;
  Report& report_;
  std::map<std::string, std::string> names_;
  std::set<const Setting*> from_variable_;
};

}  // namespace

void read_variables(const Sources& sources, const std::map<std::string, std::string>& places, Draft& draft,
                    Report& report) {
  Variables(sources, places, draft, report).read();
}

}  // namespace kferry::config
