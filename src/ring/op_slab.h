// The outstanding operations of a ring: a slab of small records found by slot, and by token for cancel().
// Slots are reused; a generation identifies a late completion of a slot's former user. Nothing is allocated once the
// slab has grown to the largest number of operations outstanding at once.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "base/clock.h"
#include "ring/ring.h"

namespace kferry::ring {

enum class OpKind : std::uint8_t {
  free,
  accept,
  connect,
  receive,
  send,
  splice,
  poll,
  watch,
  timer,
  message
};

struct Op {
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  Token token;
  std::uint64_t size = 0;  // receive: size_max; poll: events; message: value; timer: see deadline()
  int fd = -1;
  // receive: the bytes after which it ends, 0 for a single one; poll, watch, splice: the events that a multishot poll
  // has brought while it is being ended.
  std::uint32_t multishot = 0;
  std::uint32_t extra =
      none;  // send: parcel; connect: address; splice: transfer; message: addressee; timer: index in the heap
  std::uint32_t next = none;  // in its bucket, or in the free list
  std::uint16_t generation = 0;
  OpKind kind = OpKind::free;
  bool cancelled : 1 = false;
  bool quiet : 1 = false;  // send: Notice::with_next
  bool more : 1 = false;   // send: MSG_MORE; poll, watch, splice: the poll is multishot

  Instant deadline() const { return Instant(Duration(static_cast<Duration::rep>(size))); }
  void set_deadline(Instant at) { size = static_cast<std::uint64_t>(at.time_since_epoch().count()); }
};
static_assert(sizeof(Op) == 40);  // two for each idle connection

class OpSlab {
 public:
  std::uint32_t take(OpKind kind, Token token, int fd) {
    if (free_ == Op::none) grow();
    const std::uint32_t slot = free_;
    Op& op = at(slot);
    free_ = op.next;
    const auto generation = static_cast<std::uint16_t>(op.generation + 1);
    op = Op{};
    op.generation = generation;
    op.kind = kind;
    op.token = token;
    op.fd = fd;
    std::uint32_t& head = buckets_[bucket(token)];
    op.next = head;
    head = slot;
    ++outstanding_;
    return slot;
  }

  void release(std::uint32_t slot) {
    Op& op = at(slot);
    KFERRY_ASSERT(op.kind != OpKind::free);
    std::uint32_t* link = &buckets_[bucket(op.token)];
    while (*link != slot) link = &at(*link).next;
    *link = op.next;
    op.kind = OpKind::free;
    op.next = free_;
    free_ = slot;
    --outstanding_;
  }

  Op& at(std::uint32_t slot) { return blocks_[slot / block_size][slot % block_size]; }
  std::size_t outstanding() const { return outstanding_; }
  std::size_t size() const { return blocks_.size() * block_size; }

  // Calls `visit(slot)` for each operation of this token; it may release that slot, and no other.
  template <class Visit>
  void each(Token token, Visit&& visit) {
    for (std::uint32_t slot = buckets_.empty() ? Op::none : buckets_[bucket(token)]; slot != Op::none;) {
      const std::uint32_t next = at(slot).next;
      if (at(slot).token == token) visit(slot);
      slot = next;
    }
  }

 private:
  std::size_t bucket(Token token) const {
    const std::uint64_t mixed =
        (std::uint64_t{token.slot} << 20 ^ std::uint64_t{token.generation} << 4 ^ token.kind) *
        0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(mixed >> 32) & (buckets_.size() - 1);
  }

  void grow() {
    const auto old = static_cast<std::uint32_t>(size());
    // In blocks that stay where they are: thousands of idle connections reserve no memory for as many again, and
    // leave no outgrown copy in the heap.
    blocks_.push_back(std::make_unique<Op[]>(block_size));
    const std::uint32_t wanted = old + block_size;
    for (std::uint32_t slot = wanted; slot-- > old;) {
      at(slot).next = free_;
      free_ = slot;
    }
    if (wanted <= buckets_.size()) return;
    buckets_.assign(std::bit_ceil(wanted), Op::none);
    for (std::uint32_t slot = 0; slot < old; ++slot) {  // all are taken: the slab grows only when full
      std::uint32_t& head = buckets_[bucket(at(slot).token)];
      at(slot).next = head;
      head = slot;
    }
  }

  static constexpr std::uint32_t block_size = 64;

  std::vector<std::unique_ptr<Op[]>> blocks_;
  std::vector<std::uint32_t> buckets_;
  std::uint32_t free_ = Op::none;
  std::size_t outstanding_ = 0;
};

}  // namespace kferry::ring
