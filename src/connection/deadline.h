// A deadline that moves often, over a ring timer that is set seldom: a timer that fires too early is set again for
// what remains, so that moving the deadline back costs nothing.
#pragma once

#include "base/clock.h"
#include "ring/ring.h"

namespace kferry::connection {

// For owners of which there are many: it does not keep its timer, but is told of it, always the same one.
class SlimDeadline {
 public:
  // The timer's completions go to on_timer().
  struct Timer {
    ring::Ring& ring;
    ring::Token token;
  };

  void set(const Timer& timer, Instant at) {
    at_ = at;
    if (!armed()) {
      timer_at_ = at;
      timer.ring.timer(timer.token, at);
    } else if (at < timer_at_) {
      timer.ring.cancel(timer.token);  // on_timer() sets it again
    }
  }
  // The timer completed. True when the deadline has passed.
  bool on_timer(const Timer& timer, bool still_wanted) {
    timer_at_ = unarmed;
    if (!still_wanted) return false;
    if (timer.ring.now() >= at_) return true;
    set(timer, at_);
    return false;
  }
  // Ends the timer; it still completes.
  void cancel(const Timer& timer) {
    if (armed()) timer.ring.cancel(timer.token);
  }
  // A completion is still to come.
  bool armed() const { return timer_at_ != unarmed; }
  // Valid after set().
  Instant at() const { return at_; }

 private:
  static constexpr Instant unarmed = Instant::max();
  Instant at_{};
  Instant timer_at_ = unarmed;
};

// As SlimDeadline, with its timer.
class Deadline {
 public:
  // `token` names the timer.
  Deadline(ring::Ring& ring, ring::Token token) : timer_{ring, token} {}

  void set(Instant at) { deadline_.set(timer_, at); }
  bool on_timer(bool still_wanted) { return deadline_.on_timer(timer_, still_wanted); }
  void cancel() { deadline_.cancel(timer_); }
  bool armed() const { return deadline_.armed(); }
  Instant at() const { return deadline_.at(); }

 private:
  const SlimDeadline::Timer timer_;
  SlimDeadline deadline_;
};

}  // namespace kferry::connection
