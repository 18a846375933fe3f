#include "net/rope.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/secret.h"

namespace kferry::net {

void RopeQueue::push(const RopeSegment& segment) {
  if (first > 0 && segments.size() == segments.capacity()) {
    segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(first));
    first = 0;
  }
  segments.push_back(segment);
  size += segment.size;
  if (segment.block == nullptr) ++leased;
}

void RopeQueue::pop_front() {
  size -= front().size;
  if (front().block == nullptr) --leased;
  if (++first < segments.size()) return;
  first = 0;
  segments.clear();
}

std::size_t RopeQueue::leased_data() const {
  std::size_t sum = 0;
  for (std::size_t i = first; i < segments.size(); ++i) {
    if (segments[i].block == nullptr) sum += segments[i].size;
  }
  return sum;
}

Rope::~Rope() {
  clear();
}

RopeQueues& Rope::queues() {
  if (queues_ == nullptr) queues_ = pool_.take_queues();
  return *queues_;
}

void Rope::settle() {
  if (queues_ != nullptr && queues_->idle()) pool_.keep_queues(std::move(queues_));
}

Rope::Block* Rope::make_block(std::size_t capacity) {
  void* memory = std::malloc(sizeof(Block) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  queues().heap_bytes += capacity;
  pool_.note_heap_block(capacity);
  KFERRY_ASSERT(capacity < std::size_t{1} << 31U);
  return new (memory) Block{0, static_cast<std::uint32_t>(capacity) & 0x7FFF'FFFFU, 0};
}

Rope::Segment Rope::copy_of(std::span<const std::byte> bytes) {
  Block* const block = make_block(bytes.size());
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->needed = 1;
  return {block->data(), block, block->capacity, 0};
}

void Rope::retain(const Segment& segment) {
  if (segment.block == nullptr) {
    pool_.retain(segment.buffer_id);
  } else {
    ++segment.block->needed;
  }
}

void Rope::release(const Segment& segment) {
  if (segment.block == nullptr) {
    pool_.release(segment.buffer_id);
  } else if (--segment.block->needed == 0) {
    Block* const block = segment.block;
    queues_->heap_bytes -= block->capacity;
    pool_.note_heap_block_freed(block->capacity);
    if (block->secret != 0) wipe(std::span(block->data(), block->capacity));
    std::free(block);
  }
}

void Rope::append(Queue& queue, const Segment& segment) {
  if (!queue.empty()) {
    Segment& last = queue.back();
    const bool one_run = last.block == segment.block && last.bytes + last.size == segment.bytes &&
                         (segment.block != nullptr || last.buffer_id == segment.buffer_id);
    if (one_run) {
      last.size += segment.size;
      queue.size += segment.size;
      release(segment);  // one run holds one count
      return;
    }
  }
  queue.push(segment);
}

void Rope::move(Queue& from, Queue& to, std::size_t size) {
  KFERRY_ASSERT(size <= from.size);
  while (size > 0) {
    Segment& front = from.front();
    if (front.size <= size) {
      const Segment whole = front;
      size -= whole.size;
      from.pop_front();
      append(to, whole);
      continue;
    }
    Segment part = front;
    part.size = static_cast<std::uint32_t>(size);
    retain(part);
    front.bytes += size;
    front.size -= part.size;
    from.size -= size;
    append(to, part);
    return;
  }
}

void Rope::discard_front(Queue& queue, std::size_t size) {
  KFERRY_ASSERT(size <= queue.size);
  while (size > 0) {
    Segment& front = queue.front();
    if (front.size <= size) {
      const Segment gone = front;
      size -= gone.size;
      queue.pop_front();
      release(gone);
      continue;
    }
    front.bytes += size;
    front.size -= static_cast<std::uint32_t>(size);
    queue.size -= size;
    return;
  }
}

void Rope::received(std::span<const ring::Piece> pieces) {
  for (const ring::Piece& piece : pieces) {
    pool_.adopt(piece.id);
    if (piece.bytes.empty()) {
      pool_.release(piece.id);
      continue;
    }
    append(queues().input,
           Segment{piece.bytes.data(), nullptr, static_cast<std::uint32_t>(piece.bytes.size()), piece.id});
  }
}

void Rope::received_copy(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  queues().input.push(copy_of(bytes));
}

void Rope::take_input(std::vector<std::byte>& to) {
  for (std::span<const std::byte> some = pin_input(); !some.empty(); some = pin_input()) {
    to.insert(to.end(), some.begin(), some.end());
    unpin();
    drop(some.size());
  }
}

std::span<std::byte> Rope::room(std::size_t size) {
  RopeQueues& q = queues();
  KFERRY_ASSERT(q.room == nullptr && size > 0);
  q.room = make_block(size);
  return {q.room->data(), size};
}

void Rope::fill_room(std::size_t size) {
  RopeQueues& q = queues();
  KFERRY_ASSERT(q.room != nullptr && size <= q.room->capacity);
  q.room->needed = 1;
  const Segment segment{q.room->data(), std::exchange(q.room, nullptr), static_cast<std::uint32_t>(size), 0};
  if (size == 0) {
    release(segment);
    settle();
  } else {
    q.input.push(segment);
  }
}

std::span<const std::byte> Rope::pin_input() {
  if (input_size() == 0) return {};
  RopeQueues& q = *queues_;
  KFERRY_ASSERT(!q.has_pin);
  q.pinned = q.input.front();
  retain(q.pinned);
  q.has_pin = true;
  return {q.pinned.bytes, q.pinned.size};
}

void Rope::unpin() {
  if (queues_ == nullptr || !queues_->has_pin) return;
  queues_->has_pin = false;
  release(queues_->pinned);
  settle();
}

void Rope::pass(std::size_t size) {
  if (size == 0) return;
  RopeQueues& q = queues();
  KFERRY_ASSERT(q.held.empty());
  move(q.input, q.ready, size);
}

void Rope::hold(std::size_t size) {
  if (size == 0) return;
  RopeQueues& q = queues();
  move(q.input, q.held, size);
}

void Rope::drop(std::size_t size) {
  if (size == 0) return;
  discard_front(queues_->input, size);
  settle();
}

void Rope::insert(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  RopeQueues& q = queues();
  (q.held.empty() ? q.ready : q.held).push(copy_of(bytes));
}

void Rope::insert_ready(std::span<const std::byte> bytes) {
  if (!bytes.empty()) queues().ready.push(copy_of(bytes));
}

void Rope::insert_secret(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  RopeQueues& q = queues();
  const Segment segment = copy_of(bytes);
  segment.block->secret = 1;
  (q.held.empty() ? q.ready : q.held).push(segment);
}

void Rope::overwrite_held(std::size_t offset, std::span<const std::byte> bytes) {
  KFERRY_ASSERT(offset + bytes.size() <= held_size());
  if (bytes.empty()) return;
  Queue& held = queues_->held;
  for (std::size_t i = held.first; i < held.segments.size() && !bytes.empty(); ++i) {
    Segment& segment = held.segments[i];
    if (offset >= segment.size) {
      offset -= segment.size;
      continue;
    }
    const std::size_t here = std::min<std::size_t>(segment.size - offset, bytes.size());
    std::memcpy(segment.bytes + offset, bytes.data(), here);
    bytes = bytes.subspan(here);
    offset = 0;
  }
}

void Rope::cut_held(std::size_t size) {
  KFERRY_ASSERT(size <= held_size());
  while (size > 0) {
    Queue& held = queues_->held;
    Segment& last = held.back();
    const std::size_t here = std::min<std::size_t>(last.size, size);
    size -= here;
    held.size -= here;
    last.size -= static_cast<std::uint32_t>(here);
    if (last.size > 0) return;
    const Segment gone = last;
    if (gone.block == nullptr) --held.leased;
    held.segments.pop_back();
    if (held.empty()) {
      held.segments.clear();
      held.first = 0;
    }
    release(gone);
  }
  settle();
}

void Rope::release_held() {
  if (held_size() > 0) move(queues_->held, queues_->ready, held_size());
}

std::size_t Rope::gather(std::span<iovec> pieces) {
  if (ready_size() == 0) return 0;
  RopeQueues& q = *queues_;
  KFERRY_ASSERT(q.gathered == 0);
  q.gathered = std::min(pieces.size(), q.ready.count());
  for (std::size_t i = 0; i < q.gathered; ++i) {
    const Segment& segment = q.ready.segments[q.ready.first + i];
    pieces[i] = iovec{segment.bytes, segment.size};
  }
  return q.gathered;
}

void Rope::sent(std::size_t size) {
  if (queues_ == nullptr) return;  // the gather was empty
  queues_->gathered = 0;
  discard_front(queues_->ready, size);
  settle();
}

void Rope::move_to_heap(Queue& queue, std::size_t skip) {
  auto& segments = queue.segments;
  const std::size_t begin = queue.first + skip;
  std::size_t from = begin;
  while (from < segments.size() && segments[from].block != nullptr) ++from;
  if (from == segments.size()) return;
  std::size_t total = 0;
  for (std::size_t i = from; i < segments.size(); ++i) total += segments[i].size;
  // Also copies preceding blocks that are no larger than what follows them. Bytes that arrive one at a time thus end up
  // in few blocks, and each is copied a few times rather than every time.
  while (from > begin && segments[from - 1].size <= total) total += segments[--from].size;

  Block* block = make_block(total);
  block->needed = 1;
  std::byte* to = block->data();
  for (std::size_t i = from; i < segments.size(); ++i) {
    std::memcpy(to, segments[i].bytes, segments[i].size);
    to += segments[i].size;
    if (segments[i].block == nullptr) --queue.leased;
    release(segments[i]);
  }
  segments.resize(from + 1);
  segments[from] = Segment{block->data(), block, block->capacity, 0};
}

void Rope::move_to_heap() {
  if (queues_ == nullptr) return;
  RopeQueues& q = *queues_;
  KFERRY_ASSERT(!q.has_pin);
  move_to_heap(q.input, 0);
  move_to_heap(q.held, 0);
  move_to_heap(q.ready, q.gathered);
}

void Rope::move_sparse_to_heap(std::size_t leased_max) {
  RopeQueues& q = *queues_;
  const std::size_t waiting = q.input.leased + q.held.leased;
  const bool hardly_filled =
      (q.input.leased_data() + q.held.leased_data()) * 4 <= waiting * pool_.buffer_size();
  if (!hardly_filled && waiting <= leased_max) return;
  move_to_heap(q.input, 0);
  move_to_heap(q.held, 0);
}

void Rope::clear() {
  if (queues_ == nullptr) return;
  RopeQueues& q = *queues_;
  KFERRY_ASSERT(q.gathered == 0 && !q.has_pin);
  discard_front(q.input, q.input.size);
  discard_front(q.held, q.held.size);
  discard_front(q.ready, q.ready.size);
  settle();
}

}  // namespace kferry::net
