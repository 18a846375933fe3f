#include "config/draft.h"

#include <algorithm>
#include <array>

#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::array cluster_table{Key{"pass_api_keys", Kind::list, false}};
constexpr std::array upstream_table{
    Key{"bootstrap_servers", Kind::list, false},
    Key{"security_protocol", Kind::text, false},
    Key{"sasl_mechanism", Kind::text, false},
    Key{"sasl_jaas_config", Kind::text, true},
    Key{"ssl_truststore_location", Kind::text, false},
    Key{"ssl_truststore_password", Kind::text, true},
    Key{"ssl_truststore_type", Kind::text, false},
    Key{"ssl_truststore_certificates", Kind::text, false},
    Key{"ssl_keystore_location", Kind::text, false},
    Key{"ssl_keystore_password", Kind::text, true},
    Key{"ssl_keystore_type", Kind::text, false},
    Key{"ssl_keystore_key", Kind::text, true},
    Key{"ssl_keystore_certificate_chain", Kind::text, false},
    Key{"ssl_key_password", Kind::text, true},
    Key{"ssl_key_alias", Kind::text, false},
    Key{"ssl_crl_location", Kind::text, false},
    Key{"ssl_enabled_protocols", Kind::list, false},
    Key{"ssl_protocol", Kind::text, false},
    Key{"ssl_cipher_suites", Kind::list, false},
    Key{"ssl_curves", Kind::list, false},
    Key{"ssl_endpoint_identification_algorithm", Kind::text, false},
    Key{"lend_identity", Kind::flag, false},
};
constexpr std::array listener_table{
    Key{"security_protocol", Kind::text, false},
    Key{"routing", Kind::text, false},
    Key{"ports", Kind::list, false},
    Key{"advertised_host", Kind::text, false},
    Key{"advertised_host_pattern", Kind::text, false},
    Key{"bootstrap_host_pattern", Kind::text, false},
    Key{"bind_address", Kind::text, false},
    Key{"ssl_client_auth", Kind::text, false},
    Key{"ssl_key_alias", Kind::text, false},
    Key{"min_broker_id", Kind::integer, false},
    Key{"ids", Kind::list, false},
};
constexpr std::array listener_tls_table{
    Key{"certificate", Kind::text, false},
    Key{"key", Kind::text, false},
    Key{"password", Kind::text, true},
    Key{"key_password", Kind::text, true},
    Key{"key_alias", Kind::text, false},
    Key{"client_cas", Kind::text, false},
    Key{"client_cas_password", Kind::text, true},
    Key{"crl", Kind::text, false},
    Key{"required_subjects", Kind::list, false},
    Key{"enabled_protocols", Kind::list, false},
    Key{"cipher_suites", Kind::list, false},
    Key{"curves", Kind::list, false},
};
constexpr std::array gateway_ssl_table{
    Key{"key_store_path", Kind::text, false},    Key{"key_store_password", Kind::text, true},
    Key{"key_password", Kind::text, true},       Key{"key_type", Kind::text, false},
    Key{"trust_store_path", Kind::text, false},  Key{"trust_store_password", Kind::text, true},
    Key{"trust_store_type", Kind::text, false},  Key{"update_context_interval_minutes", Kind::integer, false},
    Key{"client_auth", Kind::text, false},       Key{"crl_path", Kind::text, false},
    Key{"required_subjects", Kind::list, false}, Key{"enabled_protocols", Kind::list, false},
    Key{"cipher_suites", Kind::list, false},     Key{"curves", Kind::list, false},
    Key{"key_alias", Kind::text, false},
};
constexpr std::array operations_table{
    Key{"bind", Kind::text, false},
    Key{"health_bind", Kind::text, false},
    Key{"audit", Kind::text, false},
};
constexpr std::array engine_table{
    Key{"workers", Kind::integer, false},
    Key{"backend", Kind::text, false},
    Key{"pin_workers", Kind::text, false},
    Key{"splice_threshold_bytes", Kind::integer, false},
    Key{"receive_buffers", Kind::integer, false},
    Key{"receive_buffer_size_bytes", Kind::integer, false},
    Key{"receive_size_bytes", Kind::integer, false},
    Key{"standing_receive_bytes", Kind::integer, false},
    Key{"look_ahead_bytes", Kind::integer, false},
};
constexpr std::array tls_table{
    Key{"kernel_receive", Kind::text, false},
    Key{"kernel_send", Kind::text, false},
    Key{"update_interval_minutes", Kind::integer, false},
};
constexpr std::array limits_table{
    Key{"upstream_connect_timeout_ms", Kind::integer, false},
    Key{"tls_handshake_timeout_ms", Kind::integer, false},
    Key{"first_byte_timeout_ms", Kind::integer, false},
    Key{"keepalive_idle_s", Kind::integer, false},
    Key{"keepalive_interval_s", Kind::integer, false},
    Key{"keepalive_probes", Kind::integer, false},
    Key{"drain_deadline_s", Kind::integer, false},
    Key{"unanswered_requests", Kind::integer, false},
    Key{"request_size_bytes", Kind::integer, false},
    Key{"held_size_bytes", Kind::integer, false},
    Key{"discovery_interval_s", Kind::integer, false},
};
constexpr std::string_view file_suffix = "_file";

