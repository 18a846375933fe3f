// The bytes of one direction on their way through kferry, without copying them:
//
//   received ─▶ [ input │ held │ ready ] ─▶ sent
//
//   input: received, not yet judged.   held: judged, may not leave yet.   ready: may leave.
//
// Bytes stand in the ring's receive buffers (leased, counted by the BufferPool) or in heap blocks of the
// rope's own. Nothing moves once it is named in a gather: until sent() those segments stay where they are.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

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
  // Room that the next bytes of input are written into by the caller, who then says how many came. One room at a
  // time; nothing else is done with the rope between.
  std::span<std::byte> room(std::size_t size);
  void fill_room(std::size_t size);

  // The first contiguous run of input; empty when there is none. Stays readable until the next unpin().
  std::span<const std::byte> pin_input();
  void unpin();

  // Judgement of input, in order (see kafka/output.h). Sizes never exceed what is there.
  void pass(std::size_t size);  // nothing may be held
  void hold(std::size_t size);
  void drop(std::size_t size);
  void insert(std::span<const std::byte> bytes);
  void overwrite_held(std::size_t offset, std::span<const std::byte> bytes);
  void cut_held(std::size_t size);
  void release_held();

  // Names what is ready, from its start, at most `pieces.size()` runs; returns how many. Valid until sent().
  std::size_t gather(std::span<iovec> pieces);
  // The first `size` bytes of the gather have left, 0 if it failed; the gather is over.
  void sent(std::size_t size);

  std::size_t input_size() const { return queues_ == nullptr ? 0 : queues_->input.size; }
  std::size_t held_size() const { return queues_ == nullptr ? 0 : queues_->held.size; }
  std::size_t ready_size() const { return queues_ == nullptr ? 0 : queues_->ready.size; }
  std::size_t size() const { return input_size() + held_size() + ready_size(); }
  bool empty() const { return size() == 0; }
  // Receive buffers that this rope keeps from the ring, counting one twice that stands in two places.
  std::size_t leased() const {
    return queues_ == nullptr ? 0 : queues_->input.leased + queues_->held.leased + queues_->ready.leased;
  }
  std::size_t heap_bytes() const { return queues_ == nullptr ? 0 : queues_->heap_bytes; }

  // Copies everything that is not named in a gather out of the ring's buffers into right-sized heap blocks,
  // so that they can serve others.
  void move_to_heap();

  // Called when walking is over for now. Keeps what waits for more input from pinning buffers it hardly fills (a
  // header that comes a byte at a time), and from keeping more than `leased_max`. What is ready stays where it is:
  // it is sent next, and copying what a large receive brought costs more than all the rest.
  void spare_buffers(std::size_t leased_max);

  // Drops everything. No gather may be under way.
  void clear();

 private:
  using Block = RopeBlock;
  using Segment = RopeSegment;
  using Queue = RopeQueue;

  RopeQueues& queues();
  // Gives the queues back once nothing is on them.
  void settle();
  Block* make_block(std::size_t capacity);
  Segment copy_of(std::span<const std::byte> bytes);
  void retain(const Segment& segment);
  void release(const Segment& segment);
  // Appends, joining with the last segment where both are one run of the same buffer or block.
  void append(Queue& queue, const Segment& segment);
  void move(Queue& from, Queue& to, std::size_t size);
  void discard_front(Queue& queue, std::size_t size);
  void move_to_heap(Queue& queue, std::size_t skip);

  BufferPool& pool_;
  // Null while nothing is on the rope: an idle connection costs a pointer.
  std::unique_ptr<RopeQueues> queues_;
};

}  // namespace kferry::net
