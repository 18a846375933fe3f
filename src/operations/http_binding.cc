#include "operations/http_binding.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace kferry::operations {
namespace {

// An IPv4 connection to an IPv6 socket has a mapped address.
SocketAddress unmapped(const SocketAddress& address) {
  if (address.family() != AF_INET6) return address;
  const auto& six = reinterpret_cast<const sockaddr_in6&>(*address.get());
  if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) return address;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = six.sin6_port;
  std::memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, sizeof four.sin_addr);
  return {reinterpret_cast<const sockaddr*>(&four), sizeof four};
}

// Whether a socket bound to `bound` accepts connections to `address`.
bool covers(const SocketAddress& bound, const SocketAddress& address) {
  if (bound.port() != address.port()) return false;
  if (bound == address) return true;
  return bound.is_wildcard() && (bound.family() == AF_INET6 || address.family() == AF_INET);
}

}  // namespace

bool is_health_path(std::string_view path) {
  return path == "/health" || path.starts_with("/health/");
}

bool HttpPaths::serves(std::string_view path) const {
  if (is_health_path(path)) return health;
  return path == "/metrics" ? metrics : others;
}

HttpPaths& HttpPaths::operator|=(const HttpPaths& more) {
  health = health || more.health;
  metrics = metrics || more.metrics;
  others = others || more.others;
  return *this;
}

std::vector<SocketAddress> http_sockets(const std::vector<HttpBinding>& bindings) {
  std::vector<SocketAddress> sockets;
  for (const HttpBinding& binding : bindings) {
    const bool covered = std::ranges::any_of(
        sockets, [&](const SocketAddress& bound) { return covers(bound, binding.address); });
    if (covered) continue;
    std::erase_if(sockets, [&](const SocketAddress& bound) { return covers(binding.address, bound); });
    sockets.push_back(binding.address);
  }
  return sockets;
}

HttpPaths http_paths_at(const std::vector<HttpBinding>& bindings, const SocketAddress& local) {
  HttpPaths paths;
  const SocketAddress plain = unmapped(local);
  for (const HttpBinding& binding : bindings)
    if (covers(binding.address, plain)) paths |= binding.paths;
  return paths;
}

}  // namespace kferry::operations
