// Where a client has come: a port of the plan that its session began with, and the broker that it has named there, by
// SNI. Says under the worker's newest snapshot which broker that is.
//
// Lives on its worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "net/proxy_header.h"
#include "proxy/plan_view.h"
#include "tls/engine.h"

namespace kferry::proxy {

class Place {
 public:
  // `port` is in the view's plan.
  Place(std::shared_ptr<PlanView> view, const PortEntry& port) : view_(std::move(view)), port_(&port) {}

  // The certificate for a client that names this server, or none. A null context: no listener here has the name. Where
  // listeners share the port, the place is from now on the one that was named.
  tls::Engine::Chosen choose(std::string_view server_name);
  // With routing by authority: takes the place that the PROXY protocol header names. False: no listener here has the
  // name. Without a name, which only a load balancer's own connection may lack, it is the bootstrap place.
  bool choose_authority(const net::ProxyHeader& header);

  // choose() has found the listener that the client has named.
  bool named() const { return choice_ != Choice::none; }

  const PlanView& view() const { return *view_; }
  const PortEntry& port() const { return *port_; }
  const config::Listener& listener() const { return view_->plan().listener_of(*port_); }
  const config::Cluster& cluster_config() const { return view_->cluster_config(port_->cluster); }
  const kafka::Policy& policy() const { return view_->plan().clusters()[port_->cluster].policy; }
  ClusterState& cluster() const { return view_->cluster(port_->cluster); }
  const KnownCluster& known_cluster() const { return view_->known_cluster(port_->cluster); }
  Topology& topology() const { return cluster().topology; }
  const Snapshot& snapshot() const { return view_->snapshot(port_->cluster); }
  ListenerCounters& counters() const { return view_->counters(port_->listener_index); }
  ClusterCounters& cluster_counters() const { return view_->cluster_counters(port_->cluster); }
  const Routes& routes() const { return view_->routes(port_->listener_index); }

  // Whether the session may continue under the next plan (listener_changes.h).
  bool stays_under(const Plan& next) const;

  // The broker that the port belongs to, or that the client asked for by name. nullopt: it is not known, or the client
  // came by the bootstrap name, which belongs to no broker.
  std::optional<NodeId> owner() const;
  // The client came by the bootstrap name: any broker will do.
  bool any_broker() const { return listener().sni && choice_ != Choice::broker; }
  // Whether a connection that leads to this broker, if that is known, is what the client came for.
  bool leads_to(std::optional<NodeId> here) const { return here && (any_broker() || here == owner()); }
  // What the client came to, for messages.
  std::string text() const;

 private:
  // What the client has named. `none`: nothing yet, or its listener routes by port.
  enum class Choice : std::uint8_t { none, bootstrap, broker };

  bool take(std::string_view name);

  const std::shared_ptr<PlanView> view_;
  const PortEntry* port_;  // among those that share a socket, once the client has named one
  NodeId named_{};         // valid with Choice::broker
  Choice choice_ = Choice::none;
};

}  // namespace kferry::proxy
