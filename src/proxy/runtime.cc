#include "proxy/runtime.h"

#include <string>
#include <utility>
#include <vector>

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

std::shared_ptr<const LivePlan> make_live(std::shared_ptr<const Plan> plan,
                                          std::shared_ptr<const certificates::TlsContexts> tls,
                                          LogSink& log) {
  auto live = std::make_shared<LivePlan>();
  for (const ClusterPlan& cluster : plan->clusters())
    live->clusters.push_back(std::make_shared<ClusterState>(cluster.config.name, log));
  live->plan = std::move(plan);
  live->tls = std::move(tls);
  return live;
}

}  // namespace

Runtime::Runtime(std::shared_ptr<const Plan> plan, LogSink& sink,
                 std::shared_ptr<const certificates::TlsContexts> tls)
    : log(sink), live(make_live(std::move(plan), std::move(tls), sink)), addresses(sink) {
  for (std::size_t c = 0; c < live->clusters.size(); ++c) {
    const config::Cluster& cluster = live->plan->clusters()[c].config;
    Topology& topology = live->clusters[c]->topology;
    topology.follow_cluster_changes(cluster.upstream.on_cluster_change == config::OnClusterChange::follow);
    topology.limit_brokers(live->plan->config().limits.brokers_per_cluster);
    topology.on_publish(
        [&cluster, this](const Snapshot& snapshot) { report_clashes(cluster, snapshot, log); });
    topology.set_guard([this, &known = *live->clusters[c]](const SocketAddress& address) {
      return why_not_dialled(known, address, true);
    });
    topology.on_change([this] {
      for (const auto& worker : workers) worker->ring->wake();
    });
  }
}

std::string_view Runtime::why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                          bool learnt, const SocketAddress& from) const {
  if (live->plan->is_own(address, from)) return own_listener;
  if (!learnt) return {};
  if (const std::string_view why = why_no_broker(address); !why.empty()) return why;
  if (address.is_loopback() && !cluster.bootstrap_on_loopback) return "learnt, on loopback: not dialled";
  if (address.is_link_local() && !cluster.bootstrap_on_link_local) return "learnt, link-local: not dialled";
  return {};
}

}  // namespace kferry::proxy
