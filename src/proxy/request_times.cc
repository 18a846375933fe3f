#include "proxy/request_times.h"

#include <utility>

#include "proxy/counters.h"

namespace kferry::proxy {

// Where an answer comes before the end of its request was seen to leave, the request counts as gone when it was handed
// over; where that was not seen either, when the answer began.
void RequestTimes::answered(Instant at, ListenerCounters& counters) {
  KFERRY_ASSERT(answered_ != next_);
  Entry& entry = of(answered_);
  if (entry.begun == Instant{}) entry.begun = at;
  if (handed_ == answered_) {
    entry.handed = entry.begun;
    ++handed_;
  }
  if (taken_ == answered_) {
    entry.taken = entry.handed;
    if (covered_ == taken_) ++covered_;
    ++taken_;
  }
  ++answered_;
  if (entry.kind == Kind::forwarded)
    counters.count_duration(entry.api, RequestPart::broker, entry.begun - entry.taken);
}

void RequestTimes::finish(Instant at, std::uint32_t to, ListenerCounters& counters) {
  for (; done_ != to; ++done_) {
    Entry& entry = of(done_);
    if (leaving_ == done_) ++leaving_;
    leave(entry, at);
    if (entry.kind == Kind::hidden) continue;
    const Duration kferry = entry.kind == Kind::own
                                ? entry.leaving - entry.header
                                : (entry.handed - entry.header) + (entry.leaving - entry.begun);
    counters.count_duration(entry.api, RequestPart::kferry, kferry);
    counters.count_duration(entry.api, RequestPart::client, at - entry.leaving);
  }
}

std::uint32_t RequestTimes::unanswered() const {
  std::uint32_t count = 0;
  for (std::uint32_t number = answered_; number != next_; ++number)
    if (of(number).kind != Kind::hidden) ++count;
  return count;
}

void RequestTimes::clear() {
  if (mask_ >= kept) {
    *this = RequestTimes();
    return;
  }
  handed_ = covered_ = taken_ = answered_ = leaving_ = answers_covered_ = done_ = next_;
  waiting_since_ = Instant{};
}

void RequestTimes::grow() {
  const std::uint32_t room = (mask_ + 1) * 2;
  auto wider = std::make_unique<Entry[]>(room);
  for (std::uint32_t number = done_; number != next_; ++number) wider[number & (room - 1)] = of(number);
  entries_ = std::move(wider);
  mask_ = room - 1;
}

RequestTimes* RequestTimesPool::take() {
  if (spare_.empty()) return std::make_unique<RequestTimes>().release();
  RequestTimes* const times = spare_.back().release();
  spare_.pop_back();
  return times;
}

void RequestTimesPool::give_back(RequestTimes* times) {
  std::unique_ptr<RequestTimes> returned(times);
  if (spare_.size() == spare_kept) return;
  returned->clear();
  spare_.push_back(std::move(returned));
}

}  // namespace kferry::proxy
