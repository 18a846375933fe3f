// A session's own question: while its cluster's brokers are unknown, it asks for Metadata on its client's connection
// before a request that would be refused, so that a client whose first request is not Metadata gets its answer.
//
//   none ─begin()▶ waiting ─no SASL exchange, no other session asks─▶ asked ─answer─▶ over
//                     └─────────────── question_timeout ───────────────┴────────────▶ over
//
// One session of a cluster asks at a time (ClusterState::asking_for_map). Lives on its worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "kafka/conversation.h"
#include "proxy/cluster_state.h"

namespace kferry::proxy {

class MapQuestion {
 public:
  // After this long without an answer the client's request is refused, as without a question.
  static constexpr Duration question_timeout = std::chrono::seconds(5);

  // True: the map is unknown, and an answer may still come, so that a request that would be refused waits.
  bool may_help(const Snapshot& snapshot) const { return state_ != State::over && snapshot.nodes.empty(); }
  // True: this is the first request that waits, and the time-out begins.
  bool begin();
  // Between two frames of the client: the question, to be sent to the broker at once, if it is this session's turn.
  // Otherwise empty.
  std::vector<std::byte> ask(kafka::Conversation& conversation, std::string_view client_id,
                             ClusterState& cluster);
  // The answer has been learnt, or is not awaited any more; the next session may ask.
  void end(ClusterState& cluster);

  bool waiting() const { return state_ == State::waiting; }
  bool pending() const { return waiting() || state_ == State::asked; }
  bool over() const { return state_ == State::over; }

 private:
  enum class State : std::uint8_t { none, waiting, asked, over };

  State state_ = State::none;
};

}  // namespace kferry::proxy
