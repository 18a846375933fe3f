// What both directions of one Kafka connection share: the queue of unanswered requests and the SASL state.
// A connection has one Conversation, one RequestWalker and one ResponseWalker, all on one thread.
//
// Responses come strictly in the order of their requests. The queue says what the next response is; its
// correlation id only confirms it, because ids repeat (Java's re-authentication cycles through eight).
//
// Raw tokens (SaslHandshake v0, docs/protocol.md section 4):
//   framed ──handshake v0 request──▶ awaiting_handshake ──answer err 0──▶ raw ──(mechanism's last token,
//   or a plausible header)──▶ framed.   awaiting_handshake ──answer err≠0──▶ framed.
//   While awaiting_handshake, no client byte is interpreted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/compact_text.h"
#include "base/ids.h"
#include "base/limits.h"
#include "kafka/schema.h"
#include "kafka/unanswered_queue.h"

namespace kferry::kafka {

// The operator's part of the rules. Outlives every conversation.
struct Policy {
  std::vector<std::int16_t> pass_api_keys;  // hidden keys that pass nevertheless
  std::size_t unanswered_max = unanswered_requests_max;
  std::size_t request_size_max = kferry::request_size_max;
  std::size_t held_size_max = kferry::held_size_max;
  std::size_t exact_rewrite_size_max = kferry::exact_rewrite_size_max;
};

class Observer;
class Conversation {
 public:
  explicit Conversation(const Policy& policy) : policy_(&policy) {}

  enum class Sasl : std::uint8_t { framed, awaiting_handshake, raw };

  const Policy& policy() const { return *policy_; }
  // Replaces the policy. To be called before the first byte.
  void set_policy(const Policy& policy) { policy_ = &policy; }
  bool full() const { return unanswered_.size() >= policy_->unanswered_max; }
  bool empty() const { return unanswered_.empty(); }
  std::size_t size() const { return unanswered_.size(); }
  const Unanswered& front() const { return unanswered_.front(); }
  // Ends raw mode on the broker's side, because a client sends no request before its last token.
  void push(const Unanswered& request);
  void pop();
  // True while kferry may put a request of its own between two of the client's frames: no SASL exchange is under way.
  bool may_ask() const;
  // Whether a request of this kind is unanswered.
  bool awaits(ApiKey key) const;
  // The broker has answered SaslHandshake 0 with this error code.
  void on_handshake_answered(std::int64_t error_code);

  // A Produce with acks=0 passes, which Kafka never answers; some servers do. The last unacknowledged_max are
  // remembered.
  void note_unacknowledged(CorrelationId id);
  bool has_unacknowledged() const { return unacknowledged_ != nullptr; }
  // True if a server may be answering such a request; it answers once.
  bool forget_unacknowledged(CorrelationId id);
  static constexpr std::size_t unacknowledged_max = 1024;

  // From now on `observer` hears of every request and answer, and gets the fields of requests whose role is
  // in `captured`. It must outlive the conversation, or be replaced by nullptr.
  void observe(Observer* observer, Roles captured = {});
  Observer* observer() const { return observer_; }
  Roles captured() const { return captured_; }

  // The mechanism of the last SaslHandshake request, as sent; at most 64 bytes of it.
  CompactText sasl_mechanism;
  // Name and version from ApiVersions 3 and newer, for messages; at most 64 bytes of each.
  CompactText client_software;
  Sasl sasl = Sasl::framed;
  // True while the broker may send tokens that answer no request in the queue.
  bool raw_answers = false;
  // The last of what the client sent to the broker is a request that has an answer: not a Produce with acks=0, not a
  // raw token.
  bool ends_with_question = true;
  // The client has sent a Fetch or ShareFetch.
  bool fetches = false;
  // The version in which kferry asks for Metadata on this connection; the broker's ApiVersions answer may change it.
  ApiVersion metadata_version = 2;
  // Client tokens seen since raw mode began.
  std::uint32_t raw_tokens = 0;

 private:
  Roles captured_;  // empty without an observer
  UnansweredQueue unanswered_;
  // Null until a Produce with acks=0 passes; then a ring, so that a request allocates nothing.
  struct Unacknowledged {
    std::array<CorrelationId, unacknowledged_max> ids;
    std::size_t first = 0;
    std::size_t size = 0;
  };
  std::unique_ptr<Unacknowledged> unacknowledged_;
  const Policy* policy_;
  Observer* observer_ = nullptr;
};

}  // namespace kferry::kafka
