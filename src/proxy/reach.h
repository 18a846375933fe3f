// Whether one broker can be reached, from the outcomes of its clients' dials. Pure: every call passes the time.
//
//   up ──down_after failures in a row──▶ down ──one success──▶ up
//
// Up, a dial that fails fails alone: one refused connection says nothing about the next. Down, one dial is in flight at
// a time, at most one per probe_interval, by the client that comes first; the others meet a stand-in.
// A failure that this host is to blame for is never counted (base/host_lack.h).
#pragma once

#include "base/clock.h"

namespace kferry::proxy {

class Reach {
 public:
  static constexpr unsigned down_after = 3;
  static constexpr Duration probe_interval = std::chrono::seconds(1);
  // A probe whose outcome was never reported, because its client left, blocks the next one no longer than this.
  static constexpr Duration probe_lifetime = std::chrono::seconds(10);

  // Whether the broker may be dialled now. While it is down, true begins the one dial in flight.
  bool admit(Instant now);
  // True when this is news: the broker was not known to be reachable.
  bool succeeded();
  void failed(Instant now);
  // The dial ended without saying anything about the broker.
  void abandoned() { probing_ = false; }

  bool down() const { return failures_ >= down_after; }
  // The last dial succeeded.
  bool reached() const { return reached_; }

 private:
  unsigned failures_ = 0;  // in a row, at most down_after
  bool reached_ = false;
  bool probing_ = false;
  Instant probed_at_{};  // Valid once down: the last probe, or the failure that took the broker down.
};

}  // namespace kferry::proxy
