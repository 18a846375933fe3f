// A session's own question: while its cluster's brokers are unknown, it asks for Metadata on its client's connection
// before a request that would be refused, so that a client whose first request is not Metadata gets its answer.
// Documented in proxy/session.h.
//
//   none ─▶ waiting ─no SASL exchange, no other session asks─▶ asked ─answer─▶ over
//              └───────────────── question_timeout ─────────────┴────────────▶ over
#include <utility>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "kafka/client_codec.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

// After this long without an answer the client's request is refused, as without a question.
constexpr Duration question_timeout = seconds(5);
// Matched by position, like every answer; a number to recognise in a packet capture.
constexpr CorrelationId question_id{0x6B66'6572};

}  // namespace

// True: the judge is asked again when the answer has been learnt, or none is to be expected any more.
bool Session::wait_for_map() {
  if (question_ == Question::over || !view_->snapshot(port_->cluster).nodes.empty()) return false;
  if (question_ == Question::none) {
    question_ = Question::waiting;
    set_deadline(Wait::map, question_timeout);
  }
  return true;
}

// Between two frames of the client: the walker has stopped before the one that waits.
void Session::ask_for_map() {
  if (question_ != Question::waiting || !conversation_.may_ask()) return;
  ClusterState& cluster = view_->cluster(port_->cluster);
  if (cluster.asking_for_map.exchange(true)) return;  // another session's answer will do
  question_ = Question::asked;
  const ApiVersion version = conversation_.metadata_version;
  requests_.insert_ready(kafka::encode_metadata(question_id, client_id_.view(), version));
  conversation_.push({.key = kafka::metadata_key,
                      .version = version,
                      .correlation_id = question_id,
                      .asked_by_kferry = true});
}

void Session::end_question() {
  if (wait_ == Wait::map) wait_ = Wait::none;
  if (std::exchange(question_, Question::over) != Question::asked) return;
  ClusterState& cluster = view_->cluster(port_->cluster);
  cluster.asking_for_map = false;
  cluster.topology.wake();  // other sessions may be waiting for their turn
}

}  // namespace kferry::proxy
