// What the rewriter asks of its owner: what brokers were learnt, and what a client is to be told instead.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/host_port.h"
#include "base/ids.h"

namespace kferry::kafka {

// One broker as a response named it. Strings point into the frame and are valid during the call only.
struct BrokerEntry {
  NodeId id{};
  std::string_view host;
  std::int32_t port = 0;
};

struct BrokerList {
  ApiKey source{};
  // True: this response says who is live (Metadata; DescribeCluster of brokers with error 0). False: it adds
  // addresses and removes none (FindCoordinator, NodeEndpoints).
  bool full = false;
  // Absent where the response has none or it is null (Metadata 0-1, FindCoordinator, NodeEndpoints).
  std::optional<std::string_view> cluster_id;
  std::span<const BrokerEntry> brokers;  // without ids below 0
};

class ClusterView {
 public:
  virtual ~ClusterView() = default;

  // Called once per decoded list, before a byte that depends on it is forwarded. False: the list is of
  // another cluster than the one learnt: the connection ends and the view has learnt nothing.
  virtual bool learn(const BrokerList& list) = 0;
  // What clients dial for this broker through kferry, after everything learnt so far; nullopt: it cannot be
  // mapped (clash, unlisted id) and is left out. The reference-like result is copied before the next call.
  virtual std::optional<HostPort> advertised(NodeId id) = 0;
  // A broker that could not be mapped was left out of a response, or an API key was hidden from ApiVersions;
  // the view counts and logs it (each once).
  virtual void left_out(ApiKey source, NodeId id) = 0;
  virtual void hidden_api(ApiKey key) = 0;
};

}  // namespace kferry::kafka
