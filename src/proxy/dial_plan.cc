#include "proxy/dial_plan.h"

#include <algorithm>
#include <array>

namespace kferry::proxy {

std::vector<DialTarget> dial_plan(const Snapshot& snapshot, std::optional<NodeId> owner,
                                  bool owner_may_be_dialled, std::size_t port_index,
                                  std::span<const HostPort> bootstrap_servers) {
  std::vector<DialTarget> plan;
  const auto add = [&](const HostPort& address, std::optional<NodeId> node) {
    const bool known =
        std::any_of(plan.begin(), plan.end(), [&](const auto& t) { return t.address == address; });
    if (!known) plan.push_back(DialTarget{address, node});
  };
  const Node* own = owner ? snapshot.find(*owner) : nullptr;
  if (own != nullptr && owner_may_be_dialled) {
    add(own->address, own->id);
    // Only while no other broker is known to be there by now.
    if (own->previous && snapshot.at(*own->previous) == nullptr) add(*own->previous, own->id);
  }
  const std::size_t nodes = snapshot.nodes.size();
  for (std::size_t i = 0; i < nodes; ++i) {
    const Node& node = snapshot.nodes[(port_index + i) % nodes];
    if (node.listed && (own == nullptr || node.id != own->id)) add(node.address, node.id);
  }
  for (std::size_t i = 0; i < bootstrap_servers.size(); ++i) {
    const HostPort& address = bootstrap_servers[(port_index + i) % bootstrap_servers.size()];
    const Node* listed = snapshot.at(address);
    if (listed != nullptr && own != nullptr && listed->id == own->id && !owner_may_be_dialled) continue;
    add(address, listed != nullptr ? std::optional(listed->id) : std::nullopt);
  }
  return plan;
}

bool stand_in_serves(ApiKey key) {
  // Metadata, FindCoordinator, SaslHandshake, ApiVersions, InitProducerId, SaslAuthenticate, DescribeCluster,
  // GetTelemetrySubscriptions, PushTelemetry: what a client asks of whichever broker it bootstraps at.
  static constexpr std::array<std::int16_t, 9> keys = {3, 10, 17, 18, 22, 36, 60, 71, 72};
  return std::find(keys.begin(), keys.end(), number(key)) != keys.end();
}

}  // namespace kferry::proxy
