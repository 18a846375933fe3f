#include "proxy/runtime.h"

#include <algorithm>
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

// True if a bootstrap server has stayed.
bool is_same_cluster(const config::Upstream& from, const config::Upstream& to) {
  return std::ranges::any_of(from.bootstrap_servers, [&](const HostPort& server) {
    return std::ranges::find(to.bootstrap_servers, server) != to.bootstrap_servers.end();
  });
}

void set_policies(const LivePlan& live) {
  for (std::size_t c = 0; c < live.clusters.size(); ++c) {
    const config::Upstream& upstream = live.plan->clusters()[c].config.upstream;
    Topology& topology = live.clusters[c]->topology;
    topology.follow_cluster_changes(upstream.on_cluster_change == config::OnClusterChange::follow);
    topology.limit_brokers(live.plan->config().limits.brokers_per_cluster);
  }
}

}  // namespace

Runtime::Runtime(std::shared_ptr<const Plan> plan, LogSink& sink,
                 std::shared_ptr<const certificates::TlsContexts> tls)
    : log(sink),
      moves(live_after(nullptr, {std::move(plan), std::move(tls)}), [this] { wake_workers(); }),
      drain([this] { wake_workers(); }),
      addresses(sink) {
  set_policies(*moves.current());
}

void Runtime::wake_workers() {
  for (const auto& worker : workers) worker->ring->wake();
}

std::shared_ptr<ClusterState> Runtime::new_state(const std::string& name) {
  auto state = std::make_shared<ClusterState>(name, log);
  ClusterState& known = *state;
  known.topology.on_publish([this, &known](const Snapshot& snapshot) {
    const std::shared_ptr<const LivePlan> live = moves.current();
    for (std::size_t c = 0; c < live->clusters.size(); ++c)
      if (live->clusters[c].get() == &known) report_clashes(live->plan->clusters()[c].config, snapshot, log);
  });
  known.topology.set_guard([this, &known](const SocketAddress& address) {
    const HostPort literal{address.host_text(), address.port()};
    return why_not_dialled(known, address, &literal, Instant{});
  });
  known.topology.on_change([this] { wake_workers(); });
  return state;
}

std::shared_ptr<const LivePlan> Runtime::live_after(const LivePlan* former, PlanMoves::Proposal proposal) {
  auto live = std::make_shared<LivePlan>();
  live->plan = std::move(proposal.plan);
  live->tls = std::move(proposal.tls);
  for (const ClusterPlan& cluster : live->plan->clusters()) {
    const ClusterPlan* const before =
        former == nullptr ? nullptr : former->plan->cluster(cluster.config.name);
    const bool same = before != nullptr && is_same_cluster(before->config.upstream, cluster.config.upstream);
    live->clusters.push_back(
        same ? former->clusters[static_cast<std::size_t>(before - former->plan->clusters().data())]
             : new_state(cluster.config.name));
  }
  return live;
}

std::shared_ptr<const LivePlan> Runtime::make_live(PlanMoves::Proposal proposal) {
  return live_after(moves.current().get(), std::move(proposal));
}

void Runtime::publish(const std::shared_ptr<const LivePlan>& live) {
  set_policies(*live);
  moves.publish(live, workers.size());
  for (std::size_t c = 0; c < live->clusters.size(); ++c)
    report_clashes(live->plan->clusters()[c].config, *live->clusters[c]->topology.snapshot(), log);
}

std::string_view Runtime::why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                          const HostPort* learnt, Instant now,
                                          const SocketAddress& from) const {
  const std::shared_ptr<const Plan> plan = moves.current()->plan;
  if (plan->is_own(address, from)) return own_listener;
  if (learnt == nullptr) return {};
  if (plan->advertised()->has(*learnt)) return own_advertised;
  // Behind an ingress TLS with another server name leads elsewhere, though the address is the same.
  const ClusterPlan* const planned = plan->cluster(cluster.name);
  const bool led_by_name = planned != nullptr && planned->config.upstream.tls &&
                           !SocketAddress::parse(learnt->host, address.port());
  if (!led_by_name && own_places && own_places->has(plan->advertised(), address, now)) return own_advertised;
  if (const std::string_view why = why_no_broker(address); !why.empty()) return why;
  if (address.is_loopback() && !cluster.bootstrap_on_loopback) return "learnt, on loopback: not dialled";
  if (address.is_link_local() && !cluster.bootstrap_on_link_local) return "learnt, link-local: not dialled";
  return {};
}

}  // namespace kferry::proxy
