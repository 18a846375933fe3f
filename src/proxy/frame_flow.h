// The frames of one client connection in both directions: the bytes that came, the walkers that judge and rewrite them,
// and the conversation that says which response answers which request.
//
//   requests():  client ─▶ input ─ RequestWalker ─▶ ready ─▶ broker
//   responses(): client ◀─ ready ◀─ ResponseWalker ─ input ◀─ broker
//
// Does no I/O, except that look_ahead() peeks at a socket. Lives on its worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/failure.h"
#include "kafka/conversation.h"
#include "kafka/request_walker.h"
#include "kafka/response_walker.h"
#include "net/buffer_pool.h"
#include "proxy/look_ahead.h"
#include "proxy/walked_rope.h"
#include "ring/ring.h"
#include "tls/failures.h"

namespace kferry::proxy {

class FrameFlow {
 public:
  // Everything outlives the flow.
  FrameFlow(net::BufferPool& pool, const kafka::Policy& policy, kafka::RequestJudge& judge,
            kafka::ClusterView& cluster)
      : requests_(pool),
        responses_(pool),
        conversation_(policy),
        request_walker_(conversation_, judge, requests_),
        response_walker_(conversation_, cluster, responses_) {}

  WalkedRope& requests() { return requests_; }
  const WalkedRope& requests() const { return requests_; }
  WalkedRope& responses() { return responses_; }
  const WalkedRope& responses() const { return responses_; }
  kafka::Conversation& conversation() { return conversation_; }
  const kafka::Conversation& conversation() const { return conversation_; }

  // Whether a walk may get further than the last one.
  bool has_requests() const {
    return requests_.input_size() > 0 || walk_ == Walk::judge_waits || response_walker_.own_is_next();
  }
  bool has_responses() const { return responses_.input_size() > 0; }

  // What ended a walk.
  enum class Walk : std::uint8_t {
    input,        // more of it is needed
    judge_waits,  // the next frame may not be forwarded yet
    full,         // too many unanswered requests; walking goes on at half
    unread,       // answers of kferry's own wait for a client that does not read them
    refused,      // the judge has refused the next frame
    failed,       // the bytes are not valid frames
  };
  // `own_answers_max`: with more bytes ready for the client nothing is walked. Answers of kferry's own need no broker,
  // so that nothing else bounds them.
  // After `failed`, request_failure() is valid.
  Walk walk_requests(std::size_t own_answers_max);
  const Failure& request_failure() const { return request_walker_.failure(); }
  // `input` or `failed`: response_failure() is valid.
  Walk walk_responses();
  const Failure& response_failure() const { return response_walker_.failure(); }

  // The structure behind the current run may be worth a look (LookAhead, whose conditions hold).
  bool may_look_ahead() const { return response_walker_.can_walk_ahead() && responses_.input_size() == 0; }
  LookAhead::Outcome look_ahead(ring::Ring& ring, ring::Socket broker, std::uint64_t run_min) {
    return ahead_.look(response_walker_, ring, broker, run_min);
  }
  // The next bytes from this side that pass as they come, whatever they are.
  std::uint64_t opaque_run(tls::Remote from) const {
    return from == tls::Remote::client ? request_walker_.opaque_run()
                                       : ahead_.walked() + response_walker_.opaque_run();
  }
  // So many of them went past the ropes.
  void skip(tls::Remote from, std::uint64_t size);
  // Everything ready belongs to the frame whose opaque run is still to come: the receiver cannot use it yet, and the
  // kernel may wait for more to fill a segment (MSG_MORE).
  bool frame_continues(tls::Remote from) const;

  bool at_boundary(tls::Remote from) const {
    return from == tls::Remote::client ? request_walker_.at_boundary() : response_walker_.at_boundary();
  }
  // The client may be stopped here: nothing of its next frame has been forwarded.
  bool between_requests() const { return walk_ == Walk::judge_waits || request_walker_.at_boundary(); }
  // A request has been read, and may not be forwarded yet.
  bool request_waits() const { return walk_ == Walk::judge_waits; }
  // The first request header is complete and plausible.
  bool started() const { return request_walker_.started(); }
  bool received_anything() const { return started() || !requests_.empty(); }
  // A Kafka response has come.
  bool answered() const { return response_walker_.answered(); }
  // If the connection ends here, the client has received a part of a response.
  bool response_cut() const { return response_walker_.cut(); }
  // Every byte that was forwarded belongs to a request that has been answered. Not so after a Produce with acks=0, a
  // raw token or part of a request.
  bool all_answered() const {
    return conversation_.empty() && conversation_.ends_with_question && request_walker_.at_boundary() &&
           response_walker_.at_boundary() && requests_.empty();
  }

 private:
  LookAhead ahead_;
  Walk walk_ = Walk::input;  // the last one; never `unread`
  WalkedRope requests_;
  WalkedRope responses_;
  kafka::Conversation conversation_;
  kafka::RequestWalker request_walker_;
  kafka::ResponseWalker response_walker_;
};

}  // namespace kferry::proxy
