// Decides, without I/O, whom a connection on a port is dialled to: the port's own broker, or, while that is
// unknown or was just found unreachable, a stand-in for bootstrap (config.md, "Stand-ins serve bootstrap
// only").
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/host_port.h"
#include "base/ids.h"
#include "connection/dialler.h"
#include "proxy/topology.h"

namespace kferry::proxy {

// In order of preference, each address once. `owner`: the node of the port, if known; `owner_may_be_dialled`:
// no dial to it failed within the backoff. `port_index` spreads ports over the bootstrap servers.
std::vector<connection::Candidate> dial_plan(const Snapshot& snapshot, std::optional<NodeId> owner,
                                             bool owner_may_be_dialled, std::size_t port_index,
                                             std::span<const HostPort> bootstrap_servers);

// True when `key` may go to a broker that merely stands in.
bool stand_in_serves(ApiKey key);

}  // namespace kferry::proxy
