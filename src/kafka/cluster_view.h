// What the rewriter needs from its owner: a place to report brokers, and the addresses that clients get
// instead.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/host_port.h"
#include "base/ids.h"

namespace kferry::kafka {

// A broker as a response names it. Strings point into the frame and are valid during the call only.
struct BrokerEntry {
  NodeId id{};
  std::string_view host;
  std::int32_t port = 0;
};

struct BrokerList {
  ApiKey source{};
  // True: the response lists all live brokers (Metadata; DescribeCluster of brokers with error 0). False: it
  // adds addresses but removes none (FindCoordinator, NodeEndpoints).
  bool full = false;
  // Absent if the response has no cluster id or a null one (Metadata 0-1, FindCoordinator, NodeEndpoints).
  std::optional<std::string_view> cluster_id;
  std::span<const BrokerEntry> brokers;  // without ids below 0
};

// What a lenient server writes against Kafka's schema, and clients take nevertheless.
enum class Deviation : std::uint8_t {
  null_array,         // null where an empty array belongs
  trailing_bytes,     // after the last field
  unexpected_answer,  // to a Produce with acks=0
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;

  // Called once per decoded list, before any byte that depends on it leaves. False: the list belongs to
  // another cluster than the one learnt; the connection ends, and the view has learnt nothing.
  virtual bool learn(const BrokerList& list) = 0;
  // What becomes of a list of another cluster, and the remedy, for the message about the connection's end.
  virtual std::string other_cluster_advice() const { return "correct the bootstrap servers"; }
  // The address at which clients reach this broker through kferry, given everything learnt so far; nullopt:
  // the broker cannot be mapped (clash, unlisted id) and is left out.
  virtual std::optional<HostPort> advertised(NodeId id) = 0;
  // Some known broker cannot be mapped, so that its id may not be told as a leader's either.
  virtual bool leaves_out() { return false; }
  // A broker that cannot be mapped was left out of a response, or an API key was hidden from ApiVersions. The
  // view counts and logs each of them once.
  virtual void left_out(ApiKey source, NodeId id) = 0;
  virtual void hidden_api(ApiKey key) = 0;
  // A response of this API deviates from its schema and passes. The view logs each kind once.
  virtual void deviates(ApiKey source, Deviation how) = 0;
  // The broker is not the node, or not of the cluster, that the ApiVersions request with this correlation id named
  // (error 129, KIP-1242).
  virtual void denied(CorrelationId /*request*/) {}
};

}  // namespace kferry::kafka
