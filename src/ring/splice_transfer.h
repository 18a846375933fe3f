// One splice() under way: octets that go from one socket to another through a pipe, inside the kernel. Never waits; the
// ring that runs it watches the sockets.
//
// Only an empty pipe is filled, so an EAGAIN from the fill says that the socket is dry, never that the pipe is full; a
// pipe is held only while it holds octets.
#pragma once

#include <cstdint>

#include "ring/splice_pipes.h"

namespace kferry::ring {

class SpliceTransfer {
 public:
  // Descriptors of non-blocking sockets; they stay the caller's.
  SpliceTransfer(int from, int to, std::uint64_t size) : from_(from), to_(to), wanted_(size) {}
  SpliceTransfer() = default;

  // What it waits for.
  enum class Need : std::uint8_t {
    nothing,  // it is over: end() says how
    input,    // on from()
    room,     // on to()
  };
  // Moves what it can, at most a few pipes full.
  Need step(SplicePipes& pipes);
  // Lets go of the pipe. What Ring::splice completes with; `cancelled`: it was told to end before it was over.
  std::int32_t end(SplicePipes& pipes, bool cancelled);

  int from() const { return from_; }
  int to() const { return to_; }
  // The last fill found nothing more to take.
  bool dry() const { return dry_; }

 private:
  Need over(std::int64_t result);

  Pipe pipe_;
  int from_ = -1;
  int to_ = -1;
  std::uint64_t wanted_ = 0;
  std::uint64_t left_ = 0;  // octets that have left on `to`
  std::uint64_t held_ = 0;  // in the pipe
  std::int64_t result_ = 0;
  bool dry_ = false;
};

}  // namespace kferry::ring
