// The part of ResponseWalker for responses with addresses at the end: the body, which is held or passes, and
// the tail.
#include <array>

#include "base/assert.h"
#include "kafka/failures.h"
#include "kafka/findings.h"
#include "kafka/response_walker.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

using Step = StructureWalker::Step;

}  // namespace

void ResponseWalker::walk_body(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::body && walker_);
  for (;;) {
    const Step step = walker_->walk(chunk.bytes(), chunk.at);
    if (step == Step::more) {
      if (!exact_) chunk.let_pass();
      return;
    }
    if (step == Step::end) return finish_body(chunk);
    if (step == Step::failed) {
      if (!exact_) chunk.let_pass();
      failure_ = malformed(conversation_.front().key, conversation_.front().version, "response", *walker_);
      return;
    }
    if (step != Step::tail) continue;
    // Usually the tail is empty, which its first byte tells.
    const std::byte nothing = walker_->before_list() ? std::byte{1} : std::byte{0};
    if (*chunk.data() != nothing) return begin_tail(chunk);
  }
}

void ResponseWalker::finish_body(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::body);
  release(chunk);
  pass_trailing(chunk);
}

// After the last field: usually the frame's end.
void ResponseWalker::pass_trailing(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::body || stage_ == Stage::tail);
  note_deviations();
  left_ = walker_->trailing();
  if (left_ > 0) {
    stage_ = Stage::opaque;
    return pass_opaque(chunk);
  }
  end_frame();
  answer_own_in(chunk);
}

void ResponseWalker::begin_tail(Chunk& chunk) {
  KFERRY_ASSERT(stage_ == Stage::body);
  if (exact_) {
    hold(chunk);
  } else {
    chunk.let_pass();
  }
  findings_ = std::make_unique<Findings>(walker_->position());
  stage_ = Stage::tail;
}

void ResponseWalker::walk_tail(Chunk& chunk) {
  if (!collect(chunk)) return;
  finish_tail();
  if (!failure_) pass_trailing(chunk);
}

void ResponseWalker::finish_tail() {
  KFERRY_ASSERT(stage_ == Stage::tail);
  KFERRY_ASSERT(exact_ || held_ == 0);
  if (!treat(!exact_)) return;
  const Bytes& leaving = findings_->bytes;
  if (exact_) {
    std::array<std::byte, length_size> length;
    store(length.data(),
          static_cast<std::int32_t>(held_ + leaving.size() + walker_->trailing() - length_size));
    output_.overwrite_held(0, length);
    output_.insert(leaving);
    output_.release();
    held_ = 0;
  } else {
    output_.insert(leaving);
  }
  findings_.reset();
}

std::optional<std::size_t> ResponseWalker::walk_ahead(std::span<const std::byte> bytes) {
  KFERRY_ASSERT(can_walk_ahead());
  const auto walk = [](StructureWalker& walker, std::span<const std::byte> part, std::size_t& at) {
    walker.skip(walker.opaque_run());
    for (;;) {
      const Step step = walker.walk(part, at);
      if (step == Step::more || step == Step::tail || step == Step::end || step == Step::failed) return step;
    }
  };
  StructureWalker ahead = *walker_;
  std::size_t size = 0;
  const Step step = walk(ahead, bytes, size);
  if (step == Step::failed || step == Step::end) return std::nullopt;
  if (step == Step::tail) {  // reported once, and by feed()
    ahead = *walker_;
    std::size_t at = 0;
    const Step again = walk(ahead, bytes.first(size), at);
    KFERRY_ASSERT(again == Step::more && at == size);
  }
  *walker_ = ahead;
  return size;
}

}  // namespace kferry::kafka
