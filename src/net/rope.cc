#include "net/rope.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.h"

namespace kferry::net {

void Rope::Queue::push(const Segment& segment) {
  if (first > 0 && segments.size() == segments.capacity()) {
    segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(first));
    first = 0;
  }
  segments.push_back(segment);
  octets += segment.size;
  if (segment.block == nullptr) ++leased;
}

void Rope::Queue::pop_front() {
  octets -= front().size;
  if (front().block == nullptr) --leased;
  if (++first < segments.size()) return;
  first = 0;
  segments.clear();
  if (segments.capacity() > kept_segments) segments.shrink_to_fit();
}

std::size_t Rope::Queue::leased_octets() const {
  std::size_t sum = 0;
  for (std::size_t i = first; i < segments.size(); ++i) {
    if (segments[i].block == nullptr) sum += segments[i].size;
  }
  return sum;
}

Rope::Block* Rope::make_block(std::size_t capacity) {
  void* memory = std::malloc(sizeof(Block) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  heap_octets_ += capacity;
  return new (memory) Block{0, static_cast<std::uint32_t>(capacity)};
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
    heap_octets_ -= segment.block->capacity;
    std::free(segment.block);
  }
}

void Rope::append(Queue& queue, const Segment& segment) {
  if (!queue.empty()) {
    Segment& last = queue.back();
    const bool one_run = last.block == segment.block && last.bytes + last.size == segment.bytes &&
                         (segment.block != nullptr || last.buffer_id == segment.buffer_id);
    if (one_run) {
      last.size += segment.size;
      queue.octets += segment.size;
      release(segment);  // one run, one count
      return;
    }
  }
  queue.push(segment);
}

void Rope::move(Queue& from, Queue& to, std::size_t size) {
  KFERRY_ASSERT(size <= from.octets);
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
    from.octets -= size;
    append(to, part);
    return;
  }
}

void Rope::discard_front(Queue& queue, std::size_t size) {
  KFERRY_ASSERT(size <= queue.octets);
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
    queue.octets -= size;
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
    append(input_,
           Segment{piece.bytes.data(), nullptr, static_cast<std::uint32_t>(piece.bytes.size()), piece.id});
  }
}

void Rope::received_copy(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  Block* block = make_block(bytes.size());
  std::memcpy(block->octets(), bytes.data(), bytes.size());
  block->needed = 1;
  input_.push(Segment{block->octets(), block, block->capacity, 0});
}

std::span<std::byte> Rope::room(std::size_t size) {
  KFERRY_ASSERT(room_ == nullptr && size > 0);
  room_ = make_block(size);
  return {room_->octets(), size};
}

void Rope::fill_room(std::size_t size) {
  KFERRY_ASSERT(room_ != nullptr && size <= room_->capacity);
  room_->needed = 1;
  const Segment segment{room_->octets(), std::exchange(room_, nullptr), static_cast<std::uint32_t>(size), 0};
  if (size == 0) {
    release(segment);
  } else {
    input_.push(segment);
  }
}

std::span<const std::byte> Rope::pin_input() {
  KFERRY_ASSERT(!has_pin_);
  if (input_.empty()) return {};
  pinned_ = input_.front();
  retain(pinned_);
  has_pin_ = true;
  return {pinned_.bytes, pinned_.size};
}

void Rope::unpin() {
  if (!has_pin_) return;
  has_pin_ = false;
  release(pinned_);
}

void Rope::pass(std::size_t size) {
  KFERRY_ASSERT(held_.empty());
  move(input_, ready_, size);
}

void Rope::hold(std::size_t size) {
  move(input_, held_, size);
}

void Rope::drop(std::size_t size) {
  discard_front(input_, size);
}

void Rope::insert(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  Block* block = make_block(bytes.size());
  std::memcpy(block->octets(), bytes.data(), bytes.size());
  block->needed = 1;
  (held_.empty() ? ready_ : held_).push(Segment{block->octets(), block, block->capacity, 0});
}

void Rope::overwrite_held(std::size_t offset, std::span<const std::byte> bytes) {
  KFERRY_ASSERT(offset + bytes.size() <= held_.octets);
  for (std::size_t i = held_.first; i < held_.segments.size() && !bytes.empty(); ++i) {
    Segment& segment = held_.segments[i];
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
  KFERRY_ASSERT(size <= held_.octets);
  while (size > 0) {
    Segment& last = held_.back();
    const std::size_t here = std::min<std::size_t>(last.size, size);
    size -= here;
    held_.octets -= here;
    last.size -= static_cast<std::uint32_t>(here);
    if (last.size > 0) return;
    const Segment gone = last;
    if (gone.block == nullptr) --held_.leased;
    held_.segments.pop_back();
    if (held_.empty()) {
      held_.segments.clear();
      held_.first = 0;
    }
    release(gone);
  }
}

void Rope::release_held() {
  move(held_, ready_, held_.octets);
}

std::size_t Rope::gather(std::span<iovec> pieces) {
  KFERRY_ASSERT(gathered_ == 0);
  gathered_ = std::min(pieces.size(), ready_.count());
  for (std::size_t i = 0; i < gathered_; ++i) {
    const Segment& segment = ready_.segments[ready_.first + i];
    pieces[i] = iovec{segment.bytes, segment.size};
  }
  return gathered_;
}

void Rope::sent(std::size_t size) {
  gathered_ = 0;
  discard_front(ready_, size);
}

void Rope::move_to_heap(Queue& queue, std::size_t skip) {
  auto& segments = queue.segments;
  const std::size_t begin = queue.first + skip;
  std::size_t from = begin;
  while (from < segments.size() && segments[from].block != nullptr) ++from;
  if (from == segments.size()) return;
  std::size_t total = 0;
  for (std::size_t i = from; i < segments.size(); ++i) total += segments[i].size;
  // Blocks that are no larger than what is copied behind them come along: octets that arrive one at a time become
  // few blocks, and each is copied a few times, not each time.
  while (from > begin && segments[from - 1].size <= total) total += segments[--from].size;

  Block* block = make_block(total);
  block->needed = 1;
  std::byte* to = block->octets();
  for (std::size_t i = from; i < segments.size(); ++i) {
    std::memcpy(to, segments[i].bytes, segments[i].size);
    to += segments[i].size;
    if (segments[i].block == nullptr) --queue.leased;
    release(segments[i]);
  }
  segments.resize(from + 1);
  segments[from] = Segment{block->octets(), block, block->capacity, 0};
}

void Rope::move_to_heap() {
  KFERRY_ASSERT(!has_pin_);
  move_to_heap(input_, 0);
  move_to_heap(held_, 0);
  move_to_heap(ready_, gathered_);
}

void Rope::spare_buffers(std::size_t leased_max) {
  const std::size_t pinned = input_.leased + held_.leased;
  if (pinned > 0 && (input_.leased_octets() + held_.leased_octets()) * 4 <= pinned * pool_.buffer_size()) {
    move_to_heap(input_, 0);
    move_to_heap(held_, 0);
  }
  if (leased() > leased_max) move_to_heap();
}

void Rope::clear() {
  KFERRY_ASSERT(gathered_ == 0 && !has_pin_);
  discard_front(input_, input_.octets);
  discard_front(held_, held_.octets);
  discard_front(ready_, ready_.octets);
}

}  // namespace kferry::net
