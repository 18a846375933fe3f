#include "proxy/outages.h"

#include <algorithm>

namespace kferry::proxy {

bool Outages::begin(NodeId id, Instant now) {
  const std::scoped_lock lock(mutex_);
  if (since_.contains(id)) return false;
  if (since_.size() == outages_max) {
    since_.erase(std::ranges::min_element(since_, {}, [](const auto& outage) { return outage.second; }));
  }
  since_.emplace(id, now);
  any_.store(true, std::memory_order_relaxed);
  return true;
}

std::optional<Duration> Outages::end(NodeId id, Instant now) {
  if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  const auto found = since_.find(id);
  if (found == since_.end()) return std::nullopt;
  const Duration lasted = now - found->second;
  since_.erase(found);
  any_.store(!since_.empty(), std::memory_order_relaxed);
  return lasted;
}

}  // namespace kferry::proxy
