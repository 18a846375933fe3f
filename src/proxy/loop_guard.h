// Bounds what a loop of dials costs. An address that leads back to kferry, through a balancer, another kferry or an
// alias that kferry cannot know, never answers: each connection there only makes the next one. So a place where
// `free` connections in a row have had no Kafka response gets further ones at most every `turn`, until one is answered.
//
// No client is closed for it, however many are equal: a broker that answers is never paced, and one that hangs would
// not have answered them either. A dial waits `poll` and asks again, so that an answer frees all who wait; after
// `polls_max` times it goes. In a loop one dial waits at a time, so it grows by two a second, and ends with the first
// client, whose end passes through all of it. Thread safe.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include "base/clock.h"
#include "base/host_port.h"

namespace kferry::proxy {

class LoopGuard {
 public:
  static constexpr unsigned free = 6;
  static constexpr Duration turn = std::chrono::milliseconds(500);
  static constexpr Duration poll = std::chrono::milliseconds(50);
  static constexpr unsigned polls_max = 100;
  // Beyond, all places are forgotten: they are learnt again with the next connections.
  static constexpr std::size_t places_max = 4096;

  // Dials have waited for this long without an answer: worth a line.
  static constexpr Duration news_after = std::chrono::seconds(1);

  struct Pause {
    Duration wait{};    // before the dial asks again; zero: it goes now
    bool news = false;  // true once for each time that a place becomes silent
  };
  Pause pause(const HostPort& place, Instant now);
  // A connection there was made.
  void opened(const HostPort& place);
  // A Kafka response came on a connection there.
  void answered(const HostPort& place);

 private:
  struct Place {
    unsigned unanswered = 0;
    Instant next_turn{};
    Instant paced_since{};  // Valid once next_turn is.
    bool told = false;
  };

  std::mutex mutex_;
  std::map<HostPort, Place> places_;
};

}  // namespace kferry::proxy
