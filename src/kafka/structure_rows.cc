// The fast path of StructureWalker: reads values that the piece contains whole. structure_walker.cc reads the
// others byte by byte.
#include <algorithm>

#include "base/assert.h"
#include "kafka/structure_steps.h"
#include "kafka/structure_walker.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

// `size` bytes: 1, 2, 4 or 8.
std::int64_t load_integer(const std::byte* at, std::uint32_t size) {
  switch (size) {
    case 1:
      return load<std::int8_t>(at);
    case 2:
      return load<std::int16_t>(at);
    case 4:
      return load<std::int32_t>(at);
    default:
      return load<std::int64_t>(at);
  }
}

}  // namespace

// The fastest path: skips a compact string, bytes or an empty list without a role that the piece contains
// whole. False: nothing was skipped.
inline bool StructureWalker::skip_value(const Field& field, std::span<const std::byte> piece,
                                        std::size_t& at) {
  const std::size_t there = std::min<std::size_t>(piece.size() - at, left());
  if (!compact(field) || there < uvarint_size_max || field.wire == Wire::structure) return false;
  std::uint32_t length = 0;
  std::uint32_t width = 0;
  for (std::uint32_t byte = 0x80; byte >= 0x80; ++width) {
    if (width == 4) return false;
    byte = std::to_integer<std::uint32_t>(piece[at + width]);
    length |= (byte & 0x7F) << (7 * width);
  }
  if (length == 0) {
    if (!is_nullable(field.wire)) return false;
    length = 1;
  }
  --length;
  if (is_array(field.wire) ? length > 0 : length > there - width) return false;
  at += width + length;
  position_ += width + length;
  return true;
}

// Fails at the first field of fixed size, from `row` on, that does not fit in the frame.
void StructureWalker::fail_in_run(const Field* row) {
  for (; !row->versions.has(version_) || row->skipped <= left(); ++row)
    if (row->versions.has(version_)) position_ += row->skipped;
  fail(row, beyond_frame);
}

bool StructureWalker::walk_value(const Field& field, std::span<const std::byte> piece, std::size_t& at,
                                 Step& step) {
  start_value(field);
  if (phase_ == Phase::integer) {
    const std::uint32_t size = fixed_size(field.wire);
    if (size > piece.size() - at || size > sizeof(value_)) return false;
    value_ = static_cast<std::uint64_t>(load_integer(piece.data() + at, size));
    at += size;
    position_ += size;
    phase_ = Phase::rows;
    step = Step::integer;
    return true;
  }
  if (phase_ != Phase::length || !compact(field) || at == piece.size() || piece[at] >= std::byte{0x80})
    return false;
  value_ = std::to_integer<std::uint64_t>(piece[at++]);
  ++position_;
  if (finish_length(step)) return true;
  if (phase_ == Phase::bytes && bytes_left_ <= piece.size() - at) {
    at += bytes_left_;
    position_ += bytes_left_;
    bytes_left_ = 0;
    phase_ = after_bytes_;
  }
  return false;
}

bool StructureWalker::finish_length(Step& step) {
  KFERRY_ASSERT(phase_ == Phase::length);
  std::int64_t length = compact(*field_) ? static_cast<std::int64_t>(value_) - 1
                                         : sign_extended(value_, classic_length_size(field_->wire));
  null_ = length == -1;
  const bool lenient = null_ && field_->wire == Wire::array;
  null_array_ = null_array_ || lenient;
  if (length < -1 || (null_ && !is_nullable(field_->wire) && !lenient)) {
    fail(field_, null_ ? "is null and may not be" : "has a negative length");
    return false;
  }
  if (null_) length = 0;
  if (length > left()) {
    fail(field_, is_array(field_->wire) ? "counts more elements than bytes are left" : beyond_frame);
    return false;
  }
  size_ = static_cast<std::uint32_t>(length);
  if (field_->wire == Wire::i32_list) return skip_numbers();
  if (is_array(field_->wire)) {
    enter(*field_, size_);
    go(Phase::element);
    step = Step::array;
  } else {
    bytes_left_ = size_;
    phase_ = Phase::bytes;
    after_bytes_ = Phase::rows;
    step = Step::text;
  }
  return field_->role != Role::none;
}

bool StructureWalker::skip_numbers() {
  if (size_ > left() / 4) {
    fail(field_, "counts more elements than bytes are left");
    return false;
  }
  bytes_left_ = 4 * size_;
  phase_ = Phase::bytes;
  after_bytes_ = Phase::rows;
  return false;
}

bool StructureWalker::walk_rows(std::span<const std::byte> piece, std::size_t& at, Step& step) {
  while (phase_ == Phase::rows) {
    Level& level = levels_[depth_];
    const Field* const rows = level.owner->fields.data();
    const Field* const end = rows + level.owner->fields.size();
    const Field* row = rows + level.row;
    for (;; ++row) {
      const Field* const first = row;
      std::uint32_t run = 0;
      for (; row != end; ++row) {
        if (!row->versions.has(version_)) continue;
        if (row->skipped == 0 && row->tag == untagged) break;
        run += row->skipped;
      }
      if (run > left()) {
        fail_in_run(first);
        return false;
      }
      if (run > piece.size() - at) {
        level.row = static_cast<std::uint16_t>(row - rows);
        bytes_left_ = run;
        phase_ = Phase::bytes;
        after_bytes_ = Phase::rows;
        return false;
      }
      at += run;
      position_ += run;
      if (row == end || row->role != Role::none || !skip_value(*row, piece, at)) break;
    }
    level.row = static_cast<std::uint16_t>(row - rows);
    if (row != end) {
      if (row->role == Role::nodes && !tail_reported_ && left() > 0) {
        tail_reported_ = at < piece.size();
        step = tail_reported_ ? Step::tail : Step::more;
        return true;
      }
      ++level.row;
      if (row->wire == Wire::structure) {
        enter(*row, 0);
      } else if (walk_value(*row, piece, at, step)) {
        return true;
      }
    } else if (depth_ == 0) {
      if (whole_ && flexible_) {
        go(Phase::tag_count);
      } else if (whole_) {
        close_structure();
      } else {
        phase_ = Phase::end;
      }
    } else if (!flexible_) {
      close_structure();
    } else if (at < piece.size() && left() > 0 && piece[at] == std::byte{0}) {
      ++at;
      ++position_;
      close_structure();
    } else {
      go(Phase::tag_count);
    }
    if (phase_ == Phase::element && next_element(step)) return true;
  }
  return false;
}

}  // namespace kferry::kafka
