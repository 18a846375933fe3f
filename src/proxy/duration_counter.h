// Counts durations by size, for a histogram. One writer, like a Counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/counter.h"
#include "proxy/ticks.h"

namespace kferry::proxy {

class DurationCounter {
 public:
  // Upper bounds, inclusive: 50 µs to 10 s, about three per decade.
  static constexpr std::array<Duration, 12> bounds = {
      std::chrono::microseconds(50),   std::chrono::microseconds(150), std::chrono::microseconds(500),
      std::chrono::microseconds(1500), std::chrono::milliseconds(5),   std::chrono::milliseconds(15),
      std::chrono::milliseconds(50),   std::chrono::milliseconds(150), std::chrono::milliseconds(500),
      std::chrono::milliseconds(1500), std::chrono::seconds(5),        std::chrono::seconds(10)};
  static constexpr std::size_t buckets = bounds.size() + 1;

  // A negative duration counts as zero.
  void add(Duration duration) {
    if (duration < Duration::zero()) duration = Duration::zero();
    std::size_t bucket = 0;
    while (bucket < bounds.size() && duration > bounds[bucket]) ++bucket;
    counts_[bucket].add();
    if (duration > Duration::zero()) sum_ns_.add(static_cast<std::uint64_t>(duration.count()));
  }

  // As add(), of a difference between two ticks; one that is negative as a signed number counts as zero, too.
  void add_ticks(Ticks ticks) {
    if (static_cast<std::int32_t>(ticks) <= 0) return counts_[0].add();
    std::size_t bucket = 0;
    while (bucket < bounds.size() && ticks > bounds_in_ticks[bucket]) ++bucket;
    counts_[bucket].add();
    sum_ns_.add(ticks * static_cast<std::uint64_t>(tick.count()));
  }

  std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }
  std::uint64_t sum_ns() const { return sum_ns_.value(); }

 private:
  static_assert(std::ratio_equal_v<Duration::period, std::nano>);
  static constexpr auto bounds_in_ticks = [] {
    std::array<Ticks, bounds.size()> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Ticks>(bounds[i] / tick);
    return all;
  }();
  std::array<Counter, buckets> counts_;  // not cumulative
  Counter sum_ns_;
};

}  // namespace kferry::proxy
