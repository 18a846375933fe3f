// Timers by deadline. Each knows its index in the heap, so cancelling one costs O(log n) and leaves nothing behind.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ring/op_slab.h"

namespace kferry::ring {

class TimerHeap {
 public:
  explicit TimerHeap(OpSlab& ops) : ops_(ops) {}

  bool empty() const { return heap_.empty(); }
  std::uint32_t first() const { return heap_.front(); }
  // Removes the timers whose deadline has passed, earliest first, and calls `fire(slot)` for each.
  template <class Fire>
  void take_due(Instant now, Fire&& fire) {
    while (!empty() && ops_.at(first()).deadline() <= now) {
      const std::uint32_t slot = first();
      remove(slot);
      fire(slot);
    }
  }

  void add(std::uint32_t slot) {
    heap_.push_back(slot);
    ops_.at(slot).extra = static_cast<std::uint32_t>(heap_.size() - 1);
    rise(heap_.size() - 1);
  }

  void remove(std::uint32_t slot) {
    const std::size_t index = ops_.at(slot).extra;
    KFERRY_ASSERT(index < heap_.size() && heap_[index] == slot);
    swap(index, heap_.size() - 1);
    heap_.pop_back();
    if (index < heap_.size()) {
      rise(index);
      sink(index);
    }
  }

 private:
  bool before(std::size_t a, std::size_t b) {
    return ops_.at(heap_[a]).deadline() < ops_.at(heap_[b]).deadline();
  }

  void swap(std::size_t a, std::size_t b) {
    std::swap(heap_[a], heap_[b]);
    ops_.at(heap_[a]).extra = static_cast<std::uint32_t>(a);
    ops_.at(heap_[b]).extra = static_cast<std::uint32_t>(b);
  }

  void rise(std::size_t index) {
    for (; index > 0 && before(index, (index - 1) / 2); index = (index - 1) / 2) swap(index, (index - 1) / 2);
  }

  void sink(std::size_t index) {
    while (true) {
      std::size_t least = index;
      for (const std::size_t child : {2 * index + 1, 2 * index + 2})
        if (child < heap_.size() && before(child, least)) least = child;
      if (least == index) return;
      swap(index, least);
      index = least;
    }
  }

  OpSlab& ops_;
  std::vector<std::uint32_t> heap_;
};

}  // namespace kferry::ring
