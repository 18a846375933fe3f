// Counts who still needs each of a ring's receive buffers, and gives a buffer back when nobody does. A piece
// that was split between two queues is needed twice. One pool per ring, on its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/ring.h"

namespace kferry::net {

class BufferPool {
 public:
  explicit BufferPool(ring::Ring& ring);

  // Takes over a buffer that a receive has delivered; its count is 1.
  void adopt(std::uint16_t id);
  void retain(std::uint16_t id);
  // Recycles the buffer when its count reaches 0.
  void release(std::uint16_t id);

  std::size_t buffer_size() const { return ring_.buffer_size(); }

 private:
  ring::Ring& ring_;
  std::vector<std::uint32_t> needed_;
};

}  // namespace kferry::net
