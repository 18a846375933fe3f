// Counts the users of each of a ring's receive buffers, and recycles a buffer at zero. A piece that is split between
// two queues counts twice. Also keeps the queues of empty ropes for others. One pool per ring, on its thread; it
// outlives its ropes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ring/ring.h"

namespace kferry::net {

struct RopeQueues;

class BufferPool {
 public:
  explicit BufferPool(ring::Ring& ring);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Takes over a buffer from a receive, with a count of 1.
  void adopt(std::uint16_t id);
  void retain(std::uint16_t id);
  // Recycles the buffer when its count reaches 0.
  void release(std::uint16_t id);

  std::unique_ptr<RopeQueues> take_queues();
  void keep_queues(std::unique_ptr<RopeQueues> queues);

  std::size_t buffer_size() const { return ring_.buffer_size(); }
  // In heap blocks of all ropes of this pool, bytes.
  std::size_t heap_bytes() const { return heap_bytes_; }
  void note_heap_block(std::size_t capacity) { heap_bytes_ += capacity; }
  void note_heap_block_freed(std::size_t capacity) { heap_bytes_ -= capacity; }

 private:
  ring::Ring& ring_;
  std::vector<std::uint32_t> needed_;
  std::size_t heap_bytes_ = 0;
  std::vector<std::unique_ptr<RopeQueues>> spare_;
};

}  // namespace kferry::net
