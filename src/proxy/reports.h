// The log lines about a cluster that its sessions cause. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/log_sink.h"
#include "config/config.h"
#include "kafka/cluster_view.h"
#include "proxy/cluster_state.h"

namespace kferry::proxy {

// What a line shows of Dialler::tried(): its first kilobyte or so, cut behind an attempt, and how much is left out.
std::string shown_attempts(std::string_view tried);
// A dial to the broker failed; `tried` says where and how, of this broker's addresses. The log limits the lines per
// broker.
void report_unreachable(const ClusterState& cluster, NodeId id, std::string_view tried, LogSink& log);
// The broker ends new connections at once while others to it are open and answered.
void report_limited(const ClusterState& cluster, NodeId id, const HostPort& where, LogSink& log);
// The broker is said to be where clients find kferry itself: it is not dialled. Once per cluster and place.
void report_own_place(ClusterState& cluster, NodeId id, const HostPort& place, const SocketAddress& address,
                      LogSink& log);
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
