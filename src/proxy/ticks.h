// Instants and durations in 32 bits, for what is timed once per request. A tick is 10 µs; the count wraps after almost
// twelve hours, so that only differences of less than half of that mean something.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace kferry::proxy {

using Ticks = std::uint32_t;
inline constexpr Duration tick = std::chrono::microseconds(10);

inline constexpr Ticks ticks_of(Instant at) {
  return static_cast<Ticks>(static_cast<std::uint64_t>(at.time_since_epoch().count()) /
                            static_cast<std::uint64_t>(tick.count()));
}

}  // namespace kferry::proxy
