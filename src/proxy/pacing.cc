#include "proxy/pacing.h"

#include <algorithm>

namespace kferry::proxy {

std::optional<Duration> Pacing::admit(const std::string& key, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto place = keys_.find(key);
  if (place == keys_.end() || now - place->second.refused >= lifetime) return Duration::zero();
  const Instant at = std::max(now, place->second.next);
  if (at - now > wait_max) return std::nullopt;
  place->second.next = at + interval;
  return at - now;
}

void Pacing::refused(const std::string& key, Instant now) {
  const std::scoped_lock lock(mutex_);
  while (!by_age_.empty() && (now - by_age_.begin()->first >= lifetime || keys_.size() >= keys_max)) {
    // A full table keeps the key that is refused now.
    if (now - by_age_.begin()->first < lifetime && keys_.contains(key)) break;
    keys_.erase(by_age_.begin()->second);
    by_age_.erase(by_age_.begin());
  }
  const auto [place, is_new] = keys_.try_emplace(key);
  if (is_new) {
    place->second.next = now + interval;
  } else {
    by_age_.erase({place->second.refused, key});
  }
  place->second.refused = now;
  by_age_.insert({now, key});
}

std::size_t Pacing::size() const {
  const std::scoped_lock lock(mutex_);
  return keys_.size();
}

}  // namespace kferry::proxy
