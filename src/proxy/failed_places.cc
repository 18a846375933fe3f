#include "proxy/failed_places.h"

namespace kferry::proxy {

void FailedPlaces::failed(const HostPort& place, Instant now) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(places_, [&](const auto& one) { return one.first == place; });
  if (places_.size() == places_max) places_.erase(places_.begin());
  places_.emplace_back(place, now);
  any_.store(true, std::memory_order_relaxed);
}

void FailedPlaces::answered(const HostPort& place) {
  if (!any_.load(std::memory_order_relaxed)) return;
  const std::scoped_lock lock(mutex_);
  std::erase_if(places_, [&](const auto& one) { return one.first == place; });
  any_.store(!places_.empty(), std::memory_order_relaxed);
}

std::vector<HostPort> FailedPlaces::lately(Instant now) {
  std::vector<HostPort> places;
  if (!any_.load(std::memory_order_relaxed)) return places;
  const std::scoped_lock lock(mutex_);
  std::erase_if(places_, [&](const auto& one) { return now - one.second >= lifetime; });
  any_.store(!places_.empty(), std::memory_order_relaxed);
  for (const auto& [place, at] : places_) places.push_back(place);
  return places;
}

}  // namespace kferry::proxy
