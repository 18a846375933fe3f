// Whether one broker can be reached, from the outcomes of its clients' dials, and whose turn it is while it cannot.
// Pure: every call passes the time.
//
//   up ──down_after failures in a row──▶ down ──one success──▶ up
//
// Up, a dial that fails fails alone: one refused connection says nothing about the next. Down, one dial is in flight at
// a time, at most one per probe_interval, by the client that has waited longest; its success lets everyone dial at
// once.
// A failure that this host is to blame for is never counted (base/host_lack.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "base/clock.h"

namespace kferry::proxy {

class Reach {
 public:
  static constexpr unsigned down_after = 3;
  static constexpr Duration probe_interval = std::chrono::seconds(1);
  // A probe whose outcome was never reported blocks the next one no longer than this.
  static constexpr Duration probe_lifetime = std::chrono::seconds(10);
  // How long a client waits for its turn.
  static constexpr Duration wait_max = probe_interval;
  // More clients do not queue: they wait without a turn of their own.
  static constexpr std::size_t waiters_max = 1024;

  // Identifies a client that waits, as long as it does; null: it does not wait.
  using Waiter = const void*;
  enum class Admission : std::uint8_t {
    open,   // the broker may be dialled
    probe,  // it is down, and this is the one dial in flight; its outcome is to be reported
    wait,   // it is down
  };
  struct Turn {
    Admission admission = Admission::open;
    Instant next{};  // when the next probe may begin; valid with `wait`
  };

  // Whether the broker may be dialled now. With `wait` the waiter has joined the queue.
  Turn admit(Instant now, Waiter waiter);
  // False: it did not wait.
  bool leave(Waiter waiter);

  // True when this is news: the broker was not known to be reachable.
  bool succeeded();
  void failed(Instant now);
  // The probe ended without saying anything about the broker.
  void abandoned() { probing_ = false; }

  bool down() const { return failures_ >= down_after; }
  // The last dial succeeded.
  bool reached() const { return reached_; }
  // A client waits, and may have its turn.
  bool turn_is_due(Instant now) const { return down() && !waiters_.empty() && may_probe(now); }

 private:
  bool may_probe(Instant now) const {
    return now - probed_at_ >= (probing_ ? probe_lifetime : probe_interval);
  }

  unsigned failures_ = 0;  // in a row, at most down_after
  bool reached_ = false;
  bool probing_ = false;
  Instant probed_at_{};  // Valid once down: the last probe, or the failure that took the broker down.
  std::deque<std::pair<Waiter, Instant>> waiters_;  // with the time of arrival; empty unless down
};

}  // namespace kferry::proxy
