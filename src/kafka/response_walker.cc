#include "kafka/response_walker.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "kafka/api_table.h"
#include "kafka/failures.h"
#include "kafka/findings.h"
#include "kafka/observer.h"
#include "kafka/own_answer.h"
#include "kafka/treatments.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

using Step = StructureWalker::Step;

constexpr std::uint8_t prelude_size_full = 8;
// An entry of a list takes some 40 bytes while a response is kept. Smaller entries are limited by their number.
constexpr std::size_t entry_size_min = 16;

FailurePtr unsolicited() {
  return make_failure("unsolicited_response",
                      "the broker sent bytes without a request: is the upstream a Kafka broker?");
}

}  // namespace

ResponseWalker::ResponseWalker(Conversation& conversation, ClusterView& cluster, Output& output)
    : conversation_(conversation), cluster_(cluster), output_(output) {}

ResponseWalker::~ResponseWalker() = default;

const Failure& ResponseWalker::failure() const {
  return failure_ ? *failure_ : no_failure();
}

ResponseWalker::Walked ResponseWalker::feed(std::span<const std::byte> bytes) {
  KFERRY_ASSERT(!failure_);
  answer_own();
  Chunk chunk(bytes, output_);
  while (!chunk.empty() && !failure_) advance(chunk);
  if (failure_) {
    chunk.report_passed();
    return {chunk.reported(), Stop::failed};
  }
  hold(chunk);
  return {chunk.reported(), Stop::input};
}

void ResponseWalker::advance(Chunk& chunk) {
  switch (stage_) {
    case Stage::prelude:
      return read_prelude(chunk);
    case Stage::opaque:
      return pass_opaque(chunk);
    case Stage::head:
      return walk_head(chunk);
    case Stage::leaders:
      return walk_leaders(chunk);
    case Stage::body:
      return walk_body(chunk);
    case Stage::tail:
      return walk_tail(chunk);
    case Stage::discarded:
      return discard(chunk);
  }
}

std::uint64_t ResponseWalker::passed() const {
  return stage_ == Stage::body ? walker_->position() : frame_size_ - left_;
}

void ResponseWalker::skip(std::uint64_t size) {
  KFERRY_ASSERT(size <= opaque_run());
  if (stage_ == Stage::body) return walker_->skip(static_cast<std::uint32_t>(size));
  left_ -= static_cast<std::uint32_t>(size);
  if (stage_ == Stage::opaque && left_ == 0) {
    end_frame();
    answer_own();
  }
}

// ---- holding

void ResponseWalker::hold(Chunk& chunk) {
  held_ += static_cast<std::uint32_t>(chunk.hold());
}

// Everything held and everything walked leaves.
void ResponseWalker::release(Chunk& chunk) {
  if (held_ == 0) {
    chunk.let_pass();
    return;
  }
  hold(chunk);
  output_.release();
  held_ = 0;
}

// ---- the beginning of a frame, and its end

void ResponseWalker::read_prelude(Chunk& chunk) {
  if (prelude_size_ == 0) {
    token_ = conversation_.empty() && conversation_.raw_answers;
    if (conversation_.empty() && !token_ && !conversation_.has_unacknowledged()) {
      failure_ = unsolicited();
      return;
    }
  }
  if (prelude_size_ == 0 && !token_ && chunk.left() >= prelude_size_full) {
    prelude_ = load<std::uint64_t>(chunk.data());
    chunk.at += prelude_size_full;
    prelude_size_ = prelude_size_full;
    if (judge_size(static_cast<std::int32_t>(prelude_ >> 32))) begin_frame(chunk);
    return;
  }
  const std::uint8_t full = token_ ? length_size : prelude_size_full;
  while (prelude_size_ < full) {
    if (chunk.empty()) return;
    prelude_ = prelude_ << 8 | std::to_integer<std::uint64_t>(*chunk.data());
    ++chunk.at;
    ++prelude_size_;
    if (prelude_size_ == length_size && !judge_size(static_cast<std::int32_t>(prelude_))) return;
  }
  begin_frame(chunk);
}

bool ResponseWalker::judge_size(std::int32_t size) {
  if (!answered_) {
    std::array<std::byte, length_size> first;
    store(first.data(), size);
    failure_ = foreign_broker(first);
    if (failure_) return false;
  }
  if (size < 0 || (!token_ && size < length_size)) {
    failure_ =
        make_failure(size < 0 ? "negative_frame_size" : "frame_too_small",
                     "the broker announced a response of " + std::to_string(size) +
                         " bytes: is the upstream a Kafka broker, and does its security protocol match?");
    return false;
  }
  frame_size_ = static_cast<std::uint32_t>(size) + length_size;
  return true;
}

