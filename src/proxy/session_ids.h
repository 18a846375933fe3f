// Numbers for client connections, by which lines of the log, and later of the audit trail, are matched.
//
// A number is unique within a run of kferry and, but for one chance in billions, across runs and hosts: every worker
// counts from a random start of 64 bits, and the count is scrambled, so that neighbours are easily told apart.
#pragma once

#include <array>
#include <cstdint>

#include "base/session_id.h"

namespace kferry::proxy {

// One thread.
class SessionIds {
 public:
  // What is kept of a number: 48 bits, which fit into the padding of a worker's slot.
  struct Serial {
    std::array<std::uint16_t, 3> parts{};  // the lowest first
  };

  // `start`: any of 2^64 numbers, from a random source.
  explicit SessionIds(std::uint64_t start) : start_(start) {}

  // Of the next session. Repeats after 2^48 calls: nine years at a million connections a second.
  Serial take() {
    do {
      ++taken_;
    } while (mixed(taken_) == 0);
    return {{static_cast<std::uint16_t>(taken_), static_cast<std::uint16_t>(taken_ >> 16U),
             static_cast<std::uint16_t>(taken_ >> 32U)}};
  }
  // Never SessionId{}, and another one for each serial.
  SessionId number_of(const Serial& serial) const {
    return SessionId{mixed(serial.parts[0] | (std::uint64_t{serial.parts[1]} << 16U) |
                           (std::uint64_t{serial.parts[2]} << 32U))};
  }

 private:
  // SplitMix64 (Steele, Lea, Flood 2014): another number for each count.
  std::uint64_t mixed(std::uint64_t count) const {
    std::uint64_t value = start_ + count * 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31U);
  }

  const std::uint64_t start_;
  std::uint64_t taken_ = 0;
};

}  // namespace kferry::proxy
