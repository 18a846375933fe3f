#include "config/foreign_variables.h"

#include <algorithm>
#include <array>

namespace kferry::config {
namespace {

constexpr std::array<std::string_view, 34> full_gateway_prefixes{"GATEWAY_INTERCEPTOR",
                                                                 "GATEWAY_PLUGIN",
                                                                 "GATEWAY_VCLUSTER",
                                                                 "GATEWAY_VIRTUAL_CLUSTER",
                                                                 "GATEWAY_USER_POOL",
                                                                 "GATEWAY_USER_MAPPING",
                                                                 "GATEWAY_ADMIN_API",
                                                                 "GATEWAY_CLUSTER_ID",
                                                                 "GATEWAY_GROUP_ID",
                                                                 "GATEWAY_STORE_TTL",
                                                                 "GATEWAY_TOPIC",
                                                                 "GATEWAY_SUPER_USERS",
                                                                 "GATEWAY_AUDIT_LOG",
                                                                 "GATEWAY_FEATURE_FLAGS",
                                                                 "GATEWAY_AUTO_CREATE",
                                                                 "GATEWAY_DEFAULT_COMPRESSION",
                                                                 "GATEWAY_BACKEND_KAFKA",
                                                                 "GATEWAY_SECURED_METRICS",
                                                                 "GATEWAY_HTTPS_",
                                                                 "GATEWAY_OAUTH",
                                                                 "GATEWAY_JWT",
                                                                 "GATEWAY_ACL_STORE",
                                                                 "GATEWAY_RATE_LIMIT",
                                                                 "GATEWAY_MAX_",
                                                                 "GATEWAY_DOWNSTREAM_",
                                                                 "GATEWAY_UPSTREAM_",
                                                                 "GATEWAY_ENCRYPTION",
                                                                 "GATEWAY_SCHEMA_REGISTRY",
                                                                 "GATEWAY_SECURITY_PROVIDER",
                                                                 "GATEWAY_EXEMPT",
                                                                 "GATEWAY_OFFSET_STORE",
                                                                 "GATEWAY_CONSUMER_OFFSETS",
                                                                 "GATEWAY_MULTI_TENANCY",
                                                                 "GATEWAY_DATA_MASKING"};

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool injected_by_kubernetes(std::string_view name, std::string_view value) {
  if (!name.starts_with("GATEWAY_") && !name.starts_with("KAFKA_")) return false;
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") ||
      name.find("_SERVICE_PORT_") != std::string_view::npos) {
    return true;
  }
  const auto scheme = value.find("://");
  const std::string_view transport = scheme == std::string_view::npos ? "" : value.substr(0, scheme);
  const bool address = transport == "tcp" || transport == "udp" || transport == "sctp";
  if (name.ends_with("_PORT") && address) return true;
  // …_PORT_9092_TCP, and the same with _PROTO, _PORT, _ADDR.
  const auto port = name.rfind("_PORT_", name.ends_with("_PORT") ? name.size() - 6 : std::string_view::npos);
  if (port == std::string_view::npos) return false;
  std::string_view rest = name.substr(port + 6);
  for (const std::string_view suffix : {"_PROTO", "_PORT", "_ADDR"}) {
    if (rest.ends_with(suffix)) {
      rest.remove_suffix(suffix.size());
      break;
    }
  }
  for (const std::string_view suffix : {"_TCP", "_UDP", "_SCTP"}) {
    if (rest.ends_with(suffix)) return all_digits(rest.substr(0, rest.size() - suffix.size()));
  }
  return false;
}

bool known_to_full_gateway(std::string_view name) {
  return std::any_of(full_gateway_prefixes.begin(), full_gateway_prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace kferry::config
