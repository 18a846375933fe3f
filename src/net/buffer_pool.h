// Counts who still needs each of a ring's receive buffers, and gives a buffer back when nobody does. A piece
// that was split between two queues is needed twice. Keeps the queues of ropes that are empty for those that are not.
// One pool per ring, on its thread; outlives its ropes.
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

  // Takes over a buffer that a receive has delivered; its count is 1.
  void adopt(std::uint16_t id);
  void retain(std::uint16_t id);
  // Recycles the buffer when its count reaches 0.
  void release(std::uint16_t id);

  std::unique_ptr<RopeQueues> take_queues();
  void keep_queues(std::unique_ptr<RopeQueues> queues);

  std::size_t buffer_size() const { return ring_.buffer_size(); }

 private:
  ring::Ring& ring_;
  std::vector<std::uint32_t> needed_;
  std::vector<std::unique_ptr<RopeQueues>> spare_;
};

}  // namespace kferry::net
