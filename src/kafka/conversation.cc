#include "kafka/conversation.h"

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "kafka/error_codes.h"
#include "kafka/observer.h"

namespace kferry::kafka {
void Conversation::push(const Unanswered& request) {
  unanswered_.push(request);
  raw_answers = false;
  ends_with_question = ends_with_question || request.own == nullptr;
  fetches = fetches || request.key == fetch_key || request.key == share_fetch_key;
  if (observer_ != nullptr) observer_->queued(request);
}

bool Conversation::may_ask() const {
  return sasl == Sasl::framed && !raw_answers && !awaits(sasl_handshake_key) &&
         !awaits(sasl_authenticate_key);
}

bool Conversation::awaits(ApiKey key) const {
  for (std::size_t i = 0; i < unanswered_.size(); ++i) {
    if (unanswered_.at(i).key == key) return true;
  }
  return false;
}

void Conversation::note_unacknowledged(CorrelationId id) {
  ends_with_question = false;
  if (unacknowledged_ == nullptr) unacknowledged_ = std::make_unique<Unacknowledged>();
  Unacknowledged& ring = *unacknowledged_;
  ring.ids[(ring.first + ring.size) % unacknowledged_max] = id;
  if (ring.size < unacknowledged_max) {
    ++ring.size;
  } else {
    ring.first = (ring.first + 1) % unacknowledged_max;
  }
}

bool Conversation::forget_unacknowledged(CorrelationId id) {
  if (unacknowledged_ == nullptr) return false;
  Unacknowledged& ring = *unacknowledged_;
  for (std::size_t i = 0; i < ring.size; ++i) {
    if (ring.ids[(ring.first + i) % unacknowledged_max] != id) continue;
    // Answers come in order: whatever came before it is answered no more.
    ring.first = (ring.first + i + 1) % unacknowledged_max;
    ring.size -= i + 1;
    return true;
  }
  return false;
}

void Conversation::pop() {
  KFERRY_ASSERT(!empty());
  if (observer_ != nullptr) observer_->answered(front());
  unanswered_.pop();
}

void Conversation::observe(Observer* observer, Roles captured) {
  KFERRY_ASSERT(observer != nullptr || captured.empty());
  observer_ = observer;
  captured_ = captured;
}

void Conversation::on_handshake_answered(std::int64_t error_code) {
  if (sasl != Sasl::awaiting_handshake) return;
  const bool accepted = error_code == error_none;
  sasl = accepted ? Sasl::raw : Sasl::framed;
  raw_answers = accepted;
}

}  // namespace kferry::kafka
