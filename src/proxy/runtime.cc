#include "proxy/runtime.h"

#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/counted.h"
#include "proxy/routes.h"

namespace kferry::proxy {
namespace {

// What a line tells of single brokers; of more it gives the number.
constexpr std::size_t clashes_told_max = 8;

// One line per listener that cannot give every live broker a port, each time the topology changes.
void report_clashes(const config::Cluster& cluster, const Snapshot& snapshot, LogSink& log) {
  for (const config::Listener& listener : cluster.listeners) {
    Routes routes(listener);
    routes.refresh(snapshot);
    std::size_t left_out = 0;
    std::string what;
    const auto tell = [&](NodeId id, const std::string& why) {
      if (++left_out > clashes_told_max) return;
      what += (what.empty() ? "broker " : "; broker ") + std::to_string(number(id)) + why;
    };
    for (const Clash& clash : routes.clashes()) {
      tell(clash.dropped, " falls on port " + std::to_string(clash.local_port) + ", which broker " +
                              std::to_string(number(clash.kept)) + " keeps");
    }
    for (const NodeId id : routes.unmapped()) tell(id, " is not in the listener's ids");
    if (left_out == 0) continue;
    if (left_out > clashes_told_max) what += "; and " + std::to_string(left_out - clashes_told_max) + " more";
    log.write({Severity::error, "port_clash", listener.name,
               "degraded: listener " + listener.name + " of cluster " + cluster.name + " has " +
                   counted(listener.ports.size(), "port") + ": " + what +
                   (left_out == 1 ? ": clients are not told of this broker"
                                  : ": clients are not told of these brokers") +
                   ", and see LEADER_NOT_AVAILABLE for the partitions led there; " +
                   routes.advice(snapshot)});
  }
}

}  // namespace

ClusterState::ClusterState(std::string cluster_name, LogSink& log)
    : name(std::move(cluster_name)), topology(name, log) {}

bool ClusterState::note_hidden(ApiKey key) {
  const std::scoped_lock lock(noted_mutex_);
  return hidden_noted_.insert(key).second;
}

bool ClusterState::note_left_out(NodeId id) {
  const std::scoped_lock lock(noted_mutex_);
  return left_out_noted_.size() < brokers_max && left_out_noted_.insert(id).second;
}

bool ClusterState::note_deviation(ApiKey key, kafka::Deviation how) {
  const std::scoped_lock lock(noted_mutex_);
  return deviations_noted_.emplace(key, how).second;
}

Runtime::Runtime(std::shared_ptr<const Plan> first, LogSink& sink)
    : plan(std::move(first)), log(sink), addresses(sink) {
  for (const ClusterPlan& planned : plan->clusters()) {
    const config::Cluster& cluster = planned.config;
    auto state = std::make_unique<ClusterState>(cluster.name, log);
    Topology& topology = state->topology;
    topology.follow_cluster_changes(cluster.upstream.on_cluster_change == config::OnClusterChange::follow);
    topology.on_publish(
        [&cluster, this](const Snapshot& snapshot) { report_clashes(cluster, snapshot, log); });
    topology.set_guard([this, &known = *state](const SocketAddress& address) {
      return why_not_dialled(known, address, true);
    });
    topology.on_change([this] {
      for (const auto& worker : workers) worker->ring->wake();
    });
    clusters.emplace(cluster.name, std::move(state));
  }
}

ClusterState& Runtime::cluster(std::string_view name) const {
  const auto found = clusters.find(name);
  KFERRY_ASSERT(found != clusters.end());
  return *found->second;
}

std::string_view Runtime::why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                          bool learnt, const SocketAddress& from) const {
  if (plan->is_own(address, from)) return own_listener;
  if (!learnt) return {};
  if (const std::string_view why = why_no_broker(address); !why.empty()) return why;
  if (address.is_loopback() && !cluster.bootstrap_on_loopback) return "learnt, on loopback: not dialled";
  if (address.is_link_local() && !cluster.bootstrap_on_link_local) return "learnt, link-local: not dialled";
  return {};
}

}  // namespace kferry::proxy
