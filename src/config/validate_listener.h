// One listener: its ports, addresses and names, its certificate, and whether it fits the upstream behind it.
#pragma once

#include <string>

#include "config/config.h"
#include "config/draft.h"
#include "config/report.h"

namespace kferry::config {

// What a listener needs to know of its cluster. Does not own what it refers to.
struct ClusterView {
  const DraftCluster& cluster;
  const Upstream& upstream;
  bool upstream_protocol_known;  // false: the upstream's security protocol is wrong, so it says nothing
  const Section* shared_tls;     // GATEWAY_SSL_…; null unless the cluster is `default`
};

Listener read_listener(const DraftListener& draft, const ClusterView& view, Report& report);

// How an operator writes a listener's key that is missing: as a variable, or as "ports in
// [cluster.a.listener.b]".
std::string listener_key_name(const DraftCluster& cluster, const DraftListener& listener,
                              const std::string& key);

}  // namespace kferry::config
