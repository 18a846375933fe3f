// What all workers of a process share: the plan, and the clusters with their topologies by name. Built once at start,
// and outlives the workers; everything in it is immutable or locks itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log_sink.h"
#include "base/socket_address.h"
#include "certificates/tls_contexts.h"
#include "kafka/cluster_view.h"
#include "net/address_memory.h"
#include "proxy/pacing.h"
#include "proxy/plan.h"
#include "proxy/topology.h"
#include "ring/ring.h"

namespace kferry::proxy {

// Why an address is not dialled where is_own() holds.
inline constexpr const char* own_listener = "is a listener of kferry's own";

// What is known of one upstream cluster at run time, whatever plans name it.
struct ClusterState {
  // `log` outlives it.
  ClusterState(std::string cluster_name, LogSink& log);

  const std::string name;
  Topology topology;
  // Learnt addresses on loopback or link-local are dialled only where a bootstrap server resolved into the
  // class.
  std::atomic<bool> bootstrap_on_loopback = false;
  std::atomic<bool> bootstrap_on_link_local = false;
  // Raised when a client is dialled for. Cleared by the watch over bootstrap names.
  std::atomic<bool> dialled = false;
  // Raised by a failed dial: discovery runs soon. Cleared by discovery.
  std::atomic<bool> discovery_wanted = false;
  // A session is asking for the brokers on its client's connection; one at a time.
  std::atomic<bool> asking_for_map = false;

  // True the first time this key is noted as hidden from clients, or this broker as left out.
  bool note_hidden(ApiKey key);
  bool note_left_out(NodeId id);
  // True the first time a server deviates so.
  bool note_deviation(ApiKey key, kafka::Deviation how);

 private:
  std::mutex noted_mutex_;
  std::set<ApiKey> hidden_noted_;
  std::set<NodeId> left_out_noted_;
  std::set<std::pair<ApiKey, kafka::Deviation>> deviations_noted_;
};

// A worker as the others see it. Lives as long as the runtime.
struct WorkerLink {
  std::shared_ptr<ring::Mailbox> mailbox;
  ring::Ring* ring = nullptr;  // for wake() only
  std::atomic<std::uint32_t> sessions = 0;
};

struct Runtime {
  // `log` outlives the runtime.
  Runtime(std::shared_ptr<const Plan> plan, LogSink& log);

  // Why a broker of the cluster is not dialled there, for messages; empty: it may be. `learnt`: the address came from a
  // response, not from the configuration. `from` as for Plan::is_own().
  std::string_view why_not_dialled(const ClusterState& cluster, const SocketAddress& address, bool learnt,
                                   const SocketAddress& from = {}) const;

  ClusterState& cluster(std::string_view name) const;

  const std::shared_ptr<const Plan> plan;
  LogSink& log;
  // Where any listener or upstream has TLS. Set before the first worker is made; outlives them.
  const certificates::TlsContexts* tls = nullptr;
  std::map<std::string, std::unique_ptr<ClusterState>, std::less<>> clusters;  // by name
  Pacing stand_ins;
  net::AddressMemory addresses;
  // Filled before the first worker turns; never changed after.
  std::vector<std::unique_ptr<WorkerLink>> workers;
};

}  // namespace kferry::proxy
