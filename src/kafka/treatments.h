// Treats a response whose described fields have been walked: each row of the API table names one of these
// functions. It tells the cluster view what the response says about brokers, then composes what the client
// gets. Bytes to bytes.
#pragma once

#include <cstdint>

#include "kafka/cluster_view.h"
#include "kafka/conversation.h"
#include "kafka/findings.h"
#include "kafka/schema.h"
#include "kafka/wire.h"

namespace kferry::kafka {

struct WalkedResponse {
  const Unanswered& request;
  Findings& found;
  bool compact;    // strings and counts are compact in the version of the response
  bool same_size;  // the frame's length has left, so the replacement must be as long as found.bytes
  Conversation& conversation;
  ClusterView& cluster;
  // Replaces found.bytes. Valid after Treated::rewritten. A frame's length in it is still the old one.
  Bytes replacement = {};
};

enum class Treated : std::uint8_t {
  unchanged,      // found.bytes leave as they came
  rewritten,      // WalkedResponse::replacement leaves in their place
  other_cluster,  // the view has refused the response, which may not leave
  too_large,      // what it becomes is longer than what may be held; it may not leave
};

// Metadata: a full list of brokers. Those that cannot be mapped are left out.
Treated map_brokers(WalkedResponse& response);
// DescribeCluster: the same for brokers, except that an error makes the list a partial one. A list of
// controllers becomes empty.
Treated map_described_cluster(WalkedResponse& response);
// FindCoordinator: a coordinator that cannot be mapped becomes an error.
Treated map_coordinators(WalkedResponse& response);
// Produce, Fetch, ShareFetch and ShareAcknowledge: maps the node endpoints at the end, or with `same_size`
// removes them.
Treated map_node_endpoints(WalkedResponse& response);
// DescribeQuorum: empties the lists of the controllers' listeners.
Treated blank_listeners(WalkedResponse& response);
// ApiVersions: offers only what kferry can forward.
Treated limit_api_ranges(WalkedResponse& response);
// SaslHandshake: notes whether raw tokens follow, and tells the observer the error code.
Treated note_sasl_handshake(WalkedResponse& response);
// SaslAuthenticate: tells the observer the error code. The token behind it is not kept.
Treated note_sasl_answer(WalkedResponse& response);

}  // namespace kferry::kafka
