// Walks one message's structure as the rows of schema.h describe it, over octets that come in any pieces: it
// can stop and go on at every octet. Reports the fields that have a role, skips the others by their length.
// Owns nothing, allocates nothing, never recurses on input; every length is checked against what is left
// before it is used.
//
//   row ─▶ value of fixed size ───────────────────────────▶ next row … tag section ─▶ outer level
//      └─▶ length ─▶ octets of a string │ elements (one level deeper) ─▶
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
    text,       // size() octets from position() on are the string's, is_null() without any; they follow
    array,      // size() elements follow
    element,    // one of them begins at position()
    array_end,  // the last one has ended at position()
    tag,     // the known tag of field(): its number stands at start(), its size() octets from position() on
    tail,    // what follows is the node endpoints or the tag section that may hold them; told once, where an
             // octet is there to look at
    end,     // everything described was walked
    failed,  // see failure_…()
  };

  // `position` and `frame_size` count from the frame's length field on. `whole`: the message's own tag
  // section belongs to it and the frame must end with it; otherwise the walk ends after the last row.
  void begin(const Field& message, ApiVersion version, bool flexible, bool whole, std::uint32_t position,
             std::uint32_t frame_size);
  // From here on the rows of another, older version hold (an ApiVersions answer with error 35).
  void continue_as(ApiVersion version, bool flexible);

  // Walks piece[at..), moving `at`.
  Step walk(std::span<const std::byte> piece, std::size_t& at);

  const Field& field() const { return *field_; }
  bool flexible() const { return flexible_; }
  // At Step::tail: the node endpoints come next, and the tag section after them.
  bool before_list() const { return phase_ == Phase::rows; }
  std::uint32_t start() const { return start_; }
  std::uint32_t position() const { return position_; }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }
  std::uint32_t size() const { return size_; }
  bool is_null() const { return null_; }

  // Octets that come next and are skipped whatever they are; 0 inside anything else.
  std::uint32_t opaque_run() const { return phase_ == Phase::octets ? octets_left_ : 0; }
  void skip(std::uint32_t size);

  std::string_view failed_field() const { return field_ != nullptr ? field_->name : "tags"; }
  const char* failed_why() const { return why_; }

 private:
  enum class Phase : std::uint8_t {
    rows,
    integer,
    length,
    octets,
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
    std::uint16_t row;   // the next one
  };
  // Message, topic, partition, list inside, and one to spare.
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
  // Each goes as far as it can; true: a step is to be told.
  bool walk_rows(std::span<const std::byte> piece, std::size_t& at, Step& step);
  bool walk_value(const Field& field, std::span<const std::byte> piece, std::size_t& at, Step& step);
  bool skip_value(const Field& field, std::span<const std::byte> piece, std::size_t& at);
  bool finish_length(Step& step);
  bool next_element(Step& step);
  bool finish_tag_size(Step& step);

  std::array<Level, depth_max> levels_{};
  const Field* field_ = nullptr;
  const char* why_ = "";
  std::uint64_t value_ = 0;
  std::uint32_t position_ = 0;
  std::uint32_t end_ = 0;  // of the frame, or of the known tag we are in
  std::uint32_t frame_size_ = 0;
  std::uint32_t start_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t octets_left_ = 0;
  std::uint32_t tags_left_ = 0;
  std::uint32_t outer_tags_left_ = 0;
  std::uint32_t tag_ = 0;
  ApiVersion version_ = 0;
  Phase phase_ = Phase::end;
  Phase after_octets_ = Phase::end;
  std::uint8_t depth_ = 0;
  std::uint8_t gathered_ = 0;  // octets of an integer or a length that came so far
  bool flexible_ = false;
  bool whole_ = false;
  bool null_ = false;
  bool tail_told_ = false;
  bool in_tag_ = false;
  bool tag_seen_ = false;
};

}  // namespace kferry::kafka
