#include "config/legacy.h"

#include <algorithm>
#include <array>

#include "base/lower_case.h"
#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::array<std::string_view, 10> legacy_names{
    "GATEWAY_ADVERTISED_HOST",     "GATEWAY_ADVERTISED_HOST_PREFIX",
    "GATEWAY_ADVERTISED_SNI_PORT", "GATEWAY_BIND_HOST",
    "GATEWAY_PORT_START",          "GATEWAY_PORT_COUNT",
    "GATEWAY_ROUTING_MECHANISM",   "GATEWAY_SECURITY_PROTOCOL",
    "GATEWAY_SNI_HOST_SEPARATOR",  "GATEWAY_HOST"};
constexpr std::int64_t port_start_default = 6969;

}  // namespace

bool is_legacy_variable(std::string_view name) {
  return std::find(legacy_names.begin(), legacy_names.end(), name) != legacy_names.end();
}

void report_legacy_variables(const std::map<std::string, std::string, std::less<>>& variables,
                             const Draft& draft, Report& report) {
  std::vector<std::string> present;
  const auto value = [&](const std::string& name) -> std::string {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : std::string(trim(found->second));
  };
  for (const auto& [name, text] : variables) {
    if (is_legacy_variable(name)) present.push_back(name);
  }
  if (present.empty()) return;

  // The environment may hold anything: print only values that a setting may have.
  std::vector<std::string> lines{"GATEWAY_LISTENER_NAMES=external"};
  const auto add = [&](const std::string& suffix, const std::string& text) {
    lines.push_back("GATEWAY_LISTENER_EXTERNAL_" + suffix + "=" + text);
  };
  const std::string routing = lower_case(value("GATEWAY_ROUTING_MECHANISM"));
  const bool sni = routing == "host" || routing == "sni";
  std::string host = value("GATEWAY_ADVERTISED_HOST");
  if (host.empty()) host = value("GATEWAY_HOST");
  if (host.empty()) host = "<the name clients know kferry by>";
  const std::int64_t start = parse_integer(value("GATEWAY_PORT_START")).value_or(port_start_default);
  std::int64_t count = 3;
  if (const auto given = parse_integer(value("GATEWAY_PORT_COUNT")); given && *given > 0) {
    count = *given;
  } else {
    for (const DraftCluster& cluster : draft.clusters) {
      const auto servers = cluster.upstream.find("bootstrap_servers");
      if (cluster.name == "default" && servers != cluster.upstream.end() && !servers->second.items.empty()) {
        count = static_cast<std::int64_t>(servers->second.items.size());
      }
    }
  }
  if (sni) {
    add("ROUTING", "sni");
    const std::string advertised = value("GATEWAY_ADVERTISED_SNI_PORT");
    add("PORTS", (advertised.empty() || advertised == std::to_string(start) ? "" : advertised + ":") +
                     std::to_string(start));
    std::string prefix = value("GATEWAY_ADVERTISED_HOST_PREFIX");
    if (prefix.empty()) prefix = "broker";
    std::string separator = value("GATEWAY_SNI_HOST_SEPARATOR");
    if (separator.empty()) separator = "-";
    add("BOOTSTRAP_HOST_PATTERN", host);
    add("ADVERTISED_HOST_PATTERN", prefix + "{{nodeId}}" + separator + host);
  } else {
    // In 64 bits and capped, because the values may be anything.
    const std::int64_t last = std::min<std::int64_t>(
        65535, std::min<std::int64_t>(start, 65535) + std::min<std::int64_t>(count, 65535) - 1);
    add("PORTS", last > start ? std::to_string(start) + "-" + std::to_string(last) : std::to_string(start));
    add("ADVERTISED_HOST", host);
  }
  if (const std::string bind = value("GATEWAY_BIND_HOST"); !bind.empty()) add("BIND_ADDRESS", bind);
  std::string protocol = upper(value("GATEWAY_SECURITY_PROTOCOL"));
  constexpr std::string_view delegated = "DELEGATED_";
  if (protocol.starts_with(delegated)) protocol.erase(0, delegated.size());
  if (protocol.empty()) protocol = "<PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL>";
  add("SECURITY_PROTOCOL", protocol);
  report.error(join(present, ", "), "single-listener variables of an old gateway",
               "remove them and set " + join(lines, " "));
}

}  // namespace kferry::config
