// The log lines about a cluster that its sessions cause. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log_sink.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "connection/dialler.h"
#include "kafka/cluster_view.h"
#include "proxy/cluster_state.h"

namespace kferry::proxy {

struct Runtime;

// What a line shows of Dialler::tried(): its first kilobyte or so, cut behind an attempt, and how much is left out.
std::string shown_attempts(std::string_view tried);
// A dial to the broker failed; `tried` says where and how, of this broker's addresses. One line per outage.
void report_unreachable(ClusterState& cluster, NodeId id, std::string_view tried, Instant now, LogSink& log);
// A dial to the broker succeeded at `where`. One line if that ends an outage.
void report_reached(ClusterState& cluster, NodeId id, const HostPort& where, Instant now, LogSink& log);
// How kferry deals with the answer of another cluster, and the remedy, for messages.
std::string other_cluster_advice(const config::Upstream& upstream);
// The broker ends new connections at once while others to it are open and answered.
void report_limited(const ClusterState& cluster, NodeId id, const HostPort& where, LogSink& log);
// Runtime::why_not_dialled of a candidate; with a line where its broker is said to be where clients find kferry itself,
// once per cluster and place. Nor is a place dialled that leads back to kferry (proxy/loop_guard.h).
std::string_view why_not_dialled(const Runtime& runtime, ClusterState& cluster,
                                 const connection::Candidate& candidate, const SocketAddress& address,
                                 Instant now, const SocketAddress& from);
// True if the client id of a first request is that of a question of kferry's own, which has gone in a circle: the end
// of its connection is that of every one which it came through. With a line once the place leads back.
bool returns_to_kferry(Runtime& runtime, std::string_view client_id, Instant now);
// A place has not answered on any of LoopGuard::free connections, and dials there wait.
void report_unanswered(const ClusterState& cluster, const HostPort& place, LogSink& log);
// The broker at this address has answered that it is not this one (error 129).
void report_denied(const ClusterState& cluster, NodeId id, const HostPort& where, LogSink& log);
// The broker was left out of a response, since the listener has no port for it. Once per cluster and broker.
void report_left_out(ClusterState& cluster, const config::Listener& listener, ApiKey source, NodeId id,
                     LogSink& log);
// The brokers offer an API that clients are not told of. Once per cluster and API.
void report_hidden_api(ClusterState& cluster, ApiKey key, LogSink& log);
// A server deviates from Kafka's schema in a way that clients take. Once per cluster, API and kind.
void report_deviation(ClusterState& cluster, const HostPort& where, ApiKey source, kafka::Deviation how,
                      LogSink& log);

}  // namespace kferry::proxy
