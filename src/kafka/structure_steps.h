// Steps that structure_walker.cc and structure_rows.cc share, inline in both: the one can stop at every byte,
// the other reads complete values at once.
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "kafka/structure_walker.h"

namespace kferry::kafka {

inline constexpr const char* beyond_frame = "runs beyond the end of the frame";

inline std::int64_t sign_extended(std::uint64_t value, std::uint32_t bytes) {
  const std::uint32_t unused = 64 - 8 * bytes;
  return static_cast<std::int64_t>(value << unused) >> unused;
}

inline void StructureWalker::start_value(const Field& field) {
  field_ = &field;
  start_ = position_;
  const std::uint32_t fixed = fixed_size(field.wire);
  go(fixed > 0 ? Phase::integer : Phase::length);
  const std::uint32_t needed = fixed > 0 ? fixed : compact(field) ? 1 : classic_length_size(field.wire);
  if (needed > left()) fail(&field, beyond_frame);
}

inline void StructureWalker::enter(const Field& owner, std::uint32_t elements) {
  KFERRY_ASSERT(depth_ + 1U < depth_max);
  levels_[++depth_] = {&owner, elements, 0};
}

inline bool StructureWalker::next_element(Step& step) {
  Level& level = levels_[depth_];
  field_ = level.owner;
  if (level.left > 0) {
    --level.left;
    level.row = 0;
    go(Phase::rows);
    step = Step::element;
    return field_->role != Role::none;
  }
  --depth_;
  go(Phase::rows);
  if (in_tag_ && depth_ == 0) {
    in_tag_ = false;
    if (position_ != end_) {
      fail(field_, "is shorter than its tag");
      return false;
    }
    end_ = frame_size_;
    tags_left_ = outer_tags_left_;
    phase_ = Phase::next_tag;
  }
  step = Step::array_end;
  return field_->role != Role::none;
}

inline void StructureWalker::close_structure() {
  if (depth_ > 0) {
    const bool in_array = is_array(levels_[depth_].owner->wire);
    if (!in_array) --depth_;
    go(in_array ? Phase::element : Phase::rows);
  } else {
    phase_ = Phase::end;
  }
}

}  // namespace kferry::kafka
