#include "proxy/request_times.h"

#include <utility>

#include "base/assert.h"
#include "proxy/counters.h"

namespace kferry::proxy {

// Where an answer comes before the end of its request was seen to leave, the request counts as gone when it was handed
// over; where that was not seen either, when the answer began.
void RequestTimes::begin(Ticks at) {
  Entry& entry = of(answered_);
  if (handed_ == answered_) {
    hand(entry, at);
    ++handed_;
  }
  if (taken_ == answered_) {
    if (covered_ == taken_) ++covered_;
    ++taken_;
  }
  begun_ = true;
  if (entry.kind != Kind::forwarded) return;
  broker_ = at - entry.mark;
  entry.mark = at;
}

void RequestTimes::answered(Ticks at, ListenerCounters& counters) {
  KFERRY_ASSERT(answered_ != next_);
  if (!begun_) begin(at);
  begun_ = false;
  const Entry& entry = of(answered_++);
  if (entry.kind == Kind::forwarded) counters.count_duration(entry.api, RequestPart::broker, broker_);
}

void RequestTimes::finish(Ticks at, ListenerCounters& counters) {
  for (; done_ != answers_covered_; ++done_) {
    Entry& entry = of(done_);
    if (leaving_ == done_) ++leaving_;
    leave(entry, at);
    if (entry.kind == Kind::hidden) continue;
    counters.count_duration(entry.api, RequestPart::kferry, entry.kferry);
    counters.count_duration(entry.api, RequestPart::client, at - entry.mark);
  }
}

std::uint32_t RequestTimes::unanswered() const {
  std::uint32_t count = 0;
  for (std::uint32_t number = answered_; number != next_; ++number)
    if (of(number).kind != Kind::hidden) ++count;
  return count;
}

void RequestTimes::clear() {
  handed_ = covered_ = taken_ = answered_ = leaving_ = answers_covered_ = done_ = next_;
  waits_ = begun_ = false;
  many_.reset();
  entries_ = few_.data();
  mask_ = kept - 1;
}

void RequestTimes::grow() {
  const std::uint32_t room = (mask_ + 1) * 2;
  auto wider = std::make_unique<Entry[]>(room);
  for (std::uint32_t number = done_; number != next_; ++number) wider[number & (room - 1)] = of(number);
  many_ = std::move(wider);
  entries_ = many_.get();
  mask_ = room - 1;
}

RequestTimesPool::~RequestTimesPool() {
  while (first_ != nullptr) delete std::exchange(first_, first_->spare_);
}

RequestTimes* RequestTimesPool::make() {
  return std::make_unique<RequestTimes>().release();
}

void RequestTimesPool::tidy(RequestTimes* times) {
  std::unique_ptr<RequestTimes> returned(times);
  if (spares_ == spares_max) return;
  returned->clear();
  give_back(returned.release());
}

}  // namespace kferry::proxy
