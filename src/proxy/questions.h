// Numbers the questions that a worker's sessions ask the resolver, so that an answer reaches the session that asked,
// and for its latest question alone. DNS may answer late: by then the slot may belong to another session, however many
// have had it since, or its session may dial another name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/assert.h"

namespace kferry::proxy {

class Questions {
 public:
  // Returns the request for the resolver, below 2^62. It replaces the slot's earlier question.
  std::uint64_t ask(std::uint32_t slot) {
    KFERRY_ASSERT(slot <= slot_mask);
    if (slot >= latest_.size()) latest_.resize(slot + std::size_t{1});
    asked_ = (asked_ + 1) & number_mask;
    latest_[slot] = (asked_ << slot_bits) | slot;
    return latest_[slot];
  }
  // The session in the slot has ended.
  void forget(std::uint32_t slot) {
    if (slot < latest_.size()) latest_[slot] = none;
  }
  // The slot whose latest question this is, once; nullopt: its answer is not wanted any more.
  std::optional<std::uint32_t> answered(std::uint64_t request) {
    const auto slot = static_cast<std::uint32_t>(request & slot_mask);
    if (slot >= latest_.size() || latest_[slot] != request) return std::nullopt;
    latest_[slot] = none;
    return slot;
  }

 private:
  static constexpr unsigned slot_bits = 24;
  static constexpr std::uint64_t slot_mask = (std::uint64_t{1} << slot_bits) - 1;
  static constexpr std::uint64_t number_mask = (std::uint64_t{1} << 38U) - 1;
  static constexpr std::uint64_t none = UINT64_MAX;

  std::uint64_t asked_ = 0;
  std::vector<std::uint64_t> latest_;  // by slot
};

}  // namespace kferry::proxy
