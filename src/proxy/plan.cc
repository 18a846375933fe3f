#include "proxy/plan.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"

namespace kferry::proxy {
namespace {

// Listeners on one socket whose names a message lists, beside the first.
constexpr std::size_t names_shown_max = 16;

kafka::Policy policy_of(const config::Cluster& cluster, const config::Limits& limits) {
  kafka::Policy policy;
  policy.pass_api_keys = cluster.pass_api_keys;
  policy.unanswered_max = limits.unanswered_requests;
  policy.request_size_max = limits.request_size_bytes;
  policy.held_size_max = limits.held_size_bytes;
  policy.exact_rewrite_size_max = std::min<std::size_t>(policy.exact_rewrite_size_max, policy.held_size_max);
  return policy;
}

}  // namespace

Plan::Plan(config::Config config)
    : config_(std::move(config)), advertised_(std::make_shared<const AdvertisedPlaces>(config_)) {
  std::uint32_t listener_index = 0;
  for (std::uint32_t c = 0; c < config_.clusters.size(); ++c) {
    const config::Cluster& cluster = config_.clusters[c];
    clusters_.push_back({cluster, policy_of(cluster, config_.limits)});
    for (std::uint32_t l = 0; l < cluster.listeners.size(); ++l, ++listener_index) {
      const config::Listener& listener = cluster.listeners[l];
      for (std::uint32_t p = 0; p < listener.ports.size(); ++p) {
        const auto address = SocketAddress::parse(listener.bind_address, listener.ports[p].local);
        KFERRY_ASSERT(address);  // the loader checked the literal
        PortEntry port{c, l, listener_index, p, *address, false, {}};
        // The loader lets only listeners that route by SNI have one address.
        if (const auto same = place_of(*address)) {
          ports_[*same].sharing.push_back(std::move(port));
        } else {
          by_number_[address->port()].push_back(ports_.size());
          ports_.push_back(std::move(port));
        }
      }
    }
  }
  serve_both_families();
}

void Plan::serve_both_families() {
  for (const auto& [number, places] : by_number_) {
    const auto is_v4 = [&](std::size_t i) { return ports_[i].address.is_v4(); };
    if (std::ranges::any_of(places, is_v4)) continue;
    for (const std::size_t i : places) ports_[i].both_families = ports_[i].address.is_wildcard();
  }
}

const ClusterPlan* Plan::cluster(std::string_view name) const {
  const auto found =
      std::ranges::find_if(clusters_, [&](const ClusterPlan& one) { return one.config.name == name; });
  return found == clusters_.end() ? nullptr : &*found;
}

const config::Listener* Plan::listener(std::string_view cluster_name, std::string_view name) const {
  const ClusterPlan* const in = cluster(cluster_name);
  if (in == nullptr) return nullptr;
  const auto found = std::ranges::find(in->config.listeners, name, &config::Listener::name);
  return found == in->config.listeners.end() ? nullptr : &*found;
}

std::optional<std::size_t> Plan::place_of(const SocketAddress& address) const {
  const auto places = by_number_.find(address.port());
  if (places == by_number_.end()) return std::nullopt;
  const auto found =
      std::ranges::find_if(places->second, [&](std::size_t i) { return ports_[i].address == address; });
  return found == places->second.end() ? std::nullopt : std::optional(*found);
}

const PortEntry* Plan::port(const SocketAddress& address) const {
  const std::optional<std::size_t> place = place_of(address);
  return place ? &ports_[*place] : nullptr;
}

const PortEntry* Plan::port(const SocketAddress& address, bool both_families) const {
  const PortEntry* const found = port(address);
  return found != nullptr && found->both_families == both_families ? found : nullptr;
}

bool Plan::is_own(const SocketAddress& address, const SocketAddress& from) const {
  const bool this_host = address.is_loopback() || address.is_wildcard() ||
                         (!from.empty() && from.host_text() == address.host_text());
  const auto places = by_number_.find(address.port());
  if (places == by_number_.end()) return false;
  return std::ranges::any_of(places->second, [&](std::size_t i) {
    const PortEntry& port = ports_[i];
    if (port.address.family() != address.family() && !(port.both_families && address.is_v4())) return false;
    return port.address.is_wildcard() ? this_host : port.address.host_text() == address.host_text();
  });
}

std::optional<NamedPort> Plan::find(const PortEntry& port, std::string_view server_name) const {
  const auto named = [&](const PortEntry& entry) -> std::optional<NamedPort> {
    const auto target = config::sni_target(*listener_of(entry).sni, server_name);
    return target ? std::optional(NamedPort{&entry, target->node}) : std::nullopt;
  };
  auto found = named(port);
  for (const PortEntry& other : port.sharing) {
    if (found) break;
    found = named(other);
  }
  return found;
}

std::string Plan::names_text(const PortEntry& port) const {
  std::string text;
  const auto add = [&](const PortEntry& entry) {
    const config::Listener& listener = listener_of(entry);
    if (!text.empty()) text += ", ";
    text += listener.sni->bootstrap + ", " + listener.sni->pattern();
  };
  add(port);
  const std::size_t shown = std::min(port.sharing.size(), names_shown_max);
  for (std::size_t i = 0; i < shown; ++i) add(port.sharing[i]);
  if (shown < port.sharing.size())
    text += " and those of " + counted(port.sharing.size() - shown, "more listener");
  return text;
}

PlanChanges compare(const Plan& from, const Plan& to) {
  PlanChanges changes;
  for (const PortEntry& port : to.ports())
    (from.port(port.address, port.both_families) == nullptr ? changes.opened : changes.kept)
        .push_back(port.address);
  for (const PortEntry& port : from.ports())
    if (to.port(port.address, port.both_families) == nullptr) changes.closed.push_back(port.address);
  for (const ClusterPlan& cluster : to.clusters())
    if (from.cluster(cluster.config.name) == nullptr) changes.clusters_added.push_back(cluster.config.name);
  for (const ClusterPlan& cluster : from.clusters())
    if (to.cluster(cluster.config.name) == nullptr) changes.clusters_removed.push_back(cluster.config.name);
  return changes;
}

}  // namespace kferry::proxy
