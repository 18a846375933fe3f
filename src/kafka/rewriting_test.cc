#include "kafka/rewriting.h"

#include <doctest/doctest.h>

#include "kafka/api_table.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

// The tail of a ShareAcknowledge with one node whose host has `host_size` bytes, and what was found in it.
Findings found_tail(std::size_t host_size, std::uint32_t tags, std::size_t count_width) {
  Writer tail;
  Bytes count;
  append_uvarint(count, 2, count_width);
  tail.raw(count);
  tail.i32(1).compact_str(std::string(host_size, 'h')).i32(9092).uvarint(0).no_tags();
  tail.uvarint(tags);
  for (std::uint32_t i = 0; i < tags; ++i) tail.uvarint(i).uvarint(0);
  static constexpr std::array node{
      Field{"node_id", Wire::i32, always, Role::node_id}, Field{"host", Wire::str, always, Role::host},
      Field{"port", Wire::i32, always, Role::port}, Field{"rack", Wire::nullable_str}};
  static constexpr std::array rows{Field{"node_endpoints", Wire::array, always, Role::nodes, node}};
  static constexpr Field message{"tail", Wire::structure, always, Role::none, rows};
  Findings found(0);
  found.bytes = tail.body();
  StructureWalker walker;
  walker.begin(message, 1, true, true, 0, static_cast<std::uint32_t>(found.bytes.size()));
  std::size_t at = 0;
  for (;;) {
    const auto step = walker.walk(found.bytes, at);
    REQUIRE(step != StructureWalker::Step::failed);
    if (step == StructureWalker::Step::end) return found;
    if (step != StructureWalker::Step::tail) found.note(step, walker);
  }
}

// As a client reads it: an empty list, then a tag section that ends the message.
void check_readable(const Bytes& tail, std::uint32_t tags) {
  std::span<const std::byte> rest(tail);
  const auto uvarint = [&rest] {
    const std::uint32_t value = load_uvarint(rest);
    rest = rest.subspan(uvarint_width(rest));
    return value;
  };
  CHECK(uvarint() == 1);
  REQUIRE(uvarint() == tags + 1);
  for (std::uint32_t i = 0; i < tags; ++i) {
    CHECK(uvarint() == i);
    CHECK(uvarint() == 0);
  }
  CHECK(uvarint() == 127);
  const std::uint32_t size = uvarint();
  REQUIRE(size == rest.size());
  CHECK(std::all_of(rest.begin(), rest.end(), [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_CASE("a neutralised list keeps its size, even if no minimal length fits") {
  for (const std::uint32_t tags : {0U, 1U, 126U, 127U, 200U})
    for (const std::size_t width : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
      for (std::size_t host = 0; host < 300; ++host) {
        const Findings found = found_tail(host, tags, width);
        const Bytes after = neutralised(found);
        REQUIRE(after.size() == found.bytes.size());
        check_readable(after, tags);
      }
      for (std::size_t host = 16'330; host < 16'400; ++host) {
        const Findings found = found_tail(host, tags, width);
        const Bytes after = neutralised(found);
        REQUIRE(after.size() == found.bytes.size());
        check_readable(after, tags);
      }
    }
}

TEST_CASE("an empty list teaches nothing, unless it is a full one") {
  Mapped view;
  CHECK(teach(Findings(0), find_coordinator_key, false, view));
  CHECK(view.lessons == 0);
  CHECK(teach(Findings(0), metadata_key, true, view));
  CHECK(view.lessons == 1);
}

}  // namespace
}  // namespace kferry::kafka::test
