// Walks the structure of one message as the rows of schema.h describe it. The bytes may arrive in any pieces:
// a walk can stop and continue at every byte. Reports the fields that have a role and skips the others. Owns
// nothing, allocates nothing, never recurses on input, and checks every length against what is left of the
// frame before using it.
//
//   row ─▶ value of fixed size ───────────────────────────▶ next row … tag section ─▶ outer level
//      └─▶ length ─▶ bytes of a string │ elements (one level deeper) ─▶
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kafka/schema.h"

namespace kferry::kafka {

class StructureWalker {
 public:
  enum class Step : std::uint8_t {
    more,       // the piece is used up
    integer,    // value() of field(), which starts at start()
    text,       // size() bytes of a string follow from position() on; is_null() if it is null
    array,      // size() elements follow
    element,    // an element begins at position()
    array_end,  // the last element has ended at position()
    tag,        // the known tag of field(): its number is at start(), its size() bytes from position() on
    tail,  // the node endpoints follow, or the tag section that may hold them; reported once, when its first
           // byte has arrived
    end,   // all described fields have been walked
    failed,  // see failure_…()
  };

  // `position` and `frame_size` count from the start of the frame, its length. `whole`: the walk includes the
  // message's own tag section, where the frame should end; otherwise the walk ends after the last row.
  void begin(const Field& message, ApiVersion version, bool flexible, bool whole, std::uint32_t position,
             std::uint32_t frame_size);
  // The rest of the message is of this older version (an ApiVersions response with error 35).
  void continue_as(ApiVersion version, bool flexible);

  // Walks piece[at..), moving `at`.
  Step walk(std::span<const std::byte> piece, std::size_t& at);

  const Field& field() const { return *field_; }
  bool flexible() const { return flexible_; }
  // At Step::tail: true if the node endpoints come next, before the tag section.
  bool before_list() const { return phase_ == Phase::rows; }
  std::uint32_t start() const { return start_; }
  std::uint32_t position() const { return position_; }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }
  std::uint32_t size() const { return size_; }
  bool is_null() const { return null_; }

  // Null took the place of an array that may only be empty; it was walked as an empty one.
  bool null_array() const { return null_array_; }
  // At Step::end of a whole walk: bytes of the frame that no field accounts for.
  std::uint32_t trailing() const { return whole_ ? left() : 0; }

  // How many of the next bytes are skipped unread.
  std::uint32_t opaque_run() const { return phase_ == Phase::bytes ? bytes_left_ : 0; }
  void skip(std::uint32_t size);

  std::string_view failed_field() const { return field_ != nullptr ? field_->name : "tags"; }
  const char* failed_why() const { return why_; }

 private:
  enum class Phase : std::uint8_t {
    rows,
    integer,
    length,
    bytes,
    element,
    tag_count,
    tag_number,
    tag_size,
    known_tag,
    next_tag,
    end,
    failed,
  };
  struct Level {
    const Field* owner;  // the array or structure whose fields these are
    std::uint32_t left;  // elements that have not begun
    std::uint16_t row;   // the next row
  };
  // Message, topic, partition, a list inside it, and one spare level.
  static constexpr std::size_t depth_max = 5;

  std::uint32_t left() const { return end_ - position_; }
  void go(Phase phase) {
    phase_ = phase;
    gathered_ = 0;
    value_ = 0;
  }
  void fail(const Field* field, const char* why);
  bool gather(std::span<const std::byte> piece, std::size_t& at, std::uint32_t size);
  bool gather_uvarint(std::span<const std::byte> piece, std::size_t& at);
  void fail_in_run(const Field* row);
  void start_value(const Field& field);
  bool compact(const Field& field) const { return flexible_ && field.wire != Wire::classic_nullable_str; }
  void enter(const Field& owner, std::uint32_t elements);
  void close_structure();
  void finish_tag();
  // Each goes as far as it can. True: `step` must be reported.
  bool walk_rows(std::span<const std::byte> piece, std::size_t& at, Step& step);
  bool walk_value(const Field& field, std::span<const std::byte> piece, std::size_t& at, Step& step);
  bool skip_value(const Field& field, std::span<const std::byte> piece, std::size_t& at);
  bool finish_length(Step& step);
  bool skip_numbers();
  bool next_element(Step& step);
  bool finish_tag_size(Step& step);

  std::array<Level, depth_max> levels_{};
  const Field* field_ = nullptr;
  const char* why_ = "";
  std::uint64_t value_ = 0;
  std::uint32_t position_ = 0;
  std::uint32_t end_ = 0;  // of the frame, or of the known tag while inside it
  std::uint32_t frame_size_ = 0;
  std::uint32_t start_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t bytes_left_ = 0;
  std::uint32_t tags_left_ = 0;
  std::uint32_t outer_tags_left_ = 0;
  std::uint32_t tag_ = 0;
  ApiVersion version_ = 0;
  Phase phase_ = Phase::end;
  Phase after_bytes_ = Phase::end;
  std::uint8_t depth_ = 0;
  std::uint8_t gathered_ = 0;  // bytes of an integer or a length that have arrived
  bool flexible_ = false;
  bool whole_ = false;
  bool null_ = false;
  bool null_array_ = false;
  bool tail_reported_ = false;
  bool in_tag_ = false;
  bool tag_seen_ = false;
};

}  // namespace kferry::kafka
