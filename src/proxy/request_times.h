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
// Each entry keeps the time of the last point that it has passed, and what kferry's part has come to so far. The
// broker's part is over when the answer begins, and only the oldest request without a whole answer can have one under
// way.
//
// A session has one only while something is under way (RequestTimesPool), so that an idle connection costs none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "proxy/ticks.h"

namespace kferry::proxy {

class ListenerCounters;

class RequestTimes {
 public:
  enum class Kind : std::uint8_t {
    forwarded,
    own,     // kferry answers
    hidden,  // kferry asks: counts nowhere
  };

  RequestTimes() = default;
  RequestTimes(const RequestTimes&) = delete;
  RequestTimes& operator=(const RequestTimes&) = delete;

  // A header is complete, and its request is not let pass yet.
  void wait(Ticks at) {
    if (!waits_) waiting_since_ = at;
    waits_ = true;
  }
  // A request without an answer was let pass.
  void passed() { waits_ = false; }
  // `api` is timed_api() of the request.
  void queued(Kind kind, std::uint8_t api, Ticks at) {
    if (next_ - done_ > mask_) grow();
    of(next_++) = {.mark = waits_ ? waiting_since_ : at, .api = api, .kind = kind};
    waits_ = false;
  }

  // A send to the broker was submitted at `at`. `covers`: with everything that is ready; `open`: the last request in
  // the queue still lacks bytes; `at_once`: the socket takes it whole.
  void handed(Ticks at, bool covers, bool open, bool at_once) {
    for (; handed_ != next_; ++handed_) hand(of(handed_), at);
    if (covers) covered_ = complete(open);
    if (at_once) take(at);
  }
  // No send to the broker is pending at `at`; the last one was whole. `drained`: nothing is ready, either.
  void taken(Ticks at, bool drained, bool open) {
    if (drained) covered_ = complete(open);
    take(at);
  }

  // Bytes of the front's answer have come.
  void begun(Ticks at) {
    if (answered_ != next_ && !begun_) begin(at);
  }
  // The front's answer has come whole.
  void answered(Ticks at, ListenerCounters& counters);

  // As handed() and taken(), for the answers. `open`: the answer under way has left in part.
  void leaving(Ticks at, bool covers, bool open, bool at_once, ListenerCounters& counters) {
    for (; leaving_ != answered_; ++leaving_) leave(of(leaving_), at);
    if (open && begun_) leave(of(answered_), at);
    if (covers) answers_covered_ = answered_;
    if (at_once) finish(at, counters);
  }
  void delivered(Ticks at, bool drained, ListenerCounters& counters) {
    if (drained) answers_covered_ = answered_;
    finish(at, counters);
  }

  // taken() or delivered() may have something to note.
  bool awaits_sockets() const { return taken_ != handed_ || done_ != answered_; }
  // Nothing is under way.
  bool idle() const { return done_ == next_ && !waits_; }
  // Requests of the client without a whole answer.
  std::uint32_t unanswered() const;

 private:
  friend class RequestTimesPool;

  struct Entry {
    Ticks mark =
        0;  // when it passed its last point; of those that the broker does not answer, the header alone
    Ticks kferry = 0;  // kferry's part so far
    std::uint8_t api = 0;
    Kind kind = Kind::forwarded;
    bool left = false;  // its answer has begun to leave
  };
  static constexpr std::uint32_t kept = 4;  // entries of an empty queue, a power of two

  Entry& of(std::uint32_t number) { return entries_[number & mask_]; }
  const Entry& of(std::uint32_t number) const { return entries_[number & mask_]; }
  std::uint32_t complete(bool open) const {
    return open && handed_ == next_ && taken_ != next_ ? next_ - 1 : handed_;
  }
  static void add_to_kferry(Entry& entry, Ticks at) {
    entry.kferry += at - entry.mark;
    entry.mark = at;
  }
  static void hand(Entry& entry, Ticks at) {
    if (entry.kind == Kind::forwarded) add_to_kferry(entry, at);
  }
  static void leave(Entry& entry, Ticks at) {
    if (entry.left) return;
    entry.left = true;
    add_to_kferry(entry, at);
  }
  void take(Ticks at) {
    for (; taken_ != covered_; ++taken_) {
      if (of(taken_).kind == Kind::forwarded) of(taken_).mark = at;
    }
  }
  void begin(Ticks at);
  void finish(Ticks at, ListenerCounters& counters);
  void grow();
  // Forgets everything, and the memory of a deep queue.
  void clear();

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
  Ticks waiting_since_ = 0;  // valid while waits_
  Ticks broker_ = 0;         // the broker's part in the answer under way; valid while begun_
  bool waits_ = false;       // a request has not been let pass yet
  bool begun_ = false;       // an answer has come in part
  std::array<Entry, kept> few_;
  std::unique_ptr<Entry[]> many_;  // null while a few are enough
  Entry* entries_ = few_.data();   // of mask_ + 1
  RequestTimes* spare_ = nullptr;  // the pool's
};

// Keeps what the sessions of one worker do not use at the moment for the next one.
class RequestTimesPool {
 public:
  RequestTimesPool() = default;
  ~RequestTimesPool();
  RequestTimesPool(const RequestTimesPool&) = delete;
  RequestTimesPool& operator=(const RequestTimesPool&) = delete;

  RequestTimes* take() {
    if (first_ == nullptr) return make();
    RequestTimes* const times = first_;
    first_ = times->spare_;
    --spares_;
    return times;
  }
  // Takes it back, idle or not.
  void give_back(RequestTimes* times) {
    if (spares_ == spares_max || !times->idle() || times->many_ != nullptr) return tidy(times);
    times->spare_ = first_;
    first_ = times;
    ++spares_;
  }

 private:
  static constexpr std::size_t spares_max = 256;

  static RequestTimes* make();
  void tidy(RequestTimes* times);

  RequestTimes* first_ = nullptr;
  std::size_t spares_ = 0;
};

}  // namespace kferry::proxy
