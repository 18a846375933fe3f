#include "proxy/plan_view.h"

#include <utility>

#include "base/assert.h"

namespace kferry::proxy {

KnownCluster::KnownCluster(std::shared_ptr<ClusterState> of) : state(std::move(of)) {
  // In this order: what is published in between is taken again.
  version = state->topology.version();
  snapshot = state->topology.snapshot();
}

bool KnownCluster::refresh() {
  const std::uint64_t newest = state->topology.version();
  if (newest == version) return false;
  version = newest;
  snapshot = state->topology.snapshot();
  reconsider = true;
  return true;
}

PlanView::PlanView(std::shared_ptr<const LivePlan> live, std::vector<std::shared_ptr<KnownCluster>> clusters,
                   WorkerCounters& counters)
    : live_(std::move(live)), clusters_(std::move(clusters)) {
  KFERRY_ASSERT(clusters_.size() == plan().clusters().size());
  for (std::uint32_t c = 0; c < clusters_.size(); ++c) {
    const auto first = static_cast<std::uint32_t>(routes_.size());
    cluster_counters_.push_back(&counters.cluster(cluster_config(c).name));
    for (const config::Listener& listener : cluster_config(c).listeners) {
      routes_.emplace_back(listener);
      listener_counters_.push_back(&counters.listener(cluster_config(c).name, listener.name));
    }
    refresh_routes(c, first);
  }
  refresh_certificates();
}

void PlanView::refresh_routes(std::uint32_t cluster, std::uint32_t first_listener) {
  const std::size_t listeners = cluster_config(cluster).listeners.size();
  for (std::size_t l = 0; l < listeners; ++l) routes_[first_listener + l].refresh(snapshot(cluster));
}

void PlanView::on_refreshed(const KnownCluster& cluster) {
  std::uint32_t first = 0;
  for (std::uint32_t c = 0; c < clusters_.size(); ++c) {
    if (clusters_[c].get() == &cluster) refresh_routes(c, first);
    first += static_cast<std::uint32_t>(cluster_config(c).listeners.size());
  }
}

void PlanView::refresh_certificates() {
  if (live_->tls == nullptr || (tls_ != nullptr && live_->tls->version() == tls_version_)) return;
  tls_version_ = live_->tls->version();
  tls_ = live_->tls->snapshot();
}

certificates::Usable<tls::ServerContext> PlanView::server_context(std::uint32_t cluster,
                                                                  std::uint32_t listener) const {
  const config::Cluster& config = cluster_config(cluster);
  return tls_ == nullptr ? certificates::Usable<tls::ServerContext>{}
                         : tls_->listener(config.name, config.listeners[listener].name);
}

}  // namespace kferry::proxy