void ResponseWalker::begin_frame(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::prelude);
  KFERRY_ASSERT(!findings_ && !walker_);
  if (!token_) {
    const auto id = static_cast<std::int32_t>(prelude_ & 0xFFFF'FFFF);
    if (conversation_.empty() || id != number(conversation_.front().correlation_id)) {
      if (conversation_.forget_unacknowledged(CorrelationId{id})) {
        stray_ = true;
        cluster_.deviates(produce_key, Deviation::unexpected_answer);
        return begin_opaque(chunk);
      }
      if (conversation_.empty()) {
        failure_ = unsolicited();
        return;
      }
      const Unanswered& request = conversation_.front();
      failure_ = make_failure("wrong_correlation_id",
                              "the broker answered with correlation id " + std::to_string(id) +
                                  " instead of " + std::to_string(number(request.correlation_id)) + " for " +
                                  api_text(request.key, request.version) +
                                  ": something between kferry and the broker "
                                  "mixes up connections, or it is not a Kafka broker");
      return;
    }
    answered_ = true;
    const Unanswered& request = conversation_.front();
    const Api* api = find_api(request.key);
    if (api != nullptr && api->walked.has(request.version)) return begin_structure(chunk, *api);
  }
  begin_opaque(chunk);
}

void ResponseWalker::begin_opaque(Chunk& chunk) {
  left_ = frame_size_ - prelude_size_;
  stage_ = Stage::opaque;
  release(chunk);
  pass_opaque(chunk);
}

void ResponseWalker::begin_structure(Chunk& chunk, const Api& api) {
  KFERRY_ASSERT(stage_ == Stage::prelude && prelude_size_ == prelude_size_full);
  if (api.shape == Shape::leaders) {
    if (!cluster_.leaves_out()) return begin_opaque(chunk);
    left_ = frame_size_ - prelude_size_;
    release(chunk);
    begin_leaders(api.response);
    return walk_leaders(chunk);
  }
  KFERRY_ASSERT(api.treatment != nullptr);
  const ApiVersion version = conversation_.front().version;
  const bool whole = api.shape != Shape::head;
  walker_ = borrow_walker();
  walker_->begin(api.response, version, api.flexible.has(version), whole, prelude_size_full, frame_size_);
  if (whole) {
    const Policy& policy = conversation_.policy();
    const std::size_t exact_max =
        api.shape == Shape::tail ? policy.exact_rewrite_size_max : policy.held_size_max;
    exact_ = frame_size_ <= exact_max;
    stage_ = Stage::body;
    if (!exact_) release(chunk);
    return walk_body(chunk);
  }
  if (held_ > 0) output_.cut_held(held_);
  held_ = 0;
  chunk.drop();
  findings_ = std::make_unique<Findings>(0);
  findings_->bytes.resize(prelude_size_full);
  store(findings_->bytes.data(), prelude_);
  stage_ = Stage::head;
  walk_head(chunk);
}

void ResponseWalker::end_frame() {
  KFERRY_ASSERT(stage_ != Stage::prelude && stage_ != Stage::head);
  KFERRY_ASSERT(held_ == 0);
  if (token_) {
    if (Observer* observer = conversation_.observer()) observer->token_answered();
  } else if (!stray_) {
    conversation_.pop();
  }
  stray_ = false;
  walker_.reset();
  stage_ = Stage::prelude;
  prelude_size_ = 0;
  prelude_ = 0;
}

void ResponseWalker::pass_opaque(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::opaque);
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(left_, chunk.left()));
  chunk.at += size;
  left_ -= size;
  chunk.let_pass();
  if (left_ > 0) return;
  end_frame();
  answer_own_in(chunk);
}

// ---- kferry's own answers

void ResponseWalker::insert_own() {
  KFERRY_ASSERT(own_is_next());
  do {
    const Unanswered& request = conversation_.front();
    output_.insert(frame_of(*request.own, request));
    conversation_.pop();
  } while (own_is_next());
}

// Between two frames of a chunk.
void ResponseWalker::answer_own_in(Chunk& chunk) {
  if (!own_is_next()) return;
  chunk.report_passed();
  insert_own();
}

// ---- addresses near the front

