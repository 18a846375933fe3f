// Records that are taken and given back by slot number. A record keeps its address while others are taken, and its slot
// is reused: the taker initializes it, and frees what it owns before giving it back.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace kferry::ring {

template <class T>
class SlotPool {
 public:
  std::uint32_t take() {
    if (free_.empty()) {
      records_.emplace_back();
      return static_cast<std::uint32_t>(records_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void give_back(std::uint32_t slot) { free_.push_back(slot); }
  // Frees the memory of a pool none of whose records is taken. What a record remembers beyond its use is lost.
  void forget_if_unused() {
    if (free_.size() < records_.size()) return;
    records_ = {};
    free_ = {};
  }
  T& at(std::uint32_t slot) { return records_[slot]; }

  // Every record, free ones too.
  auto begin() { return records_.begin(); }
  auto end() { return records_.end(); }

 private:
  std::deque<T> records_;
  std::vector<std::uint32_t> free_;
};

}  // namespace kferry::ring
