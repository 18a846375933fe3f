// Sockets of connections that were refused, closed after a random delay: a client that is closed at once comes back at
// once, and many that are closed together come back together. Nothing is read from them.
//
// One worker's; on its thread. All workers together hold at most held_max; beyond that a socket is closed at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "connection/deadline.h"
#include "ring/ring.h"

namespace kferry::proxy {

class RefusedSockets {
 public:
  static constexpr std::uint32_t held_max = 1024;

  // `token` names the timer, whose completions go to on_timer(). `held`: how many all workers hold.
  RefusedSockets(ring::Ring& ring, ring::Token token, std::atomic<std::uint32_t>& held)
      : ring_(ring), deadline_(ring, token), held_(held) {}
  ~RefusedSockets();
  RefusedSockets(const RefusedSockets&) = delete;
  RefusedSockets& operator=(const RefusedSockets&) = delete;

  // Takes over a socket that no operation is outstanding on.
  void take(ring::Socket socket, Duration delay);
  void on_timer();
  // Closes every socket; done once stopped() holds.
  void stop();
  bool stopped() const { return sockets_.empty() && !deadline_.armed(); }

 private:
  struct One {
    Instant at{};
    ring::Socket socket = ring::Socket::none;
  };

  void close_due(Instant now);
  void arm();

  ring::Ring& ring_;
  connection::Deadline deadline_;  // of the first
  std::atomic<std::uint32_t>& held_;
  std::vector<One> sockets_;  // a heap: the first is due first
  bool stopping_ = false;
};

}  // namespace kferry::proxy
