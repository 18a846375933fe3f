#include "kafka/structure_walker.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Step = StructureWalker::Step;

// Every wire type with and without a role, versions, nesting and tags.
constexpr std::array header{Field{"client_id", Wire::classic_nullable_str, always, Role::client_id}};
constexpr std::array inner{
    Field{"id", Wire::i32, always, Role::node_id},
    Field{"host", Wire::str, always, Role::host},
    Field{"port", Wire::i16, always, Role::port},
    Field{"rack", Wire::nullable_str, since(2)},
    Field{"numbers", Wire::nullable_array, always, Role::none, {}},
};
constexpr std::array rows{
    Field{"header", Wire::structure, always, Role::none, header},
    Field{"flag", Wire::i8},
    Field{"old", Wire::i64, between(0, 1)},
    Field{"id", Wire::uuid},
    Field{"error", Wire::i16, always, Role::error_code},
    Field{"bytes", Wire::nullable_bytes},
    Field{"brokers", Wire::array, always, Role::brokers, inner},
    Field{"name", Wire::nullable_str, always, Role::cluster_id},
    Field{"nodes", Wire::array, since(2), Role::nodes, header, 0},
};
constexpr Field message{"message", Wire::structure, always, Role::none, rows};

Bytes flexible_message() {
  Writer tag;
  tag.compact_array(1).str("in a tag").no_tags();
  Writer out;
  out.str("client").one_tag(4, "unknown").i8(1).zeros(16).i16(-35);
  out.uvarint(201).raw(std::string(200, 'o')).compact_array(2);
  out.i32(1).compact_str("one").i16(-1).compact_str("rack").compact_array(0).no_tags();
  out.i32(-1).compact_str("").i16(2).uvarint(0).uvarint(0).one_tag(300, std::string(300, 't'));
  out.uvarint(0).uvarint(3).uvarint(0).uvarint(static_cast<std::uint32_t>(tag.body().size()));
  out.raw(tag.body());
  return out.uvarint(1).uvarint(0).uvarint(7).uvarint(2).raw("ab").body();
}

Bytes classic_message() {
  Writer out;
  out.i16(-1).i8(1).i64(9).zeros(16).i16(7).i32(3).raw("oct").i32(1);
  return out.i32(1).str("one").i16(9).i32(-1).str("name").body();
}

// The steps, one per line, each with its position.
std::string told(const Bytes& bytes, ApiVersion version, bool flexible, std::size_t piece_size) {
  StructureWalker walker;
  walker.begin(message, version, flexible, true, 0, static_cast<std::uint32_t>(bytes.size()));
  std::string lines;
  std::size_t at = 0;
  for (std::size_t end = 0;;) {
    const Step step = walker.walk(std::span(bytes).first(end), at);
    if (step == Step::more) {
      if (end == bytes.size()) return lines + "wants more\n";
      end = std::min(bytes.size(), end + piece_size);
      continue;
    }
    static constexpr std::array names{"more",      "integer", "text", "array", "element",
                                      "array_end", "tag",     "tail", "end",   "failed"};
    lines += names[static_cast<std::size_t>(step)];
    if (step == Step::failed)
      return lines.append(" ").append(walker.failed_field()).append(" ").append(walker.failed_why());
    if (step != Step::end && step != Step::tail) lines.append(" ").append(walker.field().name);
    if (step == Step::integer) lines.append("=").append(std::to_string(walker.value()));
    if (step == Step::text && walker.is_null()) lines += " null";
    if (step == Step::text || step == Step::array || step == Step::tag)
      lines.append(" of ").append(std::to_string(walker.size()));
    lines.append(" @").append(std::to_string(walker.position())).append("\n");
    if (step == Step::end) return lines;
  }
}

TEST_CASE("fields with a role are reported in order, however the bytes arrive") {
  const std::string expected =
      "text client_id of 6 @2\n"
      "integer error=-35 @37\n"
      "array brokers of 2 @240\n"
      "element brokers @240\ninteger id=1 @244\ntext host of 3 @245\ninteger port=-1 @250\n"
      "element brokers @257\ninteger id=-1 @261\ntext host of 0 @262\ninteger port=2 @264\n"
      "array_end brokers @571\n"
      "text name null of 0 @572\n"
      "tail @572\n"
      "tag nodes of 12 @575\narray nodes of 1 @576\nelement nodes @576\ntext client_id of 8 @578\n"
      "array_end nodes @587\n"
      "end @593\n";
  const Bytes bytes = flexible_message();
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
    REQUIRE(told(bytes, 2, true, piece) == expected);
}

TEST_CASE("older versions have their own rows and classic lengths") {
  const std::string expected =
      "text client_id null of 0 @2\n"
      "integer error=7 @29\n"
      "array brokers of 1 @40\n"
      "element brokers @40\ninteger id=1 @44\ntext host of 3 @46\ninteger port=9 @51\n"
      "array_end brokers @55\n"
      "text name of 4 @57\n"
      "end @61\n";
  const Bytes bytes = classic_message();
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece)
    REQUIRE(told(bytes, 1, false, piece) == expected);
}

TEST_CASE("a truncated message fails the same way, however its bytes arrive") {
  for (const bool flexible : {true, false}) {
    const Bytes whole = flexible ? flexible_message() : classic_message();
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const std::string once = told(cut, flexible ? 2 : 1, flexible, SIZE_MAX);
      CAPTURE(size);
      CHECK(once.find("failed") != std::string::npos);
      CHECK(told(cut, flexible ? 2 : 1, flexible, 1) == once);
    }
  }
}

TEST_CASE("a corrupted message ends or fails the same way, however its bytes arrive") {
  const Bytes whole = flexible_message();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      Bytes bytes = whole;
      bytes[at] = static_cast<std::byte>(value);
      const std::string once = told(bytes, 2, true, SIZE_MAX);
      CHECK(once.find("wants more") == std::string::npos);
      REQUIRE(told(bytes, 2, true, 1) == once);
      REQUIRE(told(bytes, 2, true, 7) == once);
    }
  }
}

TEST_CASE("uvarints are read back from every width") {
  for (const std::uint32_t value : {0U, 1U, 127U, 128U, 16'383U, 16'384U, 0xFFFF'FFFFU}) {
    for (std::size_t width = uvarint_size(value); width <= uvarint_size_max; ++width) {
      Bytes bytes;
      append_uvarint(bytes, value, width);
      CHECK(bytes.size() == width);
      CHECK(uvarint_width(bytes) == width);
      CHECK(load_uvarint(bytes) == value);
    }
  }
}

}  // namespace
}  // namespace kferry::kafka::test
