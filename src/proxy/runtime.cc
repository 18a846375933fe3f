#include "proxy/runtime.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/counted.h"
#include "proxy/routes.h"

namespace kferry::proxy {
namespace {

kafka::Policy policy_of(const config::Cluster& cluster, const config::Limits& limits) {
  kafka::Policy policy;
  policy.pass_api_keys = cluster.pass_api_keys;
  policy.unanswered_max = limits.unanswered_requests;
  policy.request_size_max = limits.request_size_bytes;
  policy.held_size_max = limits.held_size_bytes;
  policy.exact_rewrite_size_max = std::min<std::size_t>(policy.exact_rewrite_size_max, policy.held_size_max);
  return policy;
}

// One line per listener that cannot give every live broker a port, each time the topology changes.
void report_clashes(const config::Cluster& cluster, const Snapshot& snapshot, LogSink& log) {
  for (const config::Listener& listener : cluster.listeners) {
    Routes routes(listener);
    routes.refresh(snapshot);
    std::string what;
    for (const Clash& clash : routes.clashes()) {
      what += (what.empty() ? "" : "; ") + std::string("broker ") + std::to_string(number(clash.dropped)) +
              " falls on port " + std::to_string(clash.local_port) + ", which broker " +
              std::to_string(number(clash.kept)) + " keeps";
    }
    for (const NodeId id : routes.unmapped()) {
      what += (what.empty() ? "" : "; ") + std::string("broker ") + std::to_string(number(id)) +
              " is not in the listener's ids";
    }
    if (what.empty()) continue;
    log.write({Severity::error, "port_clash", listener.name,
               "degraded: listener " + listener.name + " of cluster " + cluster.name + " has " +
                   counted(listener.ports.size(), "port") + ": " + what +
                   ": these brokers are left out of what clients are told; give the listener " +
                   routes.list_that_fits(snapshot)});
  }
}

}  // namespace

ClusterState::ClusterState(const config::Cluster& cluster, const config::Limits& limits, LogSink& log)
    : config(cluster), policy(policy_of(cluster, limits)), topology(cluster.name, log) {
  topology.follow_cluster_changes(cluster.upstream.on_cluster_change == config::OnClusterChange::follow);
  topology.on_publish([&cluster, &log](const Snapshot& snapshot) { report_clashes(cluster, snapshot, log); });
}

bool ClusterState::note_hidden(ApiKey key) {
  const std::scoped_lock lock(noted_mutex_);
  return hidden_noted_.insert(key).second;
}

bool ClusterState::note_left_out(NodeId id) {
  const std::scoped_lock lock(noted_mutex_);
  return left_out_noted_.size() < brokers_max && left_out_noted_.insert(id).second;
}

Runtime::Runtime(const config::Config& configuration, LogSink& sink) : config(configuration), log(sink) {
  std::uint32_t listener_index = 0;
  for (std::uint32_t c = 0; c < config.clusters.size(); ++c) {
    const config::Cluster& cluster = config.clusters[c];
    clusters.push_back(std::make_unique<ClusterState>(cluster, config.limits, log));
    clusters.back()->topology.set_guard([this, &state = *clusters.back()](const SocketAddress& address) {
      return why_not_dialled(state, address, true);
    });
    clusters.back()->topology.on_change([this] {
      for (const auto& worker : workers) worker->ring->wake();
    });
    for (std::uint32_t l = 0; l < cluster.listeners.size(); ++l, ++listener_index) {
      const config::Listener& listener = cluster.listeners[l];
      for (std::uint32_t p = 0; p < listener.ports.size(); ++p) {
        const auto address = SocketAddress::parse(listener.bind_address, listener.ports[p].local);
        KFERRY_ASSERT(address);  // the loader checked the literal
        PortEntry port{c, l, listener_index, p, *address, {}};
        // The loader lets only listeners that route by SNI have one address.
        const auto same = std::ranges::find(ports, *address, &PortEntry::address);
        if (same != ports.end()) {
          same->sharing.push_back(std::move(port));
        } else {
          ports.push_back(std::move(port));
        }
      }
    }
  }
}

bool Runtime::is_own(const SocketAddress& address, const SocketAddress& from) const {
  const bool this_host = address.is_loopback() || address.is_wildcard() ||
                         (!from.empty() && from.host_text() == address.host_text());
  return std::any_of(ports.begin(), ports.end(), [&](const PortEntry& port) {
    // IPv6 listeners are V6ONLY.
    if (port.address.port() != address.port() || port.address.family() != address.family()) return false;
    return port.address.is_wildcard() ? this_host : port.address.host_text() == address.host_text();
  });
}

std::optional<NamedPort> Runtime::find(const PortEntry& port, std::string_view server_name) const {
  const auto named = [&](const PortEntry& entry) -> std::optional<NamedPort> {
    const config::Listener& listener = clusters[entry.cluster]->config.listeners[entry.listener];
    const auto target = config::sni_target(*listener.sni, server_name);
    return target ? std::optional(NamedPort{&entry, target->node}) : std::nullopt;
  };
  auto found = named(port);
  for (const PortEntry& other : port.sharing) {
    if (found) break;
    found = named(other);
  }
  return found;
}

std::string Runtime::names_text(const PortEntry& port) const {
  std::string text;
  const auto add = [&](const PortEntry& entry) {
    const config::Listener& listener = clusters[entry.cluster]->config.listeners[entry.listener];
    if (!text.empty()) text += ", ";
    text += listener.sni->bootstrap + ", " + listener.sni->pattern();
  };
  add(port);
  for (const PortEntry& other : port.sharing) add(other);
  return text;
}

std::string_view Runtime::why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                          bool learnt, const SocketAddress& from) const {
  if (is_own(address, from)) return own_listener;
  if (!learnt) return {};
  if (const std::string_view why = why_no_broker(address); !why.empty()) return why;
  if (address.is_loopback() && !cluster.bootstrap_on_loopback) return "learnt, on loopback: not dialled";
  if (address.is_link_local() && !cluster.bootstrap_on_link_local) return "learnt, link-local: not dialled";
  return {};
}

}  // namespace kferry::proxy
