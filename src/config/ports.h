// The mapping from brokers to a listener's ports (config.h, Listener): a pure function of the configuration
// and the broker's id, without state, so that every replica and every restart agrees.
//
//   without ids   port = ports[(id - min_broker_id) mod size], the mathematical modulo: never negative
//   with ids      the listed ids in order, one port each; an id that is not listed has none
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "config/config.h"

namespace kferry::config {

// The index in listener.ports; nullopt when the listener has no ports, the id is below 0, or `ids` is given
// and does not list it. With ids the first ports.size() of them have a port; load() refuses more.
std::optional<std::size_t> port_index(const Listener& listener, NodeId id);

// One port with the given brokers that map to it, lowest id first. More than one: a clash.
struct PortUse {
  Port port;
  std::vector<NodeId> nodes;
};
struct PortMap {
  std::vector<PortUse> ports;    // as listener.ports, in order
  std::vector<NodeId> unmapped;  // brokers that have no port, lowest id first
  bool clash() const;
};
PortMap map_ports(const Listener& listener, std::span<const NodeId> nodes);

// The ids that a port serves, when the brokers are not known: "0, 3, 6, …" for the modulo, the one listed id,
// or "no broker" for a port beyond the ids.
std::string ids_of_port(const Listener& listener, std::size_t index);

// The smallest number of ports, at most `ports_max`, that gives each of these brokers a port of its own under the
// modulo; nullopt: no such number, or the search takes too long. A size ends at its first clash.
std::optional<std::size_t> ports_that_fit(std::int32_t min_broker_id, std::span<const NodeId> nodes,
                                          std::size_t ports_max = 65'535);

}  // namespace kferry::config
