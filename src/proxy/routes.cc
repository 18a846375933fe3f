#include "proxy/routes.h"

#include <algorithm>

#include "config/ports.h"

namespace kferry::proxy {
namespace {

// With more ports than this for each live broker, a list of ids is the better advice.
constexpr std::size_t sparse_max = 4;

}  // namespace

void Routes::refresh(const Snapshot& snapshot) {
  std::fill(owners_.begin(), owners_.end(), std::nullopt);
  clashes_.clear();
  unmapped_.clear();
  if (listener_.sni) return;
  // By id, so the first live one on a port keeps it; what is unlisted comes second, and what one client alone has named
  // comes last.
  enum class Rank : std::uint8_t { live, unlisted, provisional };
  const auto rank_of = [](const Node& node) {
    if (node.provisional) return Rank::provisional;
    return node.listed ? Rank::live : Rank::unlisted;
  };
  for (const Rank rank : {Rank::live, Rank::unlisted, Rank::provisional}) {
    const bool live = rank == Rank::live;
    for (const Node& node : snapshot.nodes) {
      if (rank_of(node) != rank) continue;
      const std::optional<std::size_t> index = config::port_index(listener_, node.id);
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
  const std::optional<std::size_t> index = config::port_index(listener_, id);
  if (!index) return std::nullopt;
  const std::optional<NodeId>& owner = owners_[*index];
  if (owner && *owner != id) return std::nullopt;
  return HostPort{listener_.advertised_host, listener_.ports[*index].advertised};
}

std::string Routes::list_that_fits(const Snapshot& snapshot) const {
  std::vector<NodeId> live;
  for (const Node& node : snapshot.nodes) {
    if (node.listed && !node.provisional) live.push_back(node.id);
  }
  const std::size_t first = listener_.ports.front().local;
  const auto range = [first](std::size_t size) {
    return "ports = \"" + std::to_string(first) + "-" + std::to_string(first + size - 1) + "\"";
  };
  const auto size = config::ports_that_fit(listener_.min_broker_id, live);
  const bool worth_it = size && *size <= live.size() * sparse_max && first + *size <= 65536;
  if (listener_.ids.empty() && worth_it) return range(*size);
  std::string ids;
  for (const NodeId id : live) ids += (ids.empty() ? "" : ",") + std::to_string(number(id));
  return range(live.size()) + " with ids = \"" + ids + "\"";
}

}  // namespace kferry::proxy
