// The receive buffers of a ring that fills them itself: one block of memory, and which of its buffers are free. The
// most recently returned buffer is used first, so that a quiet process touches few.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ring/ring.h"

namespace kferry::ring {

class LentBuffers {
 public:
  LentBuffers() = default;
  ~LentBuffers();
  LentBuffers(const LentBuffers&) = delete;
  LentBuffers& operator=(const LentBuffers&) = delete;

  // 0 or -errno. `count` is at most 65536.
  int open(std::size_t count, std::size_t size);

  // Points `room` at free buffers for up to `bytes`, and returns how many entries it set. The buffers stay free.
  std::size_t offer(std::size_t bytes, std::span<iovec> room) const;
  // Takes out the buffers that `bytes` were written to, in the order of the last offer(), and appends them to `pieces`.
  void collect(std::size_t bytes, std::vector<Piece>& pieces);
  void recycle(std::uint16_t id);
  // Unmaps the pages of used buffers that are free.
  void return_memory();

  std::size_t size() const { return size_; }
  std::size_t count() const { return out_.size(); }
  std::size_t free() const { return free_.size(); }

 private:
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
  std::vector<bool> out_;   // by id: with the receiver
  std::vector<bool> used_;  // by id: its pages have been written to
  std::vector<std::uint16_t> free_;
};

}  // namespace kferry::ring
