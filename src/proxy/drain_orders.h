// A drain as the workers share it: which ports have stopped accepting, whose sessions are to end, and by when.
//
//   begin() ─▶ begun ─the first worker closes the ports one by one─▶ every port closed ─▶ no session is left
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/socket_address.h"

namespace kferry::proxy {

class DrainOrders {
 public:
  struct Orders {
    std::vector<SocketAddress> closed;  // ports whose sessions are to end, in the order of their closing
    bool every_session = false;         // those of ports that an earlier plan had, too
    Instant until{};                    // what is left then is reset
  };

  // `wake` wakes the workers. It is called without the lock.
  explicit DrainOrders(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Whether the ports stop accepting one by one, or all at once because a successor accepts on the same sockets.
  enum class Ports : std::uint8_t { one_by_one, at_once };
  struct Begun {
    Duration time{};
    Ports ports = Ports::one_by_one;
  };
  // The first worker begins at its next turn. What is left `time` after that is reset.
  void begin(Begun begun);
  // Changes when a worker has something to do here. Cheap enough to be read in every turn.
  std::uint64_t news() const { return news_.load(std::memory_order_acquire); }

  // --- the first worker
  // A drain that it has not begun yet; once.
  std::optional<Begun> take_begun();
  void set_deadline(Instant until);
  // These ports accept no more, and their sessions are to end. `last`: those of every port are.
  void close(std::span<const SocketAddress> ports, bool last);

  // --- each worker
  Orders orders() const;
  // A session that was told to end has ended, with everything answered or not.
  void note_ended(bool in_order) { (in_order ? ended_ : cut_).fetch_add(1, std::memory_order_relaxed); }

  // --- for those who look on
  bool any_port_closed() const { return any_port_closed_.load(std::memory_order_acquire); }
  bool every_port_closed() const { return every_port_closed_.load(std::memory_order_acquire); }
  std::uint64_t ended() const { return ended_.load(std::memory_order_relaxed); }
  std::uint64_t cut() const { return cut_.load(std::memory_order_relaxed); }

 private:
  void tell();

  const std::function<void()> wake_;
  std::atomic<std::uint64_t> news_ = 0;
  std::atomic<bool> any_port_closed_ = false;
  std::atomic<bool> every_port_closed_ = false;
  std::atomic<std::uint64_t> ended_ = 0;
  std::atomic<std::uint64_t> cut_ = 0;
  mutable std::mutex mutex_;  // held briefly
  std::optional<Begun> begun_;
  Orders orders_;
};

}  // namespace kferry::proxy
