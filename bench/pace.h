// Lets so many requests a second begin, over all connections of a load, and no more. A load below what its own
// core can do measures the proxy; one at its limit measures itself.
#pragma once

#include <algorithm>
#include <chrono>

namespace kferry::bench {

class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: as fast as they will go. What was missed is caught up with, but no more than `catch_up` of it: a server
  // that cannot keep the pace is asked as soon as it answers, not in bursts.
  explicit Pace(double requests_per_s, Clock::duration catch_up = std::chrono::milliseconds(2))
      : interval_(requests_per_s > 0 ? std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(1 / requests_per_s))
                                     : Clock::duration::zero()),
        catch_up_(catch_up) {}

  void start(Clock::time_point now) { next_ = now; }
  bool open(Clock::time_point now) const { return now >= next_; }
  // One request begins.
  void take(Clock::time_point now) {
    if (interval_ > Clock::duration::zero()) next_ = std::max(next_ + interval_, now - catch_up_);
  }
  // Until the next may begin.
  Clock::duration wait(Clock::time_point now) const { return std::max(Clock::duration::zero(), next_ - now); }

 private:
  Clock::duration interval_;
  Clock::duration catch_up_;
  Clock::time_point next_{};
};

}  // namespace kferry::bench
