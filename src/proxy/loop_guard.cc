#include "proxy/loop_guard.h"

#include <utility>

namespace kferry::proxy {

LoopGuard::Pause LoopGuard::pause(const HostPort& place, Instant now) {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(place);
  if (found == places_.end() || found->second.unanswered < free) return {};
  Place& silent = found->second;
  if (silent.next_turn == Instant{}) silent.paced_since = now;
  const bool news = now - silent.paced_since >= news_after && !std::exchange(silent.told, true);
  if (now < silent.next_turn) return {poll, news};
  silent.next_turn = now + turn;
  return {Duration::zero(), news};
}

void LoopGuard::opened(const HostPort& place) {
  const std::scoped_lock lock(mutex_);
  if (places_.size() >= places_max && !places_.contains(place)) places_.clear();
  unsigned& unanswered = places_[place].unanswered;
  if (unanswered < free) ++unanswered;
}

void LoopGuard::answered(const HostPort& place) {
  const std::scoped_lock lock(mutex_);
  places_.erase(place);
}

}  // namespace kferry::proxy
