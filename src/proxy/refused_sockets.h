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
#include "ring/ring.h"

namespace kferry::proxy {

class RefusedSockets {
 public:
  static constexpr std::uint32_t held_max = 1024;

  // `token` names the timer, whose completions go to on_timer(). `held`: how many all workers hold.
  RefusedSockets(ring::Ring& ring, ring::Token token, std::atomic<std::uint32_t>& held)
      : ring_(ring), token_(token), held_(held) {}
  ~RefusedSockets();
  RefusedSockets(const RefusedSockets&) = delete;
  RefusedSockets& operator=(const RefusedSockets&) = delete;

  // Takes over a socket that no operation is outstanding on.
  void take(ring::Socket socket, Duration delay);
  void on_timer();
  // Closes every socket; done once stopped() holds.
  void stop();
  bool stopped() const { return sockets_.empty() && !armed_; }

 private:
  struct One {
    Instant at{};
    ring::Socket socket = ring::Socket::none;
  };

  void close_due(Instant now);
  void arm();

  ring::Ring& ring_;
  const ring::Token token_;
  std::atomic<std::uint32_t>& held_;
  std::vector<One> sockets_;  // a heap: the first is due first
  bool armed_ = false;
  Instant armed_for_{};  // valid while armed
  bool stopping_ = false;
};

}  // namespace kferry::proxy
