#include "kafka/conversation.h"

#include <algorithm>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "kafka/error_codes.h"
#include "kafka/observer.h"

namespace kferry::kafka {
namespace {

// An idle connection keeps room for this many. What a burst needed beyond that is freed once it has been
// answered.
constexpr std::size_t kept_unanswered = 16;

}  // namespace

void Conversation::push(const Unanswered& request) {
  if (first_ > 0 && unanswered_.size() == unanswered_.capacity()) {
    unanswered_.erase(unanswered_.begin(), unanswered_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  unanswered_.push_back(request);
  raw_answers = false;
  if (observer_ != nullptr) observer_->queued(request);
}

bool Conversation::may_ask() const {
  if (sasl != Sasl::framed || raw_answers) return false;
  return std::none_of(unanswered_.begin() + first_, unanswered_.end(), [](const Unanswered& request) {
    return request.key == sasl_handshake_key || request.key == sasl_authenticate_key;
  });
}

void Conversation::note_unacknowledged(CorrelationId id) {
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
  if (++first_ < unanswered_.size()) return;
  first_ = 0;
  unanswered_.clear();
  if (unanswered_.capacity() > kept_unanswered) std::vector<Unanswered>().swap(unanswered_);
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
