// Names with the prefixes GATEWAY_ and KAFKA_ that are not kferry's: what Kubernetes injects, and what only a
// full gateway uses.
#pragma once

#include <string_view>

namespace kferry::config {

// KAFKA_SERVICE_HOST, GATEWAY_PORT=tcp://…, KAFKA_PORT_9092_TCP_ADDR and so on, which Kubernetes sets in
// every pod for a Service whose name begins with `gateway` or `kafka`.
bool injected_by_kubernetes(std::string_view name, std::string_view value);

// Whether the variable configures a feature of Conduktor Gateway that a passthrough does not have:
// interceptors, virtual clusters, a user store and so on.
bool known_to_full_gateway(std::string_view name);

}  // namespace kferry::config
