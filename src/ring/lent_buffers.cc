#include "ring/lent_buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "ring/return_pages.h"

namespace kferry::ring {

LentBuffers::~LentBuffers() {
  if (memory_ != nullptr) ::munmap(memory_, count() * size_);
}

int LentBuffers::open(std::size_t count, std::size_t size) {
  KFERRY_ASSERT(count > 0 && count <= 65536 && size > 0);
  void* const memory = ::mmap(nullptr, count * size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return -errno;
  memory_ = static_cast<std::byte*>(memory);
  size_ = size;
  out_.resize(count);
  used_.resize(count);
  free_.reserve(count);
  for (std::size_t id = count; id-- > 0;) free_.push_back(static_cast<std::uint16_t>(id));
  return 0;
}

std::size_t LentBuffers::offer(std::size_t bytes, std::span<iovec> room) const {
  std::size_t count = 0;
  for (; bytes > 0 && count < room.size() && count < free_.size(); ++count) {
    const std::size_t size = std::min(bytes, size_);
    room[count] = iovec{memory_ + free_[free_.size() - 1 - count] * size_, size};
    bytes -= size;
  }
  return count;
}

void LentBuffers::collect(std::size_t bytes, std::vector<Piece>& pieces) {
  while (bytes > 0) {
    KFERRY_ASSERT(!free_.empty());
    const std::uint16_t id = free_.back();
    free_.pop_back();
    out_[id] = true;
    used_[id] = true;
    const std::size_t size = std::min(bytes, size_);
    pieces.push_back(Piece{id, {memory_ + id * size_, size}});
    bytes -= size;
  }
}

void LentBuffers::recycle(std::uint16_t id) {
  KFERRY_ASSERT(id < count() && out_[id]);
  out_[id] = false;
  free_.push_back(id);
}

void LentBuffers::return_memory() {
  for (const std::uint16_t id : free_)
    if (used_[id]) used_[id] = !return_pages(memory_ + id * size_, size_);
}

}  // namespace kferry::ring
