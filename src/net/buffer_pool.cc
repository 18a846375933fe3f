#include "net/buffer_pool.h"

#include "base/assert.h"

namespace kferry::net {

BufferPool::BufferPool(ring::Ring& ring) : ring_(ring), needed_(ring.buffer_count(), 0) {}

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
