#include "proxy/name_search.h"

#include <algorithm>

#include "base/assert.h"

namespace kferry::proxy {

NameSearch::NameSearch(const SocketAddress& here, const std::vector<Node>& nodes) : here_(here) {
  for (const Node& node : nodes) {
    if (!node.listed || node.address.port != here.port()) continue;
    left_.push_back(node);
    if (left_.size() <= names_max) continue;
    left_.clear();
    return;
  }
}

void NameSearch::on_resolved(std::span<const SocketAddress> addresses) {
  KFERRY_ASSERT(running());
  if (std::ranges::find(addresses, here_) != addresses.end()) found_.push_back(left_.back().id);
  left_.pop_back();
  if (!addresses.empty()) return;
  left_.clear();
  found_.clear();
}

std::optional<NodeId> NameSearch::found() const {
  KFERRY_ASSERT(!running());
  return found_.size() == 1 ? std::optional(found_.front()) : std::nullopt;
}

}  // namespace kferry::proxy
