#include "proxy/routes.h"

#include <algorithm>
#include <limits>

#include "config/ports.h"

namespace kferry::proxy {

void Routes::refresh(const Snapshot& snapshot) {
  std::fill(owners_.begin(), owners_.end(), std::nullopt);
  clashes_.clear();
  unmapped_.clear();
  // By id, so the first live one on a port keeps it; what is unlisted comes second.
  for (const bool live : {true, false}) {
    for (const Node& node : snapshot.nodes) {
      if (node.listed != live) continue;
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
  const std::optional<std::size_t> index = config::port_index(listener_, id);
  if (!index) return std::nullopt;
  const std::optional<NodeId>& owner = owners_[*index];
  if (owner && *owner != id) return std::nullopt;
  return HostPort{listener_.advertised_host, listener_.ports[*index].advertised};
}

std::string Routes::list_that_fits(const Snapshot& snapshot) const {
  std::int64_t highest = listener_.min_broker_id;
  std::int64_t lowest = std::numeric_limits<std::int32_t>::max();
  std::size_t live = 0;
  for (const Node& node : snapshot.nodes) {
    if (!node.listed) continue;
    ++live;
    highest = std::max<std::int64_t>(highest, number(node.id));
    lowest = std::min<std::int64_t>(lowest, number(node.id));
  }
  const std::int64_t span = highest - std::min<std::int64_t>(lowest, highest) + 1;
  const std::uint16_t first = listener_.ports.front().local;
  if (span <= static_cast<std::int64_t>(live) * 4 && first + span - 1 <= 65535) {
    return "ports = \"" + std::to_string(first) + "-" + std::to_string(first + span - 1) + "\"";
  }
  std::string ids;
  for (const Node& node : snapshot.nodes) {
    if (node.listed) ids += (ids.empty() ? "" : ",") + std::to_string(number(node.id));
  }
  return "ports = \"" + std::to_string(first) + "-" +
         std::to_string(first + static_cast<std::int64_t>(live) - 1) + "\" with ids = \"" + ids + "\"";
}

}  // namespace kferry::proxy
