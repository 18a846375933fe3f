// Time as the engine sees it: monotonic, in nanoseconds, read once per turn of a loop and virtual in simulation.
#pragma once

#include <chrono>
#include <cstdint>

namespace kferry {

using Duration = std::chrono::nanoseconds;

// A tag clock: instants come from a Ring (ring/ring.h), which is real or simulated, never from a global.
struct EngineClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<EngineClock>;
  static constexpr bool is_steady = true;
};
using Instant = EngineClock::time_point;

// The host's monotonic clock, for what runs beside a ring: other threads, and the ring itself.
inline Instant monotonic_now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

}  // namespace kferry
