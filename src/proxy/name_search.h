// Finds the one listed broker whose name leads to an address: how a connection that was dialled at a bootstrap server
// learns which broker answers there. Pure: the owner resolves the names, one after another.
//
// On a plaintext upstream only. With TLS the name is what a connection proves, and behind an ingress all brokers share
// one address.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/socket_address.h"
#include "proxy/topology.h"

namespace kferry::proxy {

class NameSearch {
 public:
  // Of more brokers, no name is resolved.
  static constexpr std::size_t names_max = 64;

  // `here` is the address that was dialled. Brokers on other ports are not searched.
  NameSearch(const SocketAddress& here, const std::vector<Node>& nodes);

  // The search is not over: the answer for `next()` is awaited.
  bool running() const { return !left_.empty(); }
  const HostPort& next() const { return left_.back().address; }
  // `next()` leads to these; empty: it cannot be resolved, and the search has failed, since that name might have been
  // another match.
  void on_resolved(std::span<const SocketAddress> addresses);
  // The only broker whose name leads here. Valid once the search is over.
  std::optional<NodeId> found() const;

 private:
  const SocketAddress here_;
  std::vector<Node> left_;  // to be resolved; the last one is being resolved
  std::vector<NodeId> found_;
};

}  // namespace kferry::proxy
