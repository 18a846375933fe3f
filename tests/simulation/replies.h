// What a broker answers to an order, as the broker means it and as kferry must pass it on. Both are made from
// the same Reply, so a client compares every byte.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/host_port.h"
#include "orders.h"

namespace kferry::simulation {

struct Node {
  std::int32_t id = -1;
  std::string host;
  std::int32_t port = -1;
  std::optional<std::string> rack;
};

struct Range {
  std::int16_t key = 0;
  std::int16_t min = 0;
  std::int16_t max = 0;
};

struct Reply {
  Order order;
  std::vector<Node> nodes;  // brokers, the coordinator, or NodeEndpoints
  std::string cluster_id;
  std::int32_t controller = -1;
  std::vector<Range> ranges;
  std::int16_t error = 0;
  bool hidden_nodes = false;  // as translated: DescribeQuorum's listeners are gone
  bool neutralised = false;   // as translated: NodeEndpoints of a long Fetch became an unknown tag
  // As translated: brokers that the list lacks, so that they lead no partition.
  std::vector<std::int32_t> left_out;
  std::vector<std::int32_t> live;  // the cluster's brokers when it was answered
  std::vector<std::int32_t>
      lies;  // ids that no client is told of, since kferry does not take a port from another
};

// The whole response with its length.
std::string encode(const Reply& reply);

// What clients are told for a broker; nullopt: it is left out. `live` are those that may clash with it.
using Told = std::function<std::optional<HostPort>(std::int32_t id, const std::vector<std::int32_t>& live)>;

// What the client must get.
Reply translate(const Reply& reply, const Told& told);
// kferry's own answer to an ApiVersions above the table.
std::string own_answer(const Order& order);

}  // namespace kferry::simulation
