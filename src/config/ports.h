// Which of a listener's ports belongs to which broker: a pure function of the configuration and the broker's
// id, without state, so that every replica and every restart agrees (config.h, Listener).
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

// One port with those of the given brokers that fall on it, lowest id first. More than one: a clash.
struct PortUse {
  Port port;
  std::vector<NodeId> nodes;
};
struct PortMap {
  std::vector<PortUse> ports;    // as listener.ports, in order
  std::vector<NodeId> unmapped;  // brokers no port can be given to, lowest id first
  bool clash() const;
};
PortMap map_ports(const Listener& listener, std::span<const NodeId> nodes);

// The ids a port serves without a list of brokers at hand: "0, 3, 6, …" for the modulo, the one listed id, or
// "no broker" for a port beyond the ids.
std::string ids_of_port(const Listener& listener, std::size_t index);

// How many ports give each of these brokers one of its own under the modulo: the smallest such size, or
// nullopt when not even a list as long as there are ports does.
std::optional<std::size_t> ports_that_fit(std::int32_t min_broker_id, std::span<const NodeId> nodes);

}  // namespace kferry::config
