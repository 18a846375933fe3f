// A deadline that moves often, over a ring timer that is set seldom: a timer that fires too early is set again for
// what remains, so that moving the deadline back costs nothing.
#pragma once

#include "base/clock.h"
#include "ring/ring.h"

namespace kferry::connection {

class Deadline {
 public:
  // `token` names the timer; its completions go to on_timer().
  Deadline(ring::Ring& ring, ring::Token token) : ring_(ring), token_(token) {}

  void set(Instant at) {
    at_ = at;
    if (!armed()) {
      timer_at_ = at;
      ring_.timer(token_, at);
    } else if (at < timer_at_) {
      ring_.cancel(token_);  // on_timer() sets it again
    }
  }
  // The timer completed. True when the deadline has passed.
  bool on_timer(bool still_wanted) {
    timer_at_ = unarmed;
    if (!still_wanted) return false;
    if (ring_.now() >= at_) return true;
    set(at_);
    return false;
  }
  // Ends the timer; it still completes.
  void cancel() {
    if (armed()) ring_.cancel(token_);
  }
  // A completion is still to come.
  bool armed() const { return timer_at_ != unarmed; }
  // Valid after set().
  Instant at() const { return at_; }

 private:
  ring::Ring& ring_;
  const ring::Token token_;
  static constexpr Instant unarmed = Instant::max();
  Instant at_{};
  Instant timer_at_ = unarmed;
};

}  // namespace kferry::connection
