// Which broker each port of one listener leads to, and what clients are told, under one snapshot of the topology. A
// broker's port is a pure function of the configuration and its id (config/ports.h). If several brokers share a port,
// the lowest live id keeps it. A broker missing from the last full list is not live and keeps only a port that no live
// broker has, and a provisional one only a port that no other broker has.
//
// With routing by SNI every broker has a name instead (config/sni.h): the port belongs to no broker, and nothing can
// clash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "proxy/topology.h"

namespace kferry::proxy {

// Two live brokers that share a port.
struct Clash {
  NodeId kept{};
  NodeId dropped{};
  std::uint16_t local_port = 0;
};

class Routes {
 public:
  // `listener` outlives the routes.
  explicit Routes(const config::Listener& listener);

  // n brokers and i listed ids take n log i steps.
  void refresh(const Snapshot& snapshot);

  // The broker that this port belongs to; nullopt while none is known.
  std::optional<NodeId> owner(std::size_t port_index) const { return owners_[port_index]; }
  // What clients dial for the broker; nullopt: it has no port (clash, unlisted id).
  std::optional<HostPort> advertised(NodeId id) const;

  // Some live broker has no port.
  bool leaves_out() const { return !clashes_.empty() || !unmapped_.empty(); }
  const std::vector<Clash>& clashes() const { return clashes_; }
  // Live brokers without a port because the listener's `ids` lack them.
  const std::vector<NodeId>& unmapped() const { return unmapped_; }
  // How to give every known live broker a port of its own, for messages.
  std::string advice(const Snapshot& snapshot) const;

  const config::Listener& listener() const { return listener_; }

 private:
  std::optional<std::size_t> port_index(NodeId id) const;

  const config::Listener& listener_;
  std::vector<std::pair<std::int32_t, std::size_t>> ids_;  // the listener's `ids` with their places, sorted
  std::vector<std::optional<NodeId>> owners_;
  std::vector<Clash> clashes_;
  std::vector<NodeId> unmapped_;
};

}  // namespace kferry::proxy
