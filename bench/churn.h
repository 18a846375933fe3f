// The client side of new connections: each is opened, shakes hands if it speaks TLS, asks once, compares every
// byte of the answer and is closed. Nothing is left unfinished when run() returns, so that what a proxy spent
// meanwhile was spent on the connections counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "client.h"
#include "drive.h"
#include "pace.h"
#include "sockets.h"

namespace kferry::bench {

class Churn {
 public:
  using Clock = Pace::Clock;

  // At most options.connections at a time; options.requests_per_s of them begin in a second.
  Churn(const DriveOptions& options, const Exchange& exchange);

  // Opens connections for `duration`, then waits for the last answer. A connection's time, in nanoseconds, runs
  // from its first byte to the whole answer.
  Answers run(Clock::duration duration, std::vector<std::uint32_t>* times);

 private:
  void open_next();
  // Whether that was the answer, and the connection has been closed.
  bool receive(std::uint64_t slot, std::vector<std::uint32_t>* times);

  const DriveOptions& options_;
  const Exchange& exchange_;
  Pace pace_;        // of connections
  Pace unpaced_{0};  // of the one request on each
  Poller poller_;
  // By slot, the poller's tag; what comes next in a slot resumes the session of what was there before.
  std::vector<std::optional<Client>> clients_;
  std::deque<std::uint64_t> free_;  // slots, taken by turns
  std::uint64_t resumed_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace kferry::bench
