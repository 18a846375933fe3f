// The bytes of one direction on their way through kferry, without copying them:
//
//   received ─▶ [ input │ held │ ready ] ─▶ sent
//
//   input: received, not examined yet.   held: examined, must not leave yet.   ready: may leave.
//
// The bytes are in the ring's receive buffers (leased, counted by the BufferPool) or in heap blocks owned by the rope.
// gather() pins the segments that it returns: they do not move before sent().
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "net/buffer_pool.h"
#include "net/rope_queues.h"

namespace kferry::net {

class Rope {
 public:
  explicit Rope(BufferPool& pool) : pool_(pool) {}
  ~Rope();
  Rope(const Rope&) = delete;
  Rope& operator=(const Rope&) = delete;

  // Takes over pieces that a receive has delivered.
  void received(std::span<const ring::Piece> pieces);
  // Copies bytes to the end of the input, as if received; for bytes that did not come from the ring.
  void received_copy(std::span<const std::byte> bytes);
  // Moves the whole input to the end of `to`, for an owner who reads it in one piece.
  void take_input(std::vector<std::byte>& to);
  // Returns memory for the next bytes of input. The caller writes them and calls fill_room() with their number. Nothing
  // else may be done with the rope in between.
  std::span<std::byte> room(std::size_t size);
  void fill_room(std::size_t size);

  // The first contiguous run of input; empty if there is none. Readable until unpin().
  std::span<const std::byte> pin_input();
  void unpin();

  // What happens to the input, in order (kafka/output.h). Sizes must not exceed what is there.
  void pass(std::size_t size);  // only while nothing is held
  void hold(std::size_t size);
  void drop(std::size_t size);
  void insert(std::span<const std::byte> bytes);
  // Adds bytes before what is held, after what is ready.
  void insert_ready(std::span<const std::byte> bytes);
  // As insert(); the copy is zeroed once it has been sent or dropped.
  void insert_secret(std::span<const std::byte> bytes);
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes);
  void cut_held(std::size_t size);
  void release_held();

  // Points `pieces` at the ready bytes, from the first on, and returns how many entries it set. Valid until sent().
  std::size_t gather(std::span<iovec> pieces);
  // Ends the gather. Its first `size` bytes have been sent; 0 if the send failed.
  void sent(std::size_t size);

  std::size_t input_size() const { return queues_ == nullptr ? 0 : queues_->input.size; }
  std::size_t held_size() const { return queues_ == nullptr ? 0 : queues_->held.size; }
  std::size_t ready_size() const { return queues_ == nullptr ? 0 : queues_->ready.size; }
  std::size_t size() const { return input_size() + held_size() + ready_size(); }
  bool empty() const { return size() == 0; }
  // The number of receive buffers that this rope holds. A buffer in two queues counts twice.
  std::size_t leased() const {
    return queues_ == nullptr ? 0 : queues_->input.leased + queues_->held.leased + queues_->ready.leased;
  }
  std::size_t heap_bytes() const { return queues_ == nullptr ? 0 : queues_->heap_bytes; }

  // Copies everything that is not in a gather out of the ring's buffers into right-sized heap blocks, which frees the
  // buffers for others.
  void move_to_heap();

  // Called when the walker has done what it can. Copies waiting bytes to the heap if they barely fill their buffers (a
  // header that arrives byte by byte), or if they hold more than `leased_max` buffers. Ready bytes stay where they are:
  // they are sent next, and copying them after a large receive would cost more than everything else.
  void spare_buffers(std::size_t leased_max) {
    if (queues_ != nullptr && queues_->input.leased + queues_->held.leased > 0)
      move_sparse_to_heap(leased_max);
  }

  // Drops everything. Not during a gather.
  void clear();

 private:
  using Block = RopeBlock;
  using Segment = RopeSegment;
  using Queue = RopeQueue;

  RopeQueues& queues();
  // Returns the queues to the pool once they are empty.
  void settle();
  Block* make_block(std::size_t capacity);
  Segment copy_of(std::span<const std::byte> bytes);
  void retain(const Segment& segment);
  void release(const Segment& segment);
  // Appends a segment, or extends the last one if both are one run in the same buffer or block.
  void append(Queue& queue, const Segment& segment);
  void move(Queue& from, Queue& to, std::size_t size);
  void discard_front(Queue& queue, std::size_t size);
  void move_to_heap(Queue& queue, std::size_t skip);
  void move_sparse_to_heap(std::size_t leased_max);

  BufferPool& pool_;
  // Null while the rope is empty, so that an idle connection costs a pointer.
  std::unique_ptr<RopeQueues> queues_;
};

}  // namespace kferry::net
