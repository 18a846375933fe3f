// Walks the structure between the records of two partitions while it is still in the broker's socket: if it has
// arrived already, records, structure and records are one opaque run, which the kernel moves at once (Linux 6.9).
//
//   socket: [ records │ structure │ records … ]      walked() bytes from the front have been judged
//
// No receive may be outstanding, and everything received must have been walked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kafka/response_walker.h"
#include "ring/ring.h"

namespace kferry::proxy {

class LookAhead {
 public:
  enum class Outcome : std::uint8_t { looked, unsupported };

  // Runs below `run_min` bytes are not worth the look. `unsupported`: the kernel cannot peek at an offset.
  Outcome look(kafka::ResponseWalker& walker, ring::Ring& ring, ring::Socket broker, std::uint64_t run_min);

  // Bytes that the walker has passed and that are still to come: they are forwarded without another walk.
  std::uint64_t walked() const { return walked_; }
  // Of `size` bytes that have come, as many as were walked.
  std::uint64_t take(std::uint64_t size) {
    const std::uint64_t taken = size < walked_ ? size : walked_;
    walked_ -= static_cast<std::uint32_t>(taken);
    return taken;
  }

 private:
  std::uint32_t walked_ = 0;  // at most ahead_max and what was peeked behind it
};

}  // namespace kferry::proxy
