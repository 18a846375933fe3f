#include "config/same_upstream.h"

#include <optional>

namespace kferry::config {
namespace {

bool same(const SaslCredentials& one, const SaslCredentials& other);
bool same(const Password& one, const Password& other);
bool same(const Store& one, const Store& other);
bool same(const Identity& one, const Identity& other);
bool same(const UpstreamTls& one, const UpstreamTls& other);

// Each names every field of its struct, so that another field does not compile until it is looked at. What begins with
// `where`, or names a setting, is for messages.

bool same(const SaslCredentials& one, const SaslCredentials& other) {
  const auto& [mechanism, username, password] = one;
  return mechanism == other.mechanism && username == other.username && password == other.password;
}

bool same(const Password& one, const Password& other) {
  const auto& [text, path] = one;
  return text == other.text && path == other.path;
}

template <typename Type>
bool same(const std::optional<Type>& one, const std::optional<Type>& other) {
  return one.has_value() == other.has_value() && (!one || same(*one, *other));
}

bool same(const Store& one, const Store& other) {
  [[maybe_unused]] const auto& [where, path, text, password, password_name] = one;
  return path == other.path && text == other.text && same(password, other.password);
}

bool same(const Identity& one, const Identity& other) {
  [[maybe_unused]] const auto& [certificates, key, key_password, key_password_name, key_alias, key_alias_name,
                                hosts] = one;
  return same(certificates, other.certificates) && same(key, other.key) &&
         same(key_password, other.key_password) && key_alias == other.key_alias && hosts == other.hosts;
}

bool same(const TlsOffer& one, const TlsOffer& other) {
  const auto& [lowest, highest, ciphers, curves] = one;
  return lowest == other.lowest && highest == other.highest && ciphers.text == other.ciphers.text &&
         curves.text == other.curves.text;
}

bool same(const UpstreamTls& one, const UpstreamTls& other) {
  const auto& [offer, authorities, revocations, identity, verify_host_name] = one;
  return same(offer, other.offer) && same(authorities, other.authorities) &&
         same(revocations, other.revocations) && same(identity, other.identity) &&
         verify_host_name == other.verify_host_name;
}

}  // namespace

bool same_upstream(const Upstream& one, const Upstream& other) {
  const auto& [servers, protocol, sasl, tls, on_cluster_change, dial_budget_ms, lend_identity] = one;
  return servers == other.bootstrap_servers && protocol == other.security_protocol &&
         same(sasl, other.sasl) && same(tls, other.tls) && on_cluster_change == other.on_cluster_change &&
         dial_budget_ms == other.dial_budget_ms && lend_identity == other.lend_identity;
}

}  // namespace kferry::config
