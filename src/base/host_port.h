// A host name or address literal with a port, as in configurations and Kafka responses.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kferry {

struct HostPort {
  std::string host;  // IPv6 literals without brackets
  std::int32_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
  friend auto operator<=>(const HostPort&, const HostPort&) = default;
};

// "host:port", with brackets around an IPv6 literal.
std::string to_string(const HostPort& where);

// Accepts `host:port` and `[v6]:port`. nullopt if the host is empty, the port is not in 1..65535, or an IPv6 literal
// has no brackets.
std::optional<HostPort> parse_host_port(std::string_view text);

}  // namespace kferry
