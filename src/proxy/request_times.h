// When the requests of one session, and their answers, pass each point of their way. Pure bookkeeping.
//
//   queued ─▶ handed ─▶ taken ·· the broker ·· begun ─▶ answered ─▶ leaving ─▶ done
//
//   queued    the header was complete, at the latest when the judge let the request wait
//   handed    its first byte was handed to the broker's socket       taken     and its last byte was taken by it
//   begun     the first bytes of its answer came                     answered  and its last ones
//   leaving   the first byte of the answer was handed to the client  done      and its last byte was taken
//
// Requests and answers keep their order, so that each point is a place in one queue, and what passes it has been passed
// by everything before. Which instant belongs to a point is said in docs/metrics.md.
//
// A session has one only while something is under way (RequestTimesPool), so that an idle connection costs none.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"

namespace kferry::proxy {

class ListenerCounters;

class RequestTimes {
 public:
  enum class Kind : std::uint8_t {
    forwarded,
    own,     // kferry answers
    hidden,  // kferry asks: counts nowhere
  };

  // A header is complete, and its request is not let pass yet.
  void wait(Instant at) {
    if (waiting_since_ == Instant{}) waiting_since_ = at;
  }
  // A request without an answer was let pass.
  void passed() { waiting_since_ = Instant{}; }
  // `api` is timed_api() of the request.
  void queued(Kind kind, std::uint8_t api, Instant at) {
    if (next_ - done_ > mask_) grow();
    Entry& entry = of(next_++);
    entry = {.header = waiting_since_ == Instant{} ? at : waiting_since_, .kind = kind, .api = api};
    waiting_since_ = Instant{};
  }

  // A send to the broker was submitted at `at`. `covers`: with everything that is ready; `open`: the last request in
  // the queue still lacks bytes; `at_once`: the socket takes it whole.
  void handed(Instant at, bool covers, bool open, bool at_once) {
    for (; handed_ != next_; ++handed_) of(handed_).handed = at;
    if (covers) covered_ = complete(open);
    if (at_once) take(at, covered_);
  }
  // No send to the broker is pending at `at`; the last one was whole. `drained`: nothing is ready, either.
  void taken(Instant at, bool drained, bool open) {
    if (drained) covered_ = complete(open);
    take(at, covered_);
  }

  // Bytes of the front's answer have come.
  void begun(Instant at) {
    if (answered_ == next_) return;
    Entry& entry = of(answered_);
    if (entry.begun == Instant{}) entry.begun = at;
  }
  // The front's answer has come whole.
  void answered(Instant at, ListenerCounters& counters);

  // As handed() and taken(), for the answers. `open`: the answer under way has left in part.
  void leaving(Instant at, bool covers, bool open, bool at_once, ListenerCounters& counters) {
    for (; leaving_ != answered_; ++leaving_) leave(of(leaving_), at);
    if (open && answered_ != next_) leave(of(answered_), at);
    if (covers) answers_covered_ = answered_;
    if (at_once) finish(at, answers_covered_, counters);
  }
  void delivered(Instant at, bool drained, ListenerCounters& counters) {
    if (drained) answers_covered_ = answered_;
    finish(at, answers_covered_, counters);
  }

  // Nothing is under way.
  bool idle() const { return done_ == next_ && waiting_since_ == Instant{}; }
  // Requests of the client without a whole answer.
  std::uint32_t unanswered() const;
  // Forgets everything, and the memory of a deep queue.
  void clear();

 private:
  struct Entry {
    Instant header{};
    Instant handed{};
    Instant taken{};
    Instant begun{};
    Instant leaving{};
    Kind kind = Kind::forwarded;
    std::uint8_t api = 0;
  };
  static constexpr std::uint32_t kept = 4;  // entries of an empty queue, a power of two

  Entry& of(std::uint32_t number) { return entries_[number & mask_]; }
  const Entry& of(std::uint32_t number) const { return entries_[number & mask_]; }
  std::uint32_t complete(bool open) const { return open && taken_ != next_ ? next_ - 1 : next_; }
  void take(Instant at, std::uint32_t to) {
    for (; taken_ != to; ++taken_) of(taken_).taken = at;
  }
  static void leave(Entry& entry, Instant at) {
    if (entry.leaving == Instant{}) entry.leaving = at;
  }
  void finish(Instant at, std::uint32_t to, ListenerCounters& counters);
  void grow();

  // Numbers of requests, counted on and on: done_ ≤ answered_ ≤ taken_ ≤ handed_ ≤ next_.
  std::uint32_t next_ = 0;
  std::uint32_t handed_ = 0;
  std::uint32_t covered_ = 0;  // what the last send to the broker has covered; at least taken_
  std::uint32_t taken_ = 0;
  std::uint32_t answered_ = 0;
  std::uint32_t leaving_ = 0;
  std::uint32_t answers_covered_ = 0;  // by the last send to the client; at least done_
  std::uint32_t done_ = 0;
  std::uint32_t mask_ = kept - 1;
  Instant waiting_since_{};  // Instant{}: no request waits
  std::unique_ptr<Entry[]> entries_ = std::make_unique<Entry[]>(kept);
};

// Keeps what the sessions of one worker do not use at the moment for the next one.
class RequestTimesPool {
 public:
  RequestTimes* take();
  // Takes it back, cleared or not.
  void give_back(RequestTimes* times);

 private:
  static constexpr std::size_t spare_kept = 256;
  std::vector<std::unique_ptr<RequestTimes>> spare_;
};

}  // namespace kferry::proxy
