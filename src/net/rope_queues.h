// The state of a rope that is not empty. The pool keeps it for the next rope, with the memory of its vectors, so that
// an idle rope costs a pointer and a busy one no allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kferry::net {

struct RopeBlock {  // followed by `capacity` bytes
  std::uint32_t needed;
  std::uint32_t capacity : 31;
  std::uint32_t secret : 1;  // zeroed before it is freed
  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

struct RopeSegment {
  std::byte* bytes;
  RopeBlock* block;  // null: in the leased buffer `buffer_id`
  std::uint32_t size;
  std::uint16_t buffer_id;
};

// A first-in, first-out queue of segments.
struct RopeQueue {
  std::vector<RopeSegment> segments;
  std::size_t first = 0;
  std::size_t size = 0;  // in bytes
  std::size_t leased = 0;

  bool empty() const { return segments.size() == first; }
  RopeSegment& front() { return segments[first]; }
  RopeSegment& back() { return segments.back(); }
  std::size_t count() const { return segments.size() - first; }
  void push(const RopeSegment& segment);
  void pop_front();
  std::size_t leased_data() const;
};

struct RopeQueues {
  RopeQueue input;
  RopeQueue held;
  RopeQueue ready;
  RopeSegment pinned{};
  RopeBlock* room = nullptr;
  std::size_t heap_bytes = 0;  // in blocks
  std::size_t gathered = 0;    // segments at the front of `ready` that are in a gather
  bool has_pin = false;

  bool idle() const {
    return input.empty() && held.empty() && ready.empty() && room == nullptr && gathered == 0 && !has_pin;
  }
};

}  // namespace kferry::net
