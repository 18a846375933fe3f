#include "proxy/session_ages.h"

#include <algorithm>

namespace kferry::proxy {
namespace {

constexpr std::size_t few = 64;

}  // namespace

void SessionAges::push(const Due& due) {
  due_.push_back(due);
  std::ranges::push_heap(due_, std::ranges::greater{}, &Due::at);
}

void SessionAges::add(ring::Token session, Instant at, const std::function<bool(ring::Token)>& lives) {
  if (due_.size() >= 2 * size_at_look_) {
    std::erase_if(due_, [&](const Due& due) { return !lives(due.session); });
    std::ranges::make_heap(due_, std::ranges::greater{}, &Due::at);
    size_at_look_ = std::max(few, due_.size());
  }
  push({at, session});
  arm();
}

void SessionAges::arm() {
  if (!due_.empty() && !stopping_) deadline_.set(due_.front().at);
}

void SessionAges::on_timer(const std::function<bool(ring::Token)>& retire) {
  if (!deadline_.on_timer(!due_.empty() && !stopping_)) return;
  const Instant now = ring_.now();
  while (!due_.empty() && due_.front().at <= now) {
    std::ranges::pop_heap(due_, std::ranges::greater{}, &Due::at);
    const ring::Token session = due_.back().session;
    due_.pop_back();
    if (!retire(session)) push({now + again_after, session});
  }
  arm();
}

void SessionAges::stop() {
  stopping_ = true;
  deadline_.cancel();
}

}  // namespace kferry::proxy
