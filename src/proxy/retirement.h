// When a session stops reading though neither of its sides has ended: its place leads elsewhere, its plan or its TLS
// key is used up, or kferry drains. What was read by then is answered, and then the session ends.
//
//   retired   at once, except that a group that is being formed gets time, looked at again every `step`
//   drained   after a few looks, one every drain_interval: requests that were on their way are still read, and a client
//             that has just connected gets its first answer
//
// Pure: it counts the looks, and says what follows from each.
#pragma once

#include <cstdint>
#include <utility>

#include "base/clock.h"
#include "kafka/conversation.h"

namespace kferry::proxy {

class Retirement {
 public:
  // How long a session waits for a group that is being formed.
  static constexpr Duration patience = std::chrono::minutes(5);
  static constexpr Duration step = std::chrono::seconds(1);
  static constexpr Duration drain_interval = std::chrono::milliseconds(100);

  // What a look at a draining session finds.
  enum class Seen : std::uint8_t {
    newcomer,  // its client has not asked for anything
    waiting,   // a request that was read waits for its broker
    busy,      // it has requests unanswered, or had until a moment ago
    idle,
  };

  // The session is retired once it is open.
  void plan_gone() { plan_gone_ = true; }
  bool is_plan_gone() const { return plan_gone_; }
  // --- retired
  // True: it is looked at again after `step`.
  bool waits_for_group(const kafka::Conversation& conversation);
  // The patience with what is unanswered when reading stops: a group that was waited for in vain gets no second one.
  static Duration answers_within(const kafka::Conversation& conversation, Duration usual) {
    return forms_group(conversation) ? step : usual;
  }

  // --- drained
  void drain() { draining_ = true; }
  bool draining() const { return draining_; }
  // True: it was draining.
  bool end_drain() { return std::exchange(draining_, false); }
  // One more look. True: reading stops now.
  bool stops_reading(Seen seen);

 private:
  static bool forms_group(const kafka::Conversation& conversation);

  bool plan_gone_ = false;
  bool draining_ = false;
  std::uint8_t looks_ = 0;  // of the drain
  std::uint16_t postponed_ = 0;
};

}  // namespace kferry::proxy
