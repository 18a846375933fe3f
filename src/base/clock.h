// The engine's time: monotonic, in nanoseconds, read once per turn of a loop, and virtual in simulations.
#pragma once

#include <chrono>
#include <cstdint>

namespace kferry {

using Duration = std::chrono::nanoseconds;

// Only a type. Instants come from a Ring (ring/ring.h), real or simulated, never from a global.
struct EngineClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<EngineClock>;
  static constexpr bool is_steady = true;
};
using Instant = EngineClock::time_point;

// The host's monotonic clock, for code outside a ring, such as other threads, and for the ring itself.
inline Instant monotonic_now() {
  return Instant{std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

}  // namespace kferry
