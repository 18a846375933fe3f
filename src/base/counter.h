// A number that one thread changes and others read: a relaxed atomic, changed by a load and a store, so that counting
// takes no locked instruction. Two threads that changed the same counter would lose counts.
#pragma once

#include <atomic>
#include <cstdint>

namespace kferry {

class Counter {
 public:
  void add(std::uint64_t count = 1) { set(value() + count); }
  void subtract(std::uint64_t count = 1) { set(value() - count); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

}  // namespace kferry
