// What all workers of a process share: the configuration, the clusters and their topologies, the ports
// clients come to. Built once at start and outlives the workers; everything in it is immutable or locks
// itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log_sink.h"
#include "base/socket_address.h"
#include "certificates/tls_contexts.h"
#include "config/config.h"
#include "kafka/conversation.h"
#include "proxy/topology.h"
#include "ring/ring.h"

namespace kferry::proxy {

// Why an address is not dialled where is_own() holds.
inline constexpr const char* own_listener = "is a listener of kferry's own";

// One upstream cluster at run time.
struct ClusterState {
  ClusterState(const config::Cluster& cluster, const config::Limits& limits, LogSink& log);

  const config::Cluster& config;
  const kafka::Policy policy;
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

 private:
  std::mutex noted_mutex_;
  std::set<ApiKey> hidden_noted_;
  std::set<NodeId> left_out_noted_;
};

// One local port of one listener, and those of other listeners that share its socket.
struct PortEntry {
  std::uint32_t cluster = 0;         // index into Runtime::clusters
  std::uint32_t listener = 0;        // index into ClusterState::config.listeners
  std::uint32_t listener_index = 0;  // counted over all clusters
  std::uint32_t port_index = 0;      // index into Listener::ports
  SocketAddress address;             // to bind
  std::vector<PortEntry> sharing;    // distinguished by their SNI names; their own lists are empty
};

// What a client asked for by its server name.
struct NamedPort {
  const PortEntry* port = nullptr;
  std::optional<NodeId> node;  // none: the bootstrap name
};

// A worker as the others see it. Lives as long as the runtime.
struct WorkerLink {
  std::shared_ptr<ring::Mailbox> mailbox;
  ring::Ring* ring = nullptr;  // for wake() only
  std::atomic<std::uint32_t> sessions = 0;
};

struct Runtime {
  // `config` and `log` outlive the runtime.
  Runtime(const config::Config& config, LogSink& log);

  // True when dialling `address` would reach one of our own listeners. `from` is the address a connection there
  // was made from, once known: the kernel takes the dialled one when that is this host's.
  bool is_own(const SocketAddress& address, const SocketAddress& from = {}) const;
  // Why a broker of the cluster is not dialled there, for messages; empty: it may be. `learnt`: the address came from a
  // response, not from the configuration. `from` as for is_own().
  std::string_view why_not_dialled(const ClusterState& cluster, const SocketAddress& address, bool learnt,
                                   const SocketAddress& from = {}) const;

  // Of the listeners on the socket of `port` the one that has the name (tls/client_hello.h); all of them route by
  // SNI. nullopt: none has.
  std::optional<NamedPort> find(const PortEntry& port, std::string_view server_name) const;
  // All names that the socket of `port` serves, for messages.
  std::string names_text(const PortEntry& port) const;

  const config::Config& config;
  LogSink& log;
  // Where any listener or upstream has TLS. Set before the first worker is made; outlives them.
  const certificates::TlsContexts* tls = nullptr;
  std::vector<std::unique_ptr<ClusterState>> clusters;
  std::vector<PortEntry> ports;  // one for each socket
  // Filled before the first worker turns; never changed after.
  std::vector<std::unique_ptr<WorkerLink>> workers;
};

}  // namespace kferry::proxy
