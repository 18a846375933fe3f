// When sessions reach the age that their listener allows (max_connection_age_s). One worker's; on its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "connection/deadline.h"
#include "ring/ring.h"

namespace kferry::proxy {

class SessionAges {
 public:
  // A session that cannot be retired yet is asked again after this.
  static constexpr Duration again_after = std::chrono::seconds(1);

  // `token` names the timer, whose completions go to on_timer().
  SessionAges(ring::Ring& ring, ring::Token token) : ring_(ring), deadline_(ring, token) {}

  // `session` names its first operation. What has ended meanwhile costs an entry until `lives` is asked.
  void add(ring::Token session, Instant at, const std::function<bool(ring::Token)>& lives);
  // `retire` is called for each session that is due, and says whether it is settled.
  void on_timer(const std::function<bool(ring::Token)>& retire);
  // Ends the timer; it still completes, as long as armed() says so.
  void stop();
  bool armed() const { return deadline_.armed(); }
  std::size_t size() const { return due_.size(); }

 private:
  struct Due {
    Instant at{};
    ring::Token session;
  };

  void push(const Due& due);
  void arm();

  ring::Ring& ring_;
  connection::Deadline deadline_;  // of the first
  std::vector<Due> due_;           // a heap: the first is due first
  std::size_t size_at_look_ = 64;  // entries of sessions that have ended are dropped at twice as many
  bool stopping_ = false;
};

}  // namespace kferry::proxy
