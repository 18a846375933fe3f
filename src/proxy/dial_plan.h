// Decides, without I/O, which broker to dial for a connection on a port: the port's own broker, or, while that broker
// is unknown or was unreachable a moment ago, a stand-in that serves bootstrap only.
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

// In order of preference, each address once: the port's own broker, at most 32 stand-ins, at most 32 bootstrap servers.
// n brokers and b bootstrap servers take n + b log n steps. `owner`: the node of the port, if known;
// `owner_may_be_dialled`: it is not down, or this client probes it. `port_index` spreads ports over the bootstrap
// servers. Of the stand-ins, those at the `failed` places come last.
std::vector<connection::Candidate> dial_plan(const Snapshot& snapshot, std::optional<NodeId> owner,
                                             bool owner_may_be_dialled, std::size_t port_index,
                                             std::span<const HostPort> bootstrap_servers,
                                             std::span<const HostPort> failed = {});
// How long a stand-in may take to connect while others are left: where a zone is down, several are silent.
constexpr Duration stand_in_patience = std::chrono::seconds(1);
// Gives every candidate but the owner's and the last one stand_in_patience.
void hurry_stand_ins(std::span<connection::Candidate> candidates, std::optional<NodeId> owner);
// The addresses of one node; empty if it may not be dialled.
std::vector<connection::Candidate> own_candidates(const Snapshot& snapshot, NodeId id);

// True if a request with this API key may go to a stand-in.
bool stand_in_serves(ApiKey key);
// True if any broker answers a request with this API key as another would, or passes it on to the controller, so that
// it may go to a broker whose id is not known. Not ListGroups, DescribeLogDirs, ListTransactions or the configurations
// of brokers, which each broker answers for itself.
bool any_broker_serves(ApiKey key);

// True if a question of kferry's own goes to this broker, too: it is listed, and no candidate has its address.
bool adds_to(std::span<const connection::Candidate> candidates, const Node& node);

}  // namespace kferry::proxy
