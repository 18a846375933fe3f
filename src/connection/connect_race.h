// Connection attempts to a few addresses at once, each on a socket of its own. The first that connects wins; its socket
// goes to the caller, and the others are cancelled and closed. Which address is tried when is the caller's decision.
//
//   start() ─▶ running ──connected──▶ won     the caller owns the socket
//                │ │ └────error─────▶ failed  closed
//                │ └─time_out()─▶ timing out ─▶ failed, or won if it connected after all
//                └─stop()─▶ lost ─▶ closed by RST, even if it connected after all
//
// The kernel is an owner: a socket is closed after its completion, never before. Nothing may be outstanding when the
// race is destroyed. Lives on its ring's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/clock.h"
#include "base/socket_address.h"
#include "ring/ring.h"

namespace kferry::connection {

class ConnectRace {
 public:
  // Attempts at once. Also the number of Token::kind values that a race uses, counted from its first.
  static constexpr std::uint16_t attempts_max = 4;

  struct Result {
    enum class What : std::uint8_t { won, failed, lost };
    What what = What::lost;
    SocketAddress address{};
    ring::Socket socket = ring::Socket::none;  // won
    int error = 0;                             // failed: errno, ETIMEDOUT after time_out()
    Duration took{};                           // since the attempt began
  };

  ConnectRace(ring::Ring& ring, ring::Token first) : ring_(ring), first_(first) {}
  ~ConnectRace() { KFERRY_ASSERT(outstanding_ == 0); }
  ConnectRace(const ConnectRace&) = delete;
  ConnectRace& operator=(const ConnectRace&) = delete;

  // Whether another attempt may start.
  bool has_room() const { return outstanding_ < attempts_max; }
  // Attempts that have neither failed nor been cancelled.
  unsigned running() const { return running_; }
  // Completions that are still to come.
  std::uint32_t outstanding() const { return outstanding_; }

  // Begins an attempt that is to end by `until`. Requires has_room(). errno if no socket could be made; otherwise a
  // completion follows.
  int start(const SocketAddress& address, Instant until);
  // When the next running attempt is to end; Instant::max() without one.
  Instant next_timeout() const;
  // Running attempts end this long after they began, unless they are to end sooner.
  void shorten(Duration timeout);
  // Cancels the running attempts that were to end by `now`.
  void time_out(Instant now);
  // Cancels all attempts, which have lost. `each(address, since, timing_out)` hears of those that had not completed.
  template <typename Each>
  void stop(const Each& each) {
    for (std::size_t i = 0; i < attempts_.size(); ++i) {
      const State was = attempts_[i].state;
      if (was != State::running && was != State::timing_out) continue;
      attempts_[i].state = State::lost;
      if (was == State::running) ring_.cancel(token(i));
      each(attempts_[i].address, attempts_[i].since, was == State::timing_out);
    }
    running_ = 0;
  }
  // `kind` counts from that of the first token.
  Result on_completion(std::uint16_t kind, const ring::Completion& completion);

 private:
  enum class State : std::uint8_t { free, running, timing_out, lost };
  struct Attempt {
    SocketAddress address{};
    ring::Socket socket = ring::Socket::none;  // valid unless free, as are the others
    State state = State::free;
    Instant since{};
    Instant until{};
  };

  ring::Token token(std::size_t index) const {
    return {first_.slot, first_.generation, static_cast<std::uint16_t>(first_.kind + index)};
  }

  ring::Ring& ring_;
  const ring::Token first_;
  std::array<Attempt, attempts_max> attempts_{};
  std::uint32_t outstanding_ = 0;
  unsigned running_ = 0;
};

}  // namespace kferry::connection
