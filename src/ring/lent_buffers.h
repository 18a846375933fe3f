// The receive buffers of a ring that fills them itself: one block of memory, and which parts of it are free. The last
// one that came back goes out first: a quiet process touches few.
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

  // Room for up to `octets` in free buffers, which stay free; how many pieces of `room` were set.
  std::size_t offer(std::size_t octets, std::span<iovec> room) const;
  // So many octets were written to what was last offered: those buffers are out.
  void collect(std::size_t octets, std::vector<Piece>& pieces);
  void recycle(std::uint16_t id);

  std::size_t size() const { return size_; }
  std::size_t count() const { return out_.size(); }
  std::size_t free() const { return free_.size(); }

 private:
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0;
  std::vector<bool> out_;  // by id
  std::vector<std::uint16_t> free_;
};

}  // namespace kferry::ring
