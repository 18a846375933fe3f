// The requests of one connection that wait for their answers, oldest first. The first entry lies in the queue itself,
// so that a client that asks one thing at a time costs no heap memory; more lie in a ring on the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "base/ids.h"

namespace kferry::kafka {

struct OwnAnswer;

struct Unanswered {
  ApiKey key{};
  ApiVersion version = 0;
  CorrelationId correlation_id{};
  // The answer that kferry gives when the turn of this request comes (own_answer.h); nullptr: the broker
  // answers.
  const OwnAnswer* own = nullptr;
  // The request is kferry's own: its answer teaches the cluster view and goes no further.
  bool asked_by_kferry = false;
};

class UnansweredQueue {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // The oldest; the queue is not empty.
  const Unanswered& front() const { return entries()[first_]; }
  // `index` counts from the oldest and is below size().
  const Unanswered& at(std::size_t index) const {
    return entries()[(first_ + static_cast<std::uint32_t>(index)) & mask_];
  }

  void push(const Unanswered& request) {
    if (size_ > mask_) grow();
    entries()[(first_ + size_++) & mask_] = request;
  }
  void pop() {
    KFERRY_ASSERT(size_ > 0);
    first_ = (first_ + 1) & mask_;
    if (--size_ == 0 && mask_ >= kept) *this = UnansweredQueue();
  }

 private:
  // An empty queue keeps room for this many. What a burst needed beyond that is freed once it has been answered.
  static constexpr std::uint32_t kept = 16;

  const Unanswered* entries() const { return ring_ == nullptr ? &only_ : ring_.get(); }
  Unanswered* entries() { return ring_ == nullptr ? &only_ : ring_.get(); }
  void grow() {
    const std::uint32_t room = (mask_ + 1) * 4;
    auto ring = std::make_unique<Unanswered[]>(room);
    for (std::uint32_t i = 0; i < size_; ++i) ring[i] = at(i);
    ring_ = std::move(ring);
    first_ = 0;
    mask_ = room - 1;
  }

  std::unique_ptr<Unanswered[]> ring_;  // of mask_ + 1 entries, a power of two; null while one is enough
  std::uint32_t first_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t mask_ = 0;
  Unanswered only_;
};

}  // namespace kferry::kafka
