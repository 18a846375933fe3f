// A plan in force, with what it uses at run time: the state of each of its clusters, and the TLS contexts of its
// listeners and upstreams. Immutable. An accepted socket, a session and a discovery belong to the one that they began
// with.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "certificates/tls_contexts.h"
#include "proxy/cluster_state.h"
#include "proxy/plan.h"

namespace kferry::proxy {

struct LivePlan {
  std::shared_ptr<const Plan> plan;
  std::vector<std::shared_ptr<ClusterState>> clusters;  // by index into plan->clusters()
  // Where any listener or upstream has TLS; else it may be null.
  std::shared_ptr<const certificates::TlsContexts> tls;
};

// With which TLS the brokers of a cluster are dialled; null: with none; the error says why it cannot be used. `tls` is
// null as long as no certificate has been read.
inline std::expected<std::shared_ptr<const tls::ClientContext>, std::string> upstream_context(
    const config::Cluster& cluster, const certificates::TlsSnapshot* tls) {
  if (!cluster.upstream.tls) return nullptr;
  if (tls == nullptr) return std::unexpected(std::string("no certificate has been read yet"));
  const certificates::Usable<tls::ClientContext> usable = tls->upstream(cluster.name);
  if (usable.context == nullptr) return std::unexpected(usable.why_not);
  return usable.context;
}

}  // namespace kferry::proxy
