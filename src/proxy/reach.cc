#include "proxy/reach.h"

#include <algorithm>

namespace kferry::proxy {

Reach::Turn Reach::admit(Instant now, Waiter waiter) {
  if (!down()) return {};
  // A waiter leaves when its time is up; one that has not must not block the others.
  while (!waiters_.empty() && now - waiters_.front().second >= 2 * wait_max) waiters_.pop_front();
  const bool first = waiters_.empty() || waiters_.front().first == waiter;
  if (first && may_probe(now)) {
    leave(waiter);
    probing_ = true;
    probed_at_ = now;
    return {Admission::probe};
  }
  const bool queued = std::ranges::any_of(waiters_, [&](const auto& one) { return one.first == waiter; });
  if (waiter != nullptr && !queued && waiters_.size() < waiters_max) waiters_.emplace_back(waiter, now);
  return {Admission::wait, probed_at_ + probe_interval};
}

bool Reach::leave(Waiter waiter) {
  return 0 < std::erase_if(waiters_, [&](const auto& one) { return one.first == waiter; });
}

bool Reach::succeeded() {
  failures_ = 0;
  probing_ = false;
  waiters_.clear();
  return !std::exchange(reached_, true);
}

void Reach::failed(Instant now) {
  reached_ = false;
  probing_ = false;
  if (down()) return;
  ++failures_;
  if (down()) probed_at_ = now;
}

}  // namespace kferry::proxy
