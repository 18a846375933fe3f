// The part of RequestWalker that reads a request's fields as far as its row describes, and hands captured
// fields to the observer.
#include <algorithm>

#include "base/assert.h"
#include "kafka/api_table.h"
#include "kafka/failures.h"
#include "kafka/observer.h"
#include "kafka/request_header.h"
#include "kafka/request_walker.h"

namespace kferry::kafka {
namespace {

// The most that a client can make kferry keep before a broker is dialled: a client id and a transactional id
// of 32 KiB each, and some tags.
constexpr std::size_t head_size_max = 96 * KiB;
static_assert(head_size_max <= held_size_max);

}  // namespace

void RequestWalker::begin_fields() {
  KFERRY_ASSERT(stage_ == Stage::header);
  const Api* api = find_api(key_);
  const Field& message = plain_ ? plain_request() : api->request;
  walker_ = borrow_walker();
  walker_->begin(message, version_, !plain_ && api->flexible.has(version_), false, client_id_at, frame_size_);
  if (!head_.empty()) {
    // The header came in pieces, and the client id's length is among the bytes in head_.
    std::size_t at = client_id_at;
    walk_fields(head_.view(), at);  // the next walk reports a failure again
  }
  stage_ = Stage::fields;
}

// Walks until the bytes are used up, or the walk has ended or failed.
StructureWalker::Step RequestWalker::walk_fields(std::span<const std::byte> bytes, std::size_t& at) {
  for (;;) {
    const StructureWalker::Step step = walker_->walk(bytes, at);
    if (step == StructureWalker::Step::more || step == StructureWalker::Step::end ||
        step == StructureWalker::Step::failed)
      return step;
    note_field();
  }
}

bool RequestWalker::read_fields(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::fields && walker_);
  // The walker's position in the chunk, where either the frame begins or its next bytes do.
  const std::size_t begin = chunk.at + (head_.empty() ? walker_->position() : 0);
  std::size_t at = begin;
  const StructureWalker::Step step = walk_fields(chunk.bytes(), at);
  if (step == StructureWalker::Step::failed) {
    failure_ = malformed(key_, version_, "request", *walker_);
    return false;
  }
  const bool enough = enough_ > 0 && walker_->position() >= enough_;
  if (step == StructureWalker::Step::more && !enough) {
    keep(chunk, chunk.left());
    const std::size_t size_max = std::min(head_size_max, conversation_.policy().held_size_max);
    if (head_.size() > size_max) {
      failure_ = make_failure("head_too_large", api_text(key_, version_) + " request: more than " +
                                                    std::to_string(size_max) +
                                                    " bytes arrived without the end of its first fields: "
                                                    "is the client a Kafka client?");
    }
    return false;
  }
  if (!head_.empty()) keep(chunk, at - begin);
  walker_.reset();
  started_ = true;
  stage_ = Stage::ready;
  return true;
}

void RequestWalker::note_field() {
  const Field& field = walker_->field();
  const Text here{walker_->position(), walker_->size()};
  switch (field.role) {
    case Role::client_id:
      KFERRY_ASSERT(here.size == 0 || here.at == plausible_size);
      client_id_size_ = static_cast<std::uint16_t>(here.size);
      return;
    case Role::acks:
      acks_ = static_cast<std::int16_t>(walker_->value());
      return;
    case Role::asked_cluster:
      asked_cluster_ = here;
      return;
    case Role::asked_node:
      asked_node_ = static_cast<std::int32_t>(walker_->value());
      return;
    default:
      break;
  }
  if (field.captured_max == 0) return;
  KFERRY_ASSERT(texts_size_ < texts_.size());
  texts_[texts_size_++] = here;
  secret_ = secret_ || field.secret;
  // Bytes may be long and are the last field of a row, so nothing behind the captured part is needed.
  if (field.wire == Wire::nullable_bytes)
    enough_ = here.at + std::min<std::uint32_t>(here.size, field.captured_max);
}

void RequestWalker::begin_token() {
  KFERRY_ASSERT(stage_ == Stage::length || stage_ == Stage::header);
  KFERRY_ASSERT(conversation_.sasl == Conversation::Sasl::raw);
  token_ = true;
  texts_[0] = {length_size, frame_size_ - static_cast<std::uint32_t>(length_size)};
  stage_ = conversation_.captured().has(Role::sasl_bytes) ? Stage::token : Stage::ready;
}

// Reads as much of the token as may be captured.
bool RequestWalker::read_token(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::token && token_);
  const std::size_t size = std::min<std::size_t>(texts_[0].size, raw_token_field().captured_max);
  if (head(chunk, length_size + size) == nullptr) return false;
  stage_ = Stage::ready;
  return true;
}

// Hands the observer the fields that it wants.
void RequestWalker::hand_over(const Request& request, const Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::ready && conversation_.observer() != nullptr);
  const auto tell = [&](const Field& field, const Text& where) {
    if (!conversation_.captured().has(field.role)) return;
    const Text captured{where.at, std::min<std::uint32_t>(where.size, field.captured_max)};
    conversation_.observer()->captured(request,
                                       {field, std::as_bytes(std::span(text(chunk, captured))), where.size});
  };
  if (token_) return tell(raw_token_field(), texts_[0]);
  tell(client_id_field(), {plausible_size, client_id_size_});
  if (plain_) return;
  std::size_t next = 0;
  for (const Field& field : find_api(key_)->request.fields)
    if (field.captured_max > 0 && field.role != Role::client_id && field.versions.has(version_))
      tell(field, texts_[next++]);
}

}  // namespace kferry::kafka
