// What a kferry knows of a cluster, for the process that succeeds it: where its brokers are, learnt from traffic or by
// discovery. Only what is believed; claims, doubts and provisional brokers are left behind. Plain data.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/host_port.h"
#include "base/ids.h"

namespace kferry::proxy {

struct Runtime;

struct ClusterMemory {
  struct Broker {
    NodeId id{};
    HostPort address;
    bool listed = true;
  };

  std::string name;
  std::vector<HostPort> bootstrap_servers;
  std::string cluster_id;
  // A bootstrap server's address is of this class, so that learnt ones of it may be dialled.
  bool on_loopback = false;
  bool on_link_local = false;
  bool upstream_answered = false;  // a bootstrap server has answered, so that the successor is ready at once
  std::vector<Broker> brokers;
};

// Of the plan in force. Any thread.
std::vector<ClusterMemory> memories_of(const Runtime& runtime);
// Before any worker turns. A memory counts where the plan has a cluster of this name with one of its bootstrap servers.
void restore(Runtime& runtime, const std::vector<ClusterMemory>& memories, Instant now);

}  // namespace kferry::proxy