// Continues the walk and keeps the bytes. True: the walk has ended.
bool ResponseWalker::collect(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::head || stage_ == Stage::tail);
  KFERRY_ASSERT(findings_ && walker_);
  const std::size_t begin = chunk.at;
  Step step = Step::more;
  for (;;) {
    step = walker_->walk(chunk.bytes(), chunk.at);
    if (step == Step::more || step == Step::end || step == Step::failed) break;
    if (step == Step::tail) continue;
    findings_->note(step, *walker_);
    // A broker that does not know the requested version answers in version 0 (docs/protocol.md section 3).
    if (step == Step::integer && walker_->field().role == Role::version_error && findings_->version_refused)
      walker_->continue_as(0, false);
  }
  append(findings_->bytes, chunk.bytes().subspan(begin, chunk.at - begin));
  chunk.drop();
  const Unanswered& request = conversation_.front();
  if (step == Step::failed) {
    if (!replace_unreadable_answer(chunk))
      failure_ = malformed(request.key, request.version, "response", *walker_);
    return false;
  }
  const std::size_t held_max = conversation_.policy().held_size_max;
  if (findings_->bytes.size() > held_max || findings_->entries() > held_max / entry_size_min) {
    failure_ = held_part_too_large(request.key, request.version, held_max, held_max / entry_size_min);
    return false;
  }
  return step == Step::end;
}

// Error 35 alone lets a client try again with version 0. Some brokers write what follows it in the encoding
// of the requested version, or in no valid encoding (librdkafka's mock cluster); an empty list replaces it.
bool ResponseWalker::replace_unreadable_answer(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::head || stage_ == Stage::tail);
  if (!findings_->version_refused) return false;
  if (Observer* observer = conversation_.observer()) observer->rewritten(conversation_.front());
  output_.insert(frame_of(unsupported_without_ranges, conversation_.front()));
  left_ = frame_size_ - static_cast<std::uint32_t>(findings_->bytes.size());
  findings_.reset();
  stage_ = Stage::discarded;
  discard(chunk);
  return true;
}

void ResponseWalker::discard(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::discarded);
  const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(left_, chunk.left()));
  chunk.at += size;
  left_ -= size;
  chunk.drop();
  if (left_ > 0) return;
  end_frame();
  answer_own_in(chunk);
}

void ResponseWalker::walk_head(Chunk& chunk) {
  if (!collect(chunk)) return;
  finish_head();
  if (failure_) return;
  if (stage_ == Stage::leaders) return walk_leaders(chunk);
  stage_ == Stage::discarded ? discard(chunk) : pass_opaque(chunk);
}

void ResponseWalker::finish_head() {
  KFERRY_ASSERT(stage_ == Stage::head);
  if (!treat(false)) return;
  note_deviations();
  Bytes& leaving = findings_->bytes;
  left_ = frame_size_ - walker_->position();
  if (conversation_.front().asked_by_kferry) {
    findings_.reset();
    stage_ = Stage::discarded;
    return;
  }
  if (leaving.size() + left_ > response_size_max + length_size) {
    failure_ =
        rewritten_too_large(conversation_.front().key, conversation_.front().version, response_size_max);
    return;
  }
  frame_size_ = static_cast<std::uint32_t>(leaving.size()) + left_;
  store<std::int32_t>(leaving.data(), static_cast<std::int32_t>(frame_size_ - length_size));
  output_.insert(leaving);
  if (!findings_->left_out.empty()) {
    const Field* const leaders = find_api(conversation_.front().key)->leaders;
    if (leaders != nullptr) return begin_leaders(*leaders);
  }
  findings_.reset();
  stage_ = Stage::opaque;
}

// Treats the kept bytes as the row says. False: they may not leave, and failure_ says why.
bool ResponseWalker::treat(bool same_size) {
  const Unanswered& request = conversation_.front();
  WalkedResponse response{request, *findings_, walker_->flexible(), same_size, conversation_, cluster_};
  switch (find_api(request.key)->treatment(response)) {
    case Treated::unchanged:
      return true;
    case Treated::rewritten:
      findings_->bytes = std::move(response.replacement);
      if (Observer* observer = conversation_.observer()) observer->rewritten(request);
      return true;
    case Treated::other_cluster:
      refuse_cluster();
      return false;
    case Treated::too_large:
      failure_ = rewritten_too_large(request.key, request.version, conversation_.policy().held_size_max);
      return false;
  }
  return false;
}

void ResponseWalker::note_deviations() {
  const ApiKey source = conversation_.front().key;
  if (walker_->null_array()) cluster_.deviates(source, Deviation::null_array);
  if (walker_->trailing() > 0) cluster_.deviates(source, Deviation::trailing_bytes);
}

void ResponseWalker::refuse_cluster() {
  const Unanswered& request = conversation_.front();
  failure_ = make_failure(
      "cluster_id_changed",
      api_text(request.key, request.version) + " response: its cluster id is not the one learnt" +
          (findings_->cluster_id() ? " (" + printable(*findings_->cluster_id()) + ")" : "") + ": " +
          cluster_.other_cluster_advice());
}

}  // namespace kferry::kafka
