#include "proxy/refused_sockets.h"

#include <algorithm>
#include <functional>

#include "base/assert.h"

namespace kferry::proxy {

RefusedSockets::~RefusedSockets() {
  KFERRY_ASSERT(stopped());
}

void RefusedSockets::take(ring::Socket socket, Duration delay) {
  if (stopping_ || delay <= Duration::zero()) return ring_.close(socket, false);
  if (held_.fetch_add(1, std::memory_order_relaxed) >= held_max) {
    held_.fetch_sub(1, std::memory_order_relaxed);
    return ring_.close(socket, false);
  }
  sockets_.push_back({ring_.now() + delay, socket});
  std::ranges::push_heap(sockets_, std::ranges::greater{}, &One::at);
  arm();
}

void RefusedSockets::arm() {
  if (!sockets_.empty()) deadline_.set(sockets_.front().at);
}

void RefusedSockets::on_timer() {
  KFERRY_ASSERT(deadline_.armed());
  if (!deadline_.on_timer(!sockets_.empty())) return;
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
  deadline_.cancel();
}

}  // namespace kferry::proxy
