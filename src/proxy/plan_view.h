// What one worker knows of a live plan at the moment: the newest snapshot of each cluster, what each port leads to
// under it, and the newest certificates. Shared by the worker, and by the sessions and inquiries that began under the
// plan.
//
//   PlanView ──▶ LivePlan      (all workers')
//      └───────▶ KnownCluster   one for each ClusterState, shared by the views of all plans that use it
//
// Lives on its worker's thread. Clusters and listeners are indices into this view's plan.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "certificates/tls_contexts.h"
#include "proxy/counters.h"
#include "proxy/live_plan.h"
#include "proxy/routes.h"

namespace kferry::proxy {

// A worker's own reference to what is known of a cluster.
struct KnownCluster {
  explicit KnownCluster(std::shared_ptr<ClusterState> of);

  const std::shared_ptr<ClusterState> state;
  std::uint64_t version = 0;                 // of the snapshot, at least
  std::shared_ptr<const Snapshot> snapshot;  // never null
  bool reconsider = false;                   // the cluster's sessions are to look at it anew
  bool reconsidering = false;                // during one pass over the sessions

  // Takes the newest snapshot. False: it has it already.
  bool refresh();
};

class PlanView {
 public:
  // `clusters`: one for each of the plan's. `counters`, the worker's, outlives the view.
  PlanView(std::shared_ptr<const LivePlan> live, std::vector<std::shared_ptr<KnownCluster>> clusters,
           WorkerCounters& counters);
  PlanView(const PlanView&) = delete;
  PlanView& operator=(const PlanView&) = delete;

  const std::shared_ptr<const LivePlan>& live() const { return live_; }
  const Plan& plan() const { return *live_->plan; }
  const config::Cluster& cluster_config(std::uint32_t cluster) const {
    return plan().clusters()[cluster].config;
  }

  const KnownCluster& known_cluster(std::uint32_t index) const { return *clusters_[index]; }
  ClusterState& cluster(std::uint32_t index) const { return *clusters_[index]->state; }
  const Snapshot& snapshot(std::uint32_t cluster) const { return *clusters_[cluster]->snapshot; }
  // By PortEntry::listener_index.
  const Routes& routes(std::uint32_t listener_index) const { return routes_[listener_index]; }

  // What the worker counts of them, whatever the plan.
  ListenerCounters& counters(std::uint32_t listener_index) const {
    return *listener_counters_[listener_index];
  }
  ClusterCounters& cluster_counters(std::uint32_t cluster) const { return *cluster_counters_[cluster]; }

  // The newest certificates. Without a context where none could be used so far.
  certificates::Usable<tls::ServerContext> server_context(std::uint32_t cluster,
                                                          std::uint32_t listener) const;
  // As upstream_context() of live_plan.h, with the newest certificates.
  std::expected<std::shared_ptr<const tls::ClientContext>, std::string> upstream_context(
      std::uint32_t cluster) const {
    return proxy::upstream_context(cluster_config(cluster), tls_.get());
  }

  // Brings the routes up to date with a cluster's new snapshot, if the plan has the cluster.
  void on_refreshed(const KnownCluster& cluster);
  // Takes the newest certificates.
  void refresh_certificates();

 private:
  void refresh_routes(std::uint32_t cluster, std::uint32_t first_listener);

  const std::shared_ptr<const LivePlan> live_;
  const std::vector<std::shared_ptr<KnownCluster>> clusters_;
  std::vector<Routes> routes_;                        // by listener, counted over all clusters
  std::vector<ListenerCounters*> listener_counters_;  // likewise
  std::vector<ClusterCounters*> cluster_counters_;
  std::shared_ptr<const certificates::TlsSnapshot> tls_;
  std::uint64_t tls_version_ = 0;
};

}  // namespace kferry::proxy
