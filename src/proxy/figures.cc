#include "proxy/figures.h"

#include <numeric>

#include "proxy/routes.h"
#include "proxy/runtime.h"

namespace kferry::proxy {
namespace {

void add(DurationFigures& sum, const DurationCounter& counter) {
  for (std::size_t i = 0; i < DurationCounter::buckets; ++i) sum.counts[i] += counter.count(i);
  sum.sum_ns += counter.sum_ns();
}

// What is subtracted later is read first, so that no difference is below zero.
void add(ListenerFigures& sum, const ListenerCounters& counters) {
  sum.unanswered += counters.unanswered.value();
  sum.answered += counters.answered.value();
  sum.awaited += counters.awaited.value();
  for (std::size_t i = 0; i < close_causes; ++i) sum.closed[i] += counters.closed[i].value();
  sum.probes += counters.probes.value();
  sum.accepted += counters.accepted.value();
  for (const NodeCounters* node : counters.nodes()) {
    const NodeFigures one{node->active.value(), node->to_broker.value(), node->to_client.value()};
    const bool nothing = one.active + one.to_broker + one.to_client == 0;
    if (nothing && node->name != ListenerCounters::no_node) continue;
    NodeFigures& all = sum.nodes[node->name];
    all.active += one.active;
    all.to_broker += one.to_broker;
    all.to_client += one.to_client;
  }
  for (std::size_t api = 0; api < counted_apis; ++api) {
    const ListenerCounters::Versions* versions = counters.requests(api);
    if (versions == nullptr) continue;
    for (std::size_t version = 0; version < versions->size(); ++version)
      if (const std::uint64_t count = (*versions)[version].value(); count > 0)
        sum.requests[{api, version}] += count;
  }
  for (std::size_t mechanism = 0; mechanism < Authentication::mechanisms.size(); ++mechanism)
    for (std::size_t outcome = 0; outcome < Authentication::outcomes; ++outcome)
      sum.authentications[mechanism][outcome] += counters.authentications[mechanism][outcome].value();
  for (std::size_t api = 0; api < timed_api_count; ++api)
    for (std::size_t part = 0; part < request_parts; ++part)
      add(sum.durations[api][part], counters.durations(api, static_cast<RequestPart>(part)));
}

void add(ClusterFigures& sum, const ClusterCounters& counters) {
  add(sum.dial_duration, counters.dial_duration);
  for (const ClusterCounters::Node* node : counters.nodes())
    for (std::size_t outcome = 0; outcome < dial_outcomes; ++outcome)
      if (const std::uint64_t count = node->dials[outcome].value(); count > 0)
        sum.dials[{node->name, static_cast<DialOutcome>(outcome)}] += count;
}

void add(Figures& sum, const WorkerCounters& counters) {
  for (const ListenerCounters* listener : counters.listeners())
    add(sum.listeners[{listener->cluster, listener->name}], *listener);
  for (const ClusterCounters* cluster : counters.clusters()) add(sum.clusters[cluster->name], *cluster);
  sum.spliced_to_broker += counters.spliced_to_broker.value();
  sum.spliced_to_client += counters.spliced_to_client.value();
  for (std::size_t api = 0; api < counted_apis; ++api) {
    sum.rewrites[api] += counters.rewrites[api].value();
    sum.withheld[api] += counters.withheld[api].value();
  }
  for (std::size_t side = 0; side < HandshakeCounters::sides; ++side) {
    sum.kernel_receives[side] += counters.kernel_receives[side].value();
    sum.kernel_sends[side] += counters.kernel_sends[side].value();
    for (std::size_t version = 0; version < HandshakeCounters::versions; ++version)
      for (std::size_t outcome = 0; outcome < HandshakeCounters::outcomes; ++outcome)
        for (const bool resumed : {false, true}) {
          const std::uint64_t count =
              counters.handshakes.counts[side][version][outcome][resumed ? 1 : 0].value();
          if (count > 0) sum.handshakes[{side, version, outcome, resumed}] += count;
        }
  }
  sum.buffers_free += counters.buffers_free.value();
  sum.buffers_in_use += counters.buffers_in_use.value();
  sum.held_bytes += counters.held_bytes.value();
}

PortFigures ports_of(const config::Listener& listener, const Snapshot& snapshot) {
  Routes routes(listener);
  routes.refresh(snapshot);
  PortFigures ports;
  for (std::size_t i = 0; i < listener.ports.size(); ++i) ++(routes.owner(i) ? ports.used : ports.free);
  ports.clashing = routes.clashes().size() + routes.unmapped().size();
  return ports;
}

}  // namespace

std::uint64_t DurationFigures::total() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::uint64_t ListenerFigures::active() const {
  std::uint64_t sum = 0;
  for (const auto& [name, node] : nodes) sum += node.active;
  return sum;
}

std::uint64_t ListenerFigures::closed_in_all() const {
  return std::accumulate(closed.begin(), closed.end(), std::uint64_t{0});
}

Figures figures_of(const Runtime& runtime, Instant now) {
  Figures figures;
  for (const auto& worker : runtime.workers) add(figures, worker->counters);
  const std::shared_ptr<const LivePlan> live = runtime.moves.current();
  for (std::size_t c = 0; c < live->clusters.size(); ++c) {
    const config::Cluster& config = live->plan->clusters()[c].config;
    const Topology& topology = live->clusters[c]->topology;
    const std::shared_ptr<const Snapshot> snapshot = topology.snapshot();
    if (const std::optional<Instant> heard = topology.heard_at())
      figures.clusters[config.name].topology_age = now - *heard;
    for (const config::Listener& listener : config.listeners)
      if (!listener.sni)
        figures.listeners[{config.name, listener.name}].ports = ports_of(listener, *snapshot);
  }
  return figures;
}

}  // namespace kferry::proxy
