// Returns to the kernel what a burst of connections needed and no one needs any more: the heap's free pages, and the
// pages of receive buffers that wait for use. Both would otherwise stay with the process for ever.
//
// Waits until the burst is over, since what it returns would be asked for again: the timer runs only after connections
// have come, and looks at how many came since. One worker's; on its thread.
#pragma once

#include <cstddef>

#include "base/clock.h"
#include "ring/ring.h"

namespace kferry::proxy {

class MemoryReturn {
 public:
  // So many connections are a burst, since the last return.
  static constexpr std::size_t burst = 256;
  // The burst is over once fewer than so many have come within this time.
  static constexpr std::size_t few = 32;
  static constexpr Duration quiet = std::chrono::seconds(2);

  // `token` names the timer, whose completions go to on_timer().
  MemoryReturn(ring::Ring& ring, ring::Token token) : ring_(ring), token_(token) {}

  void on_connection();
  // Memory is short: returns what it can without a burst, after `quiet`.
  void on_shortage();
  void on_timer();
  // Ends the timer; it still completes, as long as armed() says so.
  void stop();
  bool armed() const { return armed_; }

 private:
  ring::Ring& ring_;
  const ring::Token token_;
  bool armed_ = false;
  bool stopping_ = false;
  std::size_t since_return_ = 0;
  std::size_t since_look_ = 0;
};

}  // namespace kferry::proxy
