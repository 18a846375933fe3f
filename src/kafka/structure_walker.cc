#include "kafka/structure_walker.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "kafka/wire.h"

namespace kferry::kafka {
namespace {

constexpr const char* beyond_frame = "runs beyond the end of the frame";

bool is_array(Wire wire) {
  return wire == Wire::array || wire == Wire::nullable_array;
}

bool is_nullable(Wire wire) {
  return wire == Wire::nullable_str || wire == Wire::classic_nullable_str || wire == Wire::nullable_bytes ||
         wire == Wire::nullable_array;
}

// Of a length in classic form: strings have two octets, the rest four.
std::uint32_t classic_length_size(Wire wire) {
  return is_array(wire) || wire == Wire::nullable_bytes ? 4 : 2;
}

std::int64_t sign_extended(std::uint64_t value, std::uint32_t octets) {
  const std::uint32_t unused = 64 - 8 * octets;
  return static_cast<std::int64_t>(value << unused) >> unused;
}

// `size` octets: 1, 2, 4 or 8.
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

void StructureWalker::begin(const Field& message, ApiVersion version, bool flexible, bool whole,
                            std::uint32_t position, std::uint32_t frame_size) {
  version_ = version;
  flexible_ = flexible;
  whole_ = whole;
  position_ = position;
  frame_size_ = end_ = frame_size;
  depth_ = 0;
  levels_[0] = {&message, 0, 0};
  field_ = nullptr;
  tail_told_ = in_tag_ = tag_seen_ = false;
  go(Phase::rows);
}

void StructureWalker::continue_as(ApiVersion version, bool flexible) {
  version_ = version;
  flexible_ = flexible;
}

void StructureWalker::skip(std::uint32_t size) {
  KFERRY_ASSERT(size <= opaque_run());
  position_ += size;
  octets_left_ -= size;
  if (octets_left_ == 0) go(after_octets_);
}

StructureWalker::Step StructureWalker::walk(std::span<const std::byte> piece, std::size_t& at) {
  const auto unfinished = [this] { return phase_ == Phase::failed ? Step::failed : Step::more; };
  Step step = Step::more;
  for (;;) {
    switch (phase_) {
      case Phase::rows:
        if (walk_rows(piece, at, step)) return step;
        break;
      case Phase::integer: {
        const std::uint32_t size = fixed_size(field_->wire);
        if (!gather(piece, at, size)) return Step::more;
        const std::int64_t value = sign_extended(value_, size);
        go(Phase::rows);
        value_ = static_cast<std::uint64_t>(value);
        return Step::integer;
      }
      case Phase::length:
        if (compact(*field_)) {
          if (!gather_uvarint(piece, at)) return unfinished();
        } else if (!gather(piece, at, classic_length_size(field_->wire))) {
          return Step::more;
        }
        if (finish_length(step)) return step;
        break;
      case Phase::octets: {
        const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(octets_left_, piece.size() - at));
        at += size;
        position_ += size;
        octets_left_ -= size;
        if (octets_left_ > 0) return Step::more;
        go(after_octets_);
        break;
      }
      case Phase::element:
        if (next_element(step)) return step;
        break;
      case Phase::tag_count:
        if (depth_ == 0 && !tail_told_ && left() > 0) {
          if (at == piece.size()) return Step::more;
          tail_told_ = true;
          return Step::tail;
        }
        if (!gather_uvarint(piece, at)) return unfinished();
        tags_left_ = static_cast<std::uint32_t>(value_);
        if (tags_left_ > left()) {
          fail(nullptr, "more tags than octets are left");
        } else if (tags_left_ == 0) {
          close_structure();
        } else {
          go(Phase::tag_number);
        }
        break;
      case Phase::tag_number:
        if (gathered_ == 0) start_ = position_;
        if (!gather_uvarint(piece, at)) return unfinished();
        tag_ = static_cast<std::uint32_t>(value_);
        go(Phase::tag_size);
        break;
      case Phase::tag_size:
        if (!gather_uvarint(piece, at)) return unfinished();
        if (finish_tag_size(step)) return step;
        break;
      case Phase::known_tag:
        start_value(*field_);
        break;
      case Phase::next_tag:
        finish_tag();
        break;
      case Phase::end:
        return Step::end;
      case Phase::failed:
        return Step::failed;
    }
  }
}

void StructureWalker::fail(const Field* field, const char* why) {
  field_ = field;
  why_ = why;
  phase_ = Phase::failed;
}

// A value of `size` octets, known to lie within the frame, into value_. False: more octets are needed.
bool StructureWalker::gather(std::span<const std::byte> piece, std::size_t& at, std::uint32_t size) {
  while (gathered_ < size) {
    if (at == piece.size()) return false;
    value_ = value_ << 8 | std::to_integer<std::uint64_t>(piece[at++]);
    ++gathered_;
    ++position_;
  }
  return true;
}

// False: more octets are needed, or the walk has failed.
bool StructureWalker::gather_uvarint(std::span<const std::byte> piece, std::size_t& at) {
  for (;;) {
    if (left() == 0) {
      fail(phase_ == Phase::length ? field_ : nullptr, beyond_frame);
      return false;
    }
    if (at == piece.size()) return false;
    const auto octet = std::to_integer<std::uint64_t>(piece[at++]);
    value_ |= (octet & 0x7F) << (7 * gathered_);
    ++gathered_;
    ++position_;
    if (octet < 0x80) break;
    if (gathered_ == uvarint_size_max) {
      fail(phase_ == Phase::length ? field_ : nullptr, "has a varint of more than five bytes");
      return false;
    }
  }
  if (value_ > 0xFFFF'FFFF) {
    fail(phase_ == Phase::length ? field_ : nullptr, "has a varint beyond 32 bits");
    return false;
  }
  return true;
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

// The quickest way: a compact string, octets or an empty list, whole in the piece and nothing to us. False:
// nothing was taken.
inline bool StructureWalker::skip_value(const Field& field, std::span<const std::byte> piece,
                                        std::size_t& at) {
  const std::size_t there = std::min<std::size_t>(piece.size() - at, left());
  if (!compact(field) || there < uvarint_size_max || field.wire == Wire::structure) return false;
  std::uint32_t length = 0;
  std::uint32_t width = 0;
  for (std::uint32_t octet = 0x80; octet >= 0x80; ++width) {
    if (width == 4) return false;
    octet = std::to_integer<std::uint32_t>(piece[at + width]);
    length |= (octet & 0x7F) << (7 * width);
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

// Of the fields of fixed size from `row` on, one does not fit.
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
  if (phase_ == Phase::octets && octets_left_ <= piece.size() - at) {
    at += octets_left_;
    position_ += octets_left_;
    octets_left_ = 0;
    phase_ = after_octets_;
  }
  return false;
}

bool StructureWalker::finish_length(Step& step) {
  std::int64_t length = compact(*field_) ? static_cast<std::int64_t>(value_) - 1
                                         : sign_extended(value_, classic_length_size(field_->wire));
  null_ = length == -1;
  if (length < -1 || (null_ && !is_nullable(field_->wire))) {
    fail(field_, null_ ? "is null and may not be" : "has a negative length");
    return false;
  }
  if (null_) length = 0;
  if (length > left()) {
    fail(field_, is_array(field_->wire) ? "counts more elements than octets are left" : beyond_frame);
    return false;
  }
  size_ = static_cast<std::uint32_t>(length);
  if (is_array(field_->wire)) {
    enter(*field_, size_);
    go(Phase::element);
    step = Step::array;
  } else {
    octets_left_ = size_;
    phase_ = Phase::octets;
    after_octets_ = Phase::rows;
    step = Step::text;
  }
  return field_->role != Role::none;
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
  } else if (position_ != frame_size_) {
    fail(nullptr, "end before the frame does");
  } else {
    phase_ = Phase::end;
  }
}

bool StructureWalker::finish_tag_size(Step& step) {
  const auto size = static_cast<std::uint32_t>(value_);
  if (size > left()) {
    fail(nullptr, beyond_frame);
    return false;
  }
  if (depth_ == 0) {
    for (const Field& row : levels_[0].owner->fields) {
      if (row.tag < 0 || static_cast<std::uint32_t>(row.tag) != tag_ || !row.versions.has(version_)) continue;
      if (tag_seen_) {
        fail(&row, "is there twice");
        return false;
      }
      tag_seen_ = in_tag_ = true;
      outer_tags_left_ = tags_left_;
      end_ = position_ + size;
      size_ = size;
      field_ = &row;
      phase_ = Phase::known_tag;
      step = Step::tag;
      return true;
    }
  }
  octets_left_ = size;
  phase_ = Phase::octets;
  after_octets_ = Phase::next_tag;
  return false;
}

void StructureWalker::finish_tag() {
  if (--tags_left_ > 0) {
    go(Phase::tag_number);
  } else {
    close_structure();
  }
}

// The quick way: values that are whole in the piece are taken in one go. Where one is not, the phases above
// take it octet by octet.
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
        octets_left_ = run;
        phase_ = Phase::octets;
        after_octets_ = Phase::rows;
        return false;
      }
      at += run;
      position_ += run;
      if (row == end || row->role != Role::none || !skip_value(*row, piece, at)) break;
    }
    level.row = static_cast<std::uint16_t>(row - rows);
    if (row != end) {
      if (row->role == Role::nodes && !tail_told_ && left() > 0) {
        tail_told_ = at < piece.size();
        step = tail_told_ ? Step::tail : Step::more;
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

namespace {

// As many as are walking at one moment, but for peaks.
constexpr std::size_t spare_walkers_max = 64;
thread_local std::vector<std::unique_ptr<StructureWalker>> spare_walkers;

}  // namespace

void KeepWalker::operator()(StructureWalker* walker) const {
  std::unique_ptr<StructureWalker> given_back(walker);
  if (spare_walkers.size() < spare_walkers_max) spare_walkers.push_back(std::move(given_back));
}

WalkerPtr take_walker() {
  if (spare_walkers.empty()) return WalkerPtr(new StructureWalker);
  WalkerPtr walker(spare_walkers.back().release());
  spare_walkers.pop_back();
  return walker;
}

}  // namespace kferry::kafka
