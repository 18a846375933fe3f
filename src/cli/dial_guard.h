// Where kferry would not dial a broker, as `kferry check --dial` tells it: by the rules of the proxy, which knows its
// own listeners, the places where clients are told to find it, and what no broker can have as its address.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/host_port.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "net/resolver.h"
#include "proxy/runtime.h"

namespace kferry::cli {

class DialGuard {
 public:
  // Resolves the advertised hosts, and waits for the answers.
  DialGuard(const config::Config& config, net::Resolver& resolver);

  // A bootstrap server of this cluster has led to these.
  void note_bootstrap(std::size_t cluster, const std::vector<SocketAddress>& addresses);
  // Why the address is not dialled for a bootstrap server; empty: it is.
  std::string why_not(std::size_t cluster, const SocketAddress& address) const;
  // The same for a broker that is said to be at `place`.
  std::string why_not(std::size_t cluster, const SocketAddress& address, const HostPort& place) const;
  // Whether clients are told to find kferry at this address.
  bool advertised_at(const SocketAddress& address) const;
  // Whether clients are told to find kferry at this place, by name.
  bool advertised(const HostPort& place) const;

 private:
  std::string_view refusal(std::size_t cluster, const SocketAddress& address, const HostPort* place) const;

  const proxy::Runtime runtime_;
  std::set<std::string> own_;  // addresses of this host's interfaces
  std::set<std::pair<std::string, std::int32_t>> advertised_;
};

}  // namespace kferry::cli
