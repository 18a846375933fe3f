// A plan in force, with what it uses at run time: the state of each of its clusters, and the TLS contexts of its
// listeners and upstreams. Immutable. An accepted socket, a session and a discovery belong to the one that they began
// with.
#pragma once

#include <cstdint>
#include <memory>
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

}  // namespace kferry::proxy
