// What the lists of brokers say together that the bootstrap servers of one cluster give: whether they lead to one
// cluster, and to one listener of it. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "kafka/client_codec.h"

namespace kferry::cli {

struct ServerList {
  std::string server;  // as it is shown
  kafka::MetadataAnswer answer;
};

struct ListedBroker {
  kafka::AdvertisedBroker broker;
  std::string cluster_id;  // empty: unknown
};

struct ListFindings {
  std::vector<std::string> errors;    // each with what kferry does about it, and the remedy
  std::vector<std::string> warnings;  // the same
  // Every id and place that some server lists, once, by cluster, id and place.
  std::vector<ListedBroker> brokers;
  std::string cluster_id;  // of the first server that has one; empty: unknown
};

ListFindings compare_lists(const config::Cluster& cluster, std::span<const ServerList> lists);

}  // namespace kferry::cli