// "nodeId", "NODE_ID", "{nodeId": in a pattern of host names {{nodeId}} was meant.
bool like_node_id(std::string_view name) {
  std::string letters = lower(name);
  std::erase_if(letters, [](char c) { return c < 'a' || c > 'z'; });
  return letters == "nodeid";
}

}  // namespace

std::span<const Key> cluster_keys() {
  return cluster_table;
}
std::span<const Key> upstream_keys() {
  return upstream_table;
}
std::span<const Key> listener_keys() {
  return listener_table;
}
std::span<const Key> listener_tls_keys() {
  return listener_tls_table;
}
std::span<const Key> gateway_ssl_keys() {
  return gateway_ssl_table;
}
std::span<const Key> operations_keys() {
  return operations_table;
}
std::span<const Key> engine_keys() {
  return engine_table;
}
std::span<const Key> tls_keys() {
  return tls_table;
}
std::span<const Key> limits_keys() {
  return limits_table;
}

DraftListener* DraftCluster::find(std::string_view listener) {
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const DraftListener& l) { return l.name == listener; });
  return found == listeners.end() ? nullptr : &*found;
}

DraftCluster* Draft::find(std::string_view cluster) {
  const auto found = std::find_if(clusters.begin(), clusters.end(),
                                  [&](const DraftCluster& c) { return c.name == cluster; });
  return found == clusters.end() ? nullptr : &*found;
}

const Key* find_key(std::span<const Key> keys, std::string_view name) {
  for (const Key& key : keys) {
    if (key.name == name) return &key;
    if (key.secret && name.size() == key.name.size() + file_suffix.size() && name.starts_with(key.name) &&
        name.ends_with(file_suffix)) {
      return &key;
    }
  }
  return nullptr;
}

std::vector<std::string> names_of(std::span<const Key> keys) {
  std::vector<std::string> names;
  for (const Key& key : keys) {
    names.emplace_back(key.name);
    if (key.secret) names.push_back(std::string(key.name) + std::string(file_suffix));
  }
  return names;
}

bool listener_name_valid(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string interpolate(std::string_view text, const std::string& where, const Sources& sources,
                        Report& report) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("$${")) {
      out += "${";
      at += 3;
      continue;
    }
    if (!text.substr(at).starts_with("${")) {
      out += text[at++];
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) {
      report.error(where, "'${' without its '}'", "write ${NAME}, or $${ for a plain ${");
      return out;
    }
    const std::string name(text.substr(at + 2, end - at - 2));
    const auto found = sources.environment.find(name);
    if (found != sources.environment.end()) {
      out += found->second;
    } else {
      const bool misspelt = like_node_id(name);
      // The name of a variable is not a secret, but other text may be a piece of one.
      const bool plausible = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      });
      if (plausible) {
        report.error(where, "${" + name + "} is not set in the environment",
                     (misspelt ? "did you mean {{nodeId}}? Otherwise set " : "set ") + name +
                         ", or write the value itself");
      } else {
        report.error(where, "'${' is not followed by a valid variable name",
                     misspelt ? "did you mean {{nodeId}}?" : "write ${NAME}, or $${ for a plain ${");
      }
    }
    at = end + 1;
  }
  return out;
}

void read_secret_files(Section& section, std::span<const Key> keys, const Sources& sources, Report& report) {
  for (auto it = section.begin(); it != section.end();) {
    // "tls.key_password_file" belongs to the key "key_password".
    const std::string name = it->first;
    const auto dot = name.find('.');
    const std::string_view bare =
        dot == std::string::npos ? std::string_view(name) : std::string_view(name).substr(dot + 1);
    const Key* key = find_key(keys, bare);
    if (key == nullptr || key->name == bare) {
      ++it;
      continue;
    }
    const Setting file = it->second;
    it = section.erase(it);
    const std::string target = name.substr(0, name.size() - file_suffix.size());
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
    auto text = sources.read_file(file.text);
    if (!text) {
      report.error(file.where, "cannot read " + quoted(file.text) + ": " + text.error(),
                   "check the path, and that kferry's user may read it");
      continue;
    }
    const std::string value(without_line_end(*text));
    Setting secret{file.where, value, {value}, false, file.text};
    section.emplace(target, std::move(secret));
  }
}

}  // namespace kferry::config
