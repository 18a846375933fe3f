// Which addresses the HTTP endpoint binds, and which paths each of them serves. Pure.
//
// Two bindings of one port, one of them a wildcard, need one socket (127.0.0.1:8888 beside 0.0.0.0:8888 is EADDRINUSE):
// the wildcard is bound, and the local address of each accepted connection says which bindings it came by.
#pragma once

#include <string_view>
#include <vector>

#include "base/socket_address.h"

namespace kferry::operations {

// A set of paths.
struct HttpPaths {
  bool health = false;   // /health and what is below
  bool metrics = false;  // /metrics
  bool others = false;

  bool any() const { return health || metrics || others; }
  bool serves(std::string_view path) const;
  HttpPaths& operator|=(const HttpPaths& more);
  friend bool operator==(const HttpPaths&, const HttpPaths&) = default;
};
inline constexpr HttpPaths all_http_paths{.health = true, .metrics = true, .others = true};
inline constexpr HttpPaths only_health{.health = true};
inline constexpr HttpPaths only_metrics{.metrics = true};

bool is_health_path(std::string_view path);

struct HttpBinding {
  SocketAddress address;
  HttpPaths paths;
};

// The addresses to bind for `bindings`, each once. An IPv6 wildcard also takes IPv4's connections.
std::vector<SocketAddress> http_sockets(const std::vector<HttpBinding>& bindings);
// What a connection may ask for that was accepted at this local address.
HttpPaths http_paths_at(const std::vector<HttpBinding>& bindings, const SocketAddress& local);

}  // namespace kferry::operations
