#include "kafka/structure_walker.h"

#include <algorithm>

#include "base/assert.h"
#include "kafka/structure_steps.h"
#include "kafka/wire.h"

namespace kferry::kafka {

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
  tail_reported_ = in_tag_ = tag_seen_ = null_array_ = false;
  go(Phase::rows);
}

void StructureWalker::continue_as(ApiVersion version, bool flexible) {
  KFERRY_ASSERT(phase_ == Phase::rows);
  KFERRY_ASSERT(version <= version_);
  version_ = version;
  flexible_ = flexible;
}

void StructureWalker::skip(std::uint32_t size) {
  KFERRY_ASSERT(size <= opaque_run());
  position_ += size;
  bytes_left_ -= size;
  if (bytes_left_ == 0) go(after_bytes_);
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
      case Phase::bytes: {
        const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(bytes_left_, piece.size() - at));
        at += size;
        position_ += size;
        bytes_left_ -= size;
        if (bytes_left_ > 0) return Step::more;
        go(after_bytes_);
        break;
      }
      case Phase::element:
        if (next_element(step)) return step;
        break;
      case Phase::tag_count:
        if (depth_ == 0 && !tail_reported_ && left() > 0) {
          if (at == piece.size()) return Step::more;
          tail_reported_ = true;
          return Step::tail;
        }
        if (!gather_uvarint(piece, at)) return unfinished();
        tags_left_ = static_cast<std::uint32_t>(value_);
        if (tags_left_ > left()) {
          fail(nullptr, "more tags than bytes are left");
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

// Reads an integer of `size` bytes, which the frame is known to have, into value_. False: more bytes are
// needed.
bool StructureWalker::gather(std::span<const std::byte> piece, std::size_t& at, std::uint32_t size) {
  while (gathered_ < size) {
    if (at == piece.size()) return false;
    value_ = value_ << 8 | std::to_integer<std::uint64_t>(piece[at++]);
    ++gathered_;
    ++position_;
  }
  return true;
}

// Reads a varint into value_. False: more bytes are needed, or the walk has failed.
bool StructureWalker::gather_uvarint(std::span<const std::byte> piece, std::size_t& at) {
  for (;;) {
    if (left() == 0) {
      fail(phase_ == Phase::length ? field_ : nullptr, beyond_frame);
      return false;
    }
    if (at == piece.size()) return false;
    const auto byte = std::to_integer<std::uint64_t>(piece[at++]);
    value_ |= (byte & 0x7F) << (7 * gathered_);
    ++gathered_;
    ++position_;
    if (byte < 0x80) break;
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

bool StructureWalker::finish_tag_size(Step& step) {
  KFERRY_ASSERT(phase_ == Phase::tag_size);
  const auto size = static_cast<std::uint32_t>(value_);
  if (size > left()) {
    fail(nullptr, beyond_frame);
    return false;
  }
  if (depth_ == 0) {
    for (const Field& row : levels_[0].owner->fields) {
      if (row.tag < 0 || static_cast<std::uint32_t>(row.tag) != tag_ || !row.versions.has(version_)) continue;
      if (tag_seen_) {
        fail(&row, "occurs twice");
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
  bytes_left_ = size;
  phase_ = Phase::bytes;
  after_bytes_ = Phase::next_tag;
  return false;
}

void StructureWalker::finish_tag() {
  KFERRY_ASSERT(phase_ == Phase::next_tag);
  KFERRY_ASSERT(tags_left_ > 0);
  if (--tags_left_ > 0) {
    go(Phase::tag_number);
  } else {
    close_structure();
  }
}

}  // namespace kferry::kafka
