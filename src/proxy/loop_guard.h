// Bounds what a loop of dials costs. An address that leads back to kferry, through a balancer, another kferry or an
// alias that kferry cannot know, never answers: each connection there only makes the next one. So a place where
// `free` connections in a row have had no Kafka response is suspected: further dials wait, and a question of kferry's
// own, with a mark in its client id, is asked there (UpstreamProbe). What comes of it decides:
//
//   the mark comes in on a listener   the place leads back: it is not dialled for `loop_lifetime`, and dials that wait
//                                     fail, which ends the whole chain; then it is suspected again
//   any Kafka response instead        forgotten: every dial goes
//   neither, in `question_time`       one dial each `turn`, until one is answered: the broker hangs
//
// A mark is 64 random bits, valid once, until its answer or `mark_lifetime`: only what has read the question can
// return it. It passes through any number of proxies, since the client id does. No client is closed for connecting as
// others do, however many are equal, and a broker that answers is never paced. Thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/host_port.h"

namespace kferry::proxy {

// The client id of a question with a mark: this, and the mark.
inline constexpr std::string_view marked_client_id = "kferry-health-";

class LoopGuard {
 public:
  static constexpr unsigned free = 5;
  static constexpr Duration turn = std::chrono::milliseconds(500);
  static constexpr Duration poll = std::chrono::milliseconds(50);
  static constexpr unsigned polls_max = 100;
  // The prober looks once a second for what is suspected.
  static constexpr Duration question_time = std::chrono::milliseconds(1'500);
  static constexpr Duration mark_lifetime = std::chrono::seconds(10);
  static constexpr Duration loop_lifetime = std::chrono::seconds(10);
  // Beyond, all places are forgotten: they are learnt again with the next connections.
  static constexpr std::size_t places_max = 4096;
  // Suspected places that wait for a question, and marks that are out. Beyond, the oldest is dropped.
  static constexpr std::size_t suspects_max = 256;
  static constexpr std::size_t marks_max = 1024;

  // Dials have waited for this long without an answer: worth a line.
  static constexpr Duration news_after = std::chrono::seconds(3);

  struct Pause {
    Duration wait{};    // before the dial asks again; zero: it goes now
    bool news = false;  // true once for each time that a place becomes silent
  };
  // Before a dial for the cluster. The place is canonical, here and below.
  Pause pause(const HostPort& place, std::string_view cluster, Instant now);
  // A connection there was made.
  void opened(const HostPort& place);
  // A Kafka response came on a connection there. It ends no belief that the place leads back: only time does.
  void answered(const HostPort& place);

  // The mark of a question that goes there: 16 hexadecimal digits.
  std::string mark(const HostPort& place, Instant now);
  struct Returned {
    HostPort place;
    bool news = false;  // true once for each time that a place begins to lead back
  };
  // The place that a question was sent to which has come back to kferry with this mark. Uses the mark up.
  std::optional<Returned> returned(std::string_view mark, Instant now);
  // A mark of that place has come back a moment ago.
  bool leads_back(const HostPort& place, Instant now) const;
  // A place of the cluster that is to be asked now, the one that has waited longest.
  std::optional<HostPort> take_suspect(std::string_view cluster);

 private:
  struct Place {
    unsigned unanswered = 0;
    Instant next_turn{};
    Instant paced_since{};  // Valid once next_turn is.
    Instant loops_until{};
    bool told_silent = false;
    bool told_loop = false;
  };
  struct Mark {
    HostPort place;
    Instant until{};
  };
  struct Suspect {
    HostPort place;
    std::string cluster;
  };

  void suspect(const HostPort& place, std::string_view cluster);

  mutable std::mutex mutex_;
  std::map<HostPort, Place> places_;
  std::map<std::uint64_t, Mark> marks_;
  std::deque<Suspect> suspects_;
};

}  // namespace kferry::proxy
