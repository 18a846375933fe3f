// One splice() in progress: bytes that move from one socket to another through a pipe, inside the kernel. Never waits;
// the ring that runs it watches the sockets.
//
// Only an empty pipe is filled, so EAGAIN from the fill means that the socket is dry, never that the pipe is full. A
// pipe is held only while it contains bytes.
#pragma once

#include <cstdint>

#include "ring/splice_pipes.h"

namespace kferry::ring {

class SpliceTransfer {
 public:
  // Descriptors of non-blocking sockets; they stay the caller's.
  SpliceTransfer(int from, int to, std::uint64_t size) : from_(from), to_(to), wanted_(size) {}
  SpliceTransfer() = default;

  // What it has to wait for.
  enum class Need : std::uint8_t {
    nothing,  // done: end() returns the result
    input,    // on from()
    room,     // on to()
  };
  // Moves what it can, at most a few pipefuls.
  Need step(SplicePipes& pipes);
  // Releases the pipe and returns what Ring::splice completes with. `cancelled`: it ends before step() said `nothing`.
  std::int32_t end(SplicePipes& pipes, bool cancelled);

  int from() const { return from_; }
  int to() const { return to_; }
  // Whether the last fill found the source empty.
  bool dry() const { return dry_; }

 private:
  Need done(std::int64_t result);

  Pipe pipe_;
  int from_ = -1;
  int to_ = -1;
  std::uint64_t wanted_ = 0;
  std::uint64_t left_ = 0;  // bytes that have left on `to`
  std::uint64_t held_ = 0;  // in the pipe
  std::int64_t result_ = 0;
  bool dry_ = false;
};

}  // namespace kferry::ring
