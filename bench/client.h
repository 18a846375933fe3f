// One connection of the client side: asks, compares every byte of the answers, takes the times.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "channel.h"
#include "drive.h"
#include "frames.h"
#include "pace.h"
#include "sockets.h"

namespace kferry::bench {

// What is asked and what must come back; the same on every connection but for the correlation id.
struct Exchange {
  Frame request;
  Frame response;
};
Exchange exchange_of(const DriveOptions& options);

class Client {
 public:
  using Clock = Pace::Clock;

  // Connects. `tag` names it to the poller.
  Client(const DriveOptions& options, const Exchange& exchange, std::uint64_t tag);

  int fd() const { return channel_.fd(); }
  Channel& channel() { return channel_; }
  std::uint64_t unanswered() const { return asked_ - answered_; }
  std::uint64_t answered() const { return answered_; }

  // Asks until `depth` requests are unanswered or the socket is full. False when the pace let it begin no more.
  bool ask(Poller& poller, Pace& pace);
  // Finishes a request half sent, and begins none.
  void finish(Poller& poller);
  // Returns how many answers were completed; their times in nanoseconds are appended to `times` if given.
  std::size_t take(std::span<const std::byte> chunk, std::vector<std::uint32_t>* times);

 private:
  static constexpr std::size_t request_head_size = 12;  // as far as the correlation id
  static constexpr std::size_t response_head_size = 8;

  // Sends what is left of the request begun; false when the socket takes no more.
  bool send_rest();
  void watch_output(Poller& poller, bool blocked);

  const Exchange* exchange_;
  std::size_t depth_;
  std::uint64_t tag_;
  Channel channel_;
  Frame request_head_;
  Frame response_head_;
  std::vector<Clock::time_point> asked_at_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  bool sending_ = false;
  std::size_t sent_ = 0;      // of the request being sent
  std::size_t position_ = 0;  // in the response being received
  bool output_watched_ = false;
};

}  // namespace kferry::bench
