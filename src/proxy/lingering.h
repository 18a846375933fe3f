// Sockets of sessions that have ended in order. What the other side still sends is read and dropped until it closes,
// because the kernel answers a close with unread bytes by a reset, and a reset destroys what the other side has
// received and not read yet.
//
//   take() ─▶ receiving and dropping ─▶ FIN, an error, or linger_timeout ─▶ closed
//
// One worker's; on its thread. A socket that waits here costs a slot and one receive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/clock.h"
#include "ring/ring.h"
#include "ring/slot_pool.h"

namespace kferry::proxy {

class Lingering {
 public:
  enum class Operation : std::uint16_t { receive, timer, end_ };
  static constexpr std::uint16_t operations = static_cast<std::uint16_t>(Operation::end_);
  static constexpr Duration linger_timeout = std::chrono::seconds(2);

  // `kind`: of the first operation. The ring outlives it.
  Lingering(ring::Ring& ring, std::uint16_t kind) : ring_(ring), kind_(kind) {}
  ~Lingering();
  Lingering(const Lingering&) = delete;
  Lingering& operator=(const Lingering&) = delete;

  // Takes over a socket whose FIN has been sent. No operation may be outstanding on it.
  void take(ring::Socket socket);
  void on_completion(Operation operation, const ring::Completion& completion);
  // At the end of each turn: receives again where no buffer was free.
  void feed() {
    if (!starved_.empty()) feed_starved();
  }
  // Closes every socket; done once stopped() holds.
  void stop();
  bool stopped() const { return count_ == 0 && !timer_armed_; }
  std::size_t size() const { return count_; }

 private:
  struct One {
    ring::Socket socket = ring::Socket::none;
    std::uint16_t generation = 0;
    bool receiving = false;
    bool due = false;  // its time is over, and its receive was cancelled
  };
  // In the order of their time, which is the same for all.
  struct Due {
    Instant at{};
    std::uint32_t slot = 0;
    std::uint16_t generation = 0;
  };

  ring::Token token(Operation operation, std::uint32_t slot, std::uint16_t generation) const;
  void receive(std::uint32_t slot);
  void feed_starved();
  void close(std::uint32_t slot);
  void end(std::uint32_t slot);
  void on_timer();

  ring::Ring& ring_;
  const std::uint16_t kind_;
  std::size_t count_ = 0;
  bool timer_armed_ = false;
  bool stopping_ = false;
  std::deque<Due> due_;
  std::deque<Due> starved_;
  ring::SlotPool<One> sockets_;
};

}  // namespace kferry::proxy
