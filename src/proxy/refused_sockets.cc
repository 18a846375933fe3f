#include "proxy/refused_sockets.h"

#include <algorithm>
#include <functional>

#include "base/assert.h"

namespace kferry::proxy {

RefusedSockets::~RefusedSockets() {
  KFERRY_ASSERT(stopped());
}

void RefusedSockets::take(ring::Socket socket, Duration delay) {
  if (stopping_ || delay <= Duration::zero() || held_.fetch_add(1, std::memory_order_relaxed) >= held_max) {
    if (!stopping_ && delay > Duration::zero()) held_.fetch_sub(1, std::memory_order_relaxed);
    return ring_.close(socket, false);
  }
  sockets_.push_back({ring_.now() + delay, socket});
  std::ranges::push_heap(sockets_, std::ranges::greater{}, &One::at);
  arm();
}

// A timer that is set for later is cancelled, and on_timer() sets it again.
void RefusedSockets::arm() {
  if (sockets_.empty()) return;
  const Instant at = sockets_.front().at;
  if (!armed_) {
    armed_ = true;
    armed_for_ = at;
    ring_.timer(token_, at);
  } else if (at < armed_for_) {
    armed_for_ = at;  // cancelled once
    ring_.cancel(token_);
  }
}

void RefusedSockets::on_timer() {
  KFERRY_ASSERT(armed_);
  armed_ = false;
  close_due(ring_.now());
  arm();
}

void RefusedSockets::close_due(Instant now) {
  while (!sockets_.empty() && sockets_.front().at <= now) {
    std::ranges::pop_heap(sockets_, std::ranges::greater{}, &One::at);
    ring_.close(sockets_.back().socket, false);
    sockets_.pop_back();
    held_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void RefusedSockets::stop() {
  stopping_ = true;
  close_due(Instant::max());
  if (armed_) ring_.cancel(token_);
}

}  // namespace kferry::proxy
