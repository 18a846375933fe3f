#include "proxy/routes.h"

#include <algorithm>

#include "config/port_advice.h"
#include "config/ports.h"

namespace kferry::proxy {

Routes::Routes(const config::Listener& listener) : listener_(listener), owners_(listener.ports.size()) {
  ids_.reserve(listener.ids.size());
  for (std::size_t i = 0; i < listener.ids.size(); ++i) ids_.emplace_back(listener.ids[i], i);
  std::sort(ids_.begin(), ids_.end());
}

// As config::port_index(), which searches `ids` from the start.
std::optional<std::size_t> Routes::port_index(NodeId id) const {
  if (ids_.empty()) return config::port_index(listener_, id);
  const auto place = std::lower_bound(ids_.begin(), ids_.end(), std::pair(number(id), std::size_t{0}));
  if (place == ids_.end() || place->first != number(id) || place->second >= listener_.ports.size())
    return std::nullopt;
  return place->second;
}

void Routes::refresh(const Snapshot& snapshot) {
  std::fill(owners_.begin(), owners_.end(), std::nullopt);
  clashes_.clear();
  unmapped_.clear();
  if (listener_.sni) return;
  // By id, so the first live one on a port keeps it; what is unlisted, or back on one client's word, comes second, and
  // what one client alone has named comes last.
  enum class Rank : std::uint8_t { live, unlisted, provisional };
  const auto rank_of = [](const Node& node) {
    if (node.provisional) return node.returning ? Rank::unlisted : Rank::provisional;
    return node.listed ? Rank::live : Rank::unlisted;
  };
  for (const Rank rank : {Rank::live, Rank::unlisted, Rank::provisional}) {
    const bool live = rank == Rank::live;
    for (const Node& node : snapshot.nodes) {
      if (rank_of(node) != rank) continue;
      const std::optional<std::size_t> index = port_index(node.id);
      if (!index) {
        if (live) unmapped_.push_back(node.id);
        continue;
      }
      std::optional<NodeId>& owner = owners_[*index];
      if (!owner) {
        owner = node.id;
      } else if (live) {
        clashes_.push_back(Clash{*owner, node.id, listener_.ports[*index].local});
      }
    }
  }
}

std::optional<HostPort> Routes::advertised(NodeId id) const {
  if (listener_.sni) {
    if (number(id) < 0) return std::nullopt;
    return HostPort{listener_.sni->host_of(id), listener_.ports.front().advertised};
  }
  const std::optional<std::size_t> index = port_index(id);
  if (!index) return std::nullopt;
  const std::optional<NodeId>& owner = owners_[*index];
  if (owner && *owner != id) return std::nullopt;
  return HostPort{listener_.advertised_host, listener_.ports[*index].advertised};
}

std::string Routes::advice(const Snapshot& snapshot) const {
  std::vector<NodeId> live;
  for (const Node& node : snapshot.nodes) {
    if (node.listed && !node.provisional) live.push_back(node.id);
  }
  return config::port_advice(listener_, live);
}

}  // namespace kferry::proxy
