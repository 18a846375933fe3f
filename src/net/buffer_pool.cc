#include "net/buffer_pool.h"

#include <utility>

#include "base/assert.h"
#include "net/rope_queues.h"

namespace kferry::net {
namespace {

// The usual number of ropes in use at one moment, apart from peaks.
constexpr std::size_t spare_max = 64;
// A queue seldom has more segments, because a direction holds at most 16 buffers.
constexpr std::size_t kept_segments = 32;

}  // namespace

BufferPool::BufferPool(ring::Ring& ring) : ring_(ring), needed_(ring.buffer_count(), 0) {}

BufferPool::~BufferPool() = default;

std::unique_ptr<RopeQueues> BufferPool::take_queues() {
  if (spare_.empty()) return std::make_unique<RopeQueues>();
  std::unique_ptr<RopeQueues> queues = std::move(spare_.back());
  spare_.pop_back();
  return queues;
}

void BufferPool::keep_queues(std::unique_ptr<RopeQueues> queues) {
  if (spare_.size() == spare_max) return;
  for (RopeQueue* const queue : {&queues->input, &queues->held, &queues->ready}) {
    if (queue->segments.capacity() > kept_segments) std::vector<RopeSegment>().swap(queue->segments);
  }
  spare_.push_back(std::move(queues));
}

void BufferPool::adopt(std::uint16_t id) {
  KFERRY_ASSERT(needed_.at(id) == 0);
  needed_[id] = 1;
}

void BufferPool::retain(std::uint16_t id) {
  KFERRY_ASSERT(needed_.at(id) > 0);
  ++needed_[id];
}

void BufferPool::release(std::uint16_t id) {
  KFERRY_ASSERT(needed_.at(id) > 0);
  if (--needed_[id] == 0) ring_.recycle(id);
}

}  // namespace kferry::net
