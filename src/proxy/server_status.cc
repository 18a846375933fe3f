#include "proxy/server_status.h"

#include <atomic>

#include "proxy/routes.h"
#include "proxy/runtime.h"

namespace kferry::proxy {
namespace {

ClusterStatus status_of(const config::Cluster& config, const ClusterState& state) {
  ClusterStatus status{.name = config.name, .listeners = config.listeners.size()};
  const std::shared_ptr<const Snapshot> snapshot = state.topology.snapshot();
  for (const Node& node : snapshot->nodes)
    ++(node.provisional ? status.provisional : node.listed ? status.listed : status.unlisted);
  status.upstream_answered = state.upstream_answered.load(std::memory_order_relaxed);
  status.upstream_lost = state.upstream_lost.load(std::memory_order_relaxed);
  for (const config::Listener& listener : config.listeners) {
    Routes routes(listener);
    routes.refresh(*snapshot);
    if (routes.leaves_out()) status.clashing_listeners.push_back(listener.name);
  }
  return status;
}

}  // namespace

ServerStatus status_of(const Runtime& runtime) {
  ServerStatus status{.listening = !runtime.drain.any_port_closed()};
  for (const auto& worker : runtime.workers) {
    status.workers.push_back(
        {worker->turns.load(std::memory_order_relaxed), worker->sessions.load(std::memory_order_relaxed)});
    status.drain.left += worker->sessions.load(std::memory_order_relaxed);
    status.drain.lingering += worker->lingering.load(std::memory_order_relaxed);
  }
  status.drain.ports_closed = runtime.drain.every_port_closed();
  status.drain.ended = runtime.drain.ended();
  status.drain.cut = runtime.drain.cut();
  const std::shared_ptr<const LivePlan> live = runtime.moves.current();
  for (std::size_t c = 0; c < live->clusters.size(); ++c)
    status.clusters.push_back(status_of(live->plan->clusters()[c].config, *live->clusters[c]));
  status.tls = live->tls;
  return status;
}

}  // namespace kferry::proxy
