// What one configuration means to the proxy: its clusters with their policies, and the ports to listen on. Immutable;
// made as a whole, and shared by all who use it. A session keeps the plan that it began with.
//
// Across plans a cluster is identified by its name, a listener by the names of its cluster and its own, and a port by
// the address that it binds. Indices and pointers into a plan mean something in that plan only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/socket_address.h"
#include "config/config.h"
#include "kafka/conversation.h"
#include "proxy/own_places.h"

namespace kferry::proxy {

// One local port of one listener, and those of other listeners that share its socket.
struct PortEntry {
  std::uint32_t cluster = 0;         // index into Plan::clusters()
  std::uint32_t listener = 0;        // index into its listeners
  std::uint32_t listener_index = 0;  // counted over all clusters of the plan
  std::uint32_t port_index = 0;      // index into config::Listener::ports
  SocketAddress address;             // to bind
  // With :: as the address: IPv4 is served, too, since no IPv4 listener has this port.
  bool both_families = false;
  std::vector<PortEntry> sharing;  // distinguished by their SNI names; their own lists are empty
};

// What a client asked for by its server name.
struct NamedPort {
  const PortEntry* port = nullptr;
  std::optional<NodeId> node;  // nullopt: the bootstrap name
};

struct ClusterPlan {
  const config::Cluster& config;  // in the plan's own configuration
  kafka::Policy policy;
};

class Plan {
 public:
  // `config` is complete and valid (config/load.h).
  explicit Plan(config::Config config);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  static std::shared_ptr<const Plan> make(config::Config config) {
    return std::make_shared<const Plan>(std::move(config));
  }

  const config::Config& config() const { return config_; }
  const std::vector<ClusterPlan>& clusters() const { return clusters_; }
  const std::vector<PortEntry>& ports() const { return ports_; }  // one for each socket

  // nullptr: the plan has no such cluster, listener or port.
  const ClusterPlan* cluster(std::string_view name) const;
  const config::Listener* listener(std::string_view cluster, std::string_view name) const;
  // Takes as many steps as there are sockets with this port number, however many ports the plan has.
  const PortEntry* port(const SocketAddress& address) const;
  // The same, if its socket serves the same families: a bound socket keeps those that it has.
  const PortEntry* port(const SocketAddress& address, bool both_families) const;

  const config::Listener& listener_of(const PortEntry& port) const {
    return clusters_[port.cluster].config.listeners[port.listener];
  }

  // Where clients are told to find kferry.
  const std::shared_ptr<const AdvertisedPlaces>& advertised() const { return advertised_; }

  // True when dialling `address` would reach one of our own listeners. `from` is the address a connection there
  // was made from, once known: the kernel takes the dialled one when that is this host's.
  bool is_own(const SocketAddress& address, const SocketAddress& from = {}) const;

  // Of the listeners on the socket of `port` the one that has the name (tls/client_hello.h); all of them route by
  // SNI. nullopt: no listener has it. Takes a step for each listener on the socket.
  std::optional<NamedPort> find(const PortEntry& port, std::string_view server_name) const;
  // The names that the socket of `port` serves, for messages: those of the first listeners, and how many more.
  std::string names_text(const PortEntry& port) const;

 private:
  void serve_both_families();
  // Index into ports_; nullopt: no port has this address.
  std::optional<std::size_t> place_of(const SocketAddress& address) const;

  const config::Config config_;
  const std::shared_ptr<const AdvertisedPlaces> advertised_;
  std::vector<ClusterPlan> clusters_;
  std::vector<PortEntry> ports_;
  std::unordered_map<std::uint16_t, std::vector<std::size_t>> by_number_;  // places in ports_, by port number
};

// What a move from one plan to the next does to the listening sockets and the clusters. A socket on :: that serves IPv4
// in one of the plans alone is closed and opened.
struct PlanChanges {
  std::vector<SocketAddress> opened;
  std::vector<SocketAddress> kept;
  std::vector<SocketAddress> closed;
  std::vector<std::string> clusters_added;
  std::vector<std::string> clusters_removed;
};
PlanChanges compare(const Plan& from, const Plan& to);

}  // namespace kferry::proxy
