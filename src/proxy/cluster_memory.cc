#include "proxy/cluster_memory.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "proxy/runtime.h"

namespace kferry::proxy {

std::vector<ClusterMemory> memories_of(const Runtime& runtime) {
  std::vector<ClusterMemory> memories;
  const std::shared_ptr<const LivePlan> live = runtime.moves.current();
  for (std::size_t c = 0; c < live->clusters.size(); ++c) {
    const ClusterState& state = *live->clusters[c];
    const config::Cluster& config = live->plan->clusters()[c].config;
    const std::shared_ptr<const Snapshot> snapshot = state.topology.snapshot();
    ClusterMemory& memory = memories.emplace_back();
    memory.name = config.name;
    memory.bootstrap_servers = config.upstream.bootstrap_servers;
    memory.cluster_id = snapshot->cluster_id;
    memory.on_loopback = state.bootstrap_on_loopback;
    memory.on_link_local = state.bootstrap_on_link_local;
    memory.upstream_answered = state.upstream_answered && !state.upstream_lost;
    for (const Node& node : snapshot->nodes)
      if (!node.provisional) memory.brokers.push_back({node.id, node.address, node.listed});
  }
  return memories;
}

void restore(Runtime& runtime, const std::vector<ClusterMemory>& memories, Instant now) {
  const std::shared_ptr<const LivePlan> live = runtime.moves.current();
  for (const ClusterMemory& memory : memories) {
    const ClusterPlan* const plan = live->plan->cluster(memory.name);
    if (plan == nullptr) continue;
    const std::vector<HostPort>& servers = plan->config.upstream.bootstrap_servers;
    if (std::ranges::find_first_of(servers, memory.bootstrap_servers) == servers.end()) continue;
    ClusterState& state = *live->clusters[static_cast<std::size_t>(plan - live->plan->clusters().data())];
    state.bootstrap_on_loopback = memory.on_loopback;
    state.bootstrap_on_link_local = memory.on_link_local;
    state.upstream_answered = memory.upstream_answered;
    Snapshot known;
    known.cluster_id = memory.cluster_id;
    for (const ClusterMemory::Broker& broker : memory.brokers) {
      Node& node = known.nodes.emplace_back();
      node.id = broker.id;
      node.address = broker.address;
      node.listed = broker.listed;
    }
    state.topology.restore(std::move(known), now);
  }
}

}  // namespace kferry::proxy
