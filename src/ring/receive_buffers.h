// A ring's receive buffers: one provided-buffer ring shared with the kernel, and the memory behind it.
//
// The kernel takes buffers from the head in the order in which they were added, and a bundle names only its first
// buffer: position_ says where that one is, and the others follow it. The size of a buffer is read back from its entry,
// because some kernels shorten the last entry of a bundle in place, even if the receive then finds nothing. Only
// `posted_target` buffers are with the kernel at a time, the most recently returned first, so that a quiet process
// touches few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring/ring.h"

struct io_uring;
struct io_uring_buf_ring;

namespace kferry::ring {

class ReceiveBuffers {
 public:
  ReceiveBuffers() = default;
  ~ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

  // 0 or -errno. `count` is a power of two, at most 32768.
  int open(io_uring& ring, std::size_t count, std::size_t size);

  // Appends the pieces of a completion of `bytes` whose first buffer is `first`.
  void collect(std::uint16_t first, std::size_t bytes, std::vector<Piece>& pieces);
  void recycle(std::uint16_t id);
  // Unmaps the pages of used buffers in the reserve, where the kernel writes nothing.
  void return_memory();
  // Gives the kernel more buffers from the reserve. False if the reserve is empty.
  bool top_up();

  std::size_t size() const { return size_; }
  std::size_t count() const { return count_; }
  std::size_t free() const { return posted_ + reserve_.size(); }

 private:
  // The kernel cycles through the posted buffers. Few of them stay in a core's cache, so that decryption and the walker
  // find the received bytes there.
  static constexpr std::size_t posted_target = 16;

  void post(std::uint16_t id);
  void publish();

  std::byte* memory_ = nullptr;
  io_uring_buf_ring* entries_ = nullptr;
  std::size_t entries_size_ = 0;
  std::size_t size_ = 0;
  std::size_t count_ = 0;
  std::size_t posted_ = 0;
  std::uint16_t tail_ = 0;
  std::vector<std::uint16_t> position_;  // by id: the tail when it was last added
  std::vector<bool> out_;                // by id: with the receiver
  std::vector<bool> used_;               // by id: its pages have been written to
  std::vector<std::uint16_t> reserve_;   // neither with the kernel nor out
};

}  // namespace kferry::ring
