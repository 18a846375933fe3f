// Timers by deadline; each knows its place, so that cancelling one costs O(log n) and leaves nothing behind.
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
  // Takes out those whose deadline has come, the earliest first, and calls `fire(slot)` for each.
  template <class Fire>
  void take_due(Instant now, Fire&& fire) {
    while (!empty() && ops_.at(first()).deadline <= now) {
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
    const std::size_t place = ops_.at(slot).extra;
    KFERRY_ASSERT(place < heap_.size() && heap_[place] == slot);
    swap(place, heap_.size() - 1);
    heap_.pop_back();
    if (place < heap_.size()) {
      rise(place);
      sink(place);
    }
  }

 private:
  bool before(std::size_t a, std::size_t b) {
    return ops_.at(heap_[a]).deadline < ops_.at(heap_[b]).deadline;
  }

  void swap(std::size_t a, std::size_t b) {
    std::swap(heap_[a], heap_[b]);
    ops_.at(heap_[a]).extra = static_cast<std::uint32_t>(a);
    ops_.at(heap_[b]).extra = static_cast<std::uint32_t>(b);
  }

  void rise(std::size_t place) {
    for (; place > 0 && before(place, (place - 1) / 2); place = (place - 1) / 2) swap(place, (place - 1) / 2);
  }

  void sink(std::size_t place) {
    while (true) {
      std::size_t least = place;
      for (const std::size_t child : {2 * place + 1, 2 * place + 2})
        if (child < heap_.size() && before(child, least)) least = child;
      if (least == place) return;
      swap(place, least);
      place = least;
    }
  }

  OpSlab& ops_;
  std::vector<std::uint32_t> heap_;
};

}  // namespace kferry::ring
