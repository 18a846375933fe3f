// What a broker's lists of addresses can make kferry hold, produce and compute.
#include <doctest/doctest.h>

#include <ctime>
#include <string>

#include "kafka/response_walker.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = ResponseWalker::Stop;

// Metadata 2: each broker is an id, a host of one letter, a port and no rack, 13 bytes.
Writer head(std::int32_t brokers) {
  Writer out;
  out.i32(7).i32(brokers);
  return out;
}
void broker(Writer& out, std::int32_t id) {
  out.i32(id).raw(std::string_view("\0\1x", 3)).i32(9092).i16(-1);
}
Bytes end(Writer& out) {
  return out.raw(std::string_view("\0\1C", 3)).i32(0).i32(0).frame();
}

struct Listed : Walked {
  explicit Listed(Policy rules = {}) : Walked(std::move(rules)) { expect(metadata_key, 2); }
  std::string cause() const { return responses.failure().cause.data(); }
};

TEST_CASE("a rewritten list may not be longer than what may be held") {
  Policy policy;
  policy.held_size_max = 100'000;
  Listed c(policy);
  c.view.host = std::string(250, 'h');
  Writer out = head(2000);
  for (std::int32_t i = 0; i < 2000; ++i) broker(out, i);
  CHECK(c.answer(end(out)) == Stop::failed);
  CHECK(c.cause() == "rewritten_too_large");
  CHECK(c.to_client.left.empty());
}

TEST_CASE("a rewritten list of coordinators or endpoints may not be longer than what may be held, either") {
  Policy policy;
  policy.held_size_max = 100'000;
  {
    Listed c(policy);
    c.view.host = std::string(250, 'h');
    c.conversation.pop();
    c.expect(find_coordinator_key, 4);
    Writer out = response();
    out.no_tags().i32(0).compact_array(2000);
    for (std::int32_t i = 0; i < 2000; ++i)
      out.compact_str("g").i32(i).compact_str("x").i32(9092).i16(0).compact_str("").no_tags();
    CHECK(c.answer(out.no_tags().frame()) == Stop::failed);
    CHECK(c.cause() == "rewritten_too_large");
  }
  Listed c(policy);
  c.view.host = std::string(250, 'h');
  c.conversation.pop();
  c.expect(produce_key, 10);
  Writer nodes;
  nodes.compact_array(2000);
  for (std::int32_t i = 0; i < 2000; ++i) nodes.i32(i).compact_str("x").i32(9092).uvarint(0).no_tags();
  Writer out = response();
  out.no_tags().compact_array(0).i32(0).uvarint(1).uvarint(0);
  out.uvarint(static_cast<std::uint32_t>(nodes.body().size())).raw(nodes.body());
  CHECK(c.answer(out.frame()) == Stop::failed);
  CHECK(c.cause() == "rewritten_too_large");
}

TEST_CASE("an id that a list repeats is told once, at its first address, however often it occurs") {
  for (const std::int32_t times : {3, 50'000}) {
    Listed c;
    Writer out = head(times + 2);
    broker(out, 4);
    for (std::int32_t i = 0; i < times; ++i) broker(out, 2);
    broker(out, 5);
    const std::clock_t begin = std::clock();
    CHECK(c.answer(end(out)) == Stop::input);
    CHECK(std::clock() - begin < CLOCKS_PER_SEC);
    Writer told = head(3);
    for (const std::int32_t id : {4, 2, 5}) told.i32(id).str("gateway").i32(6969 + id).i16(-1);
    CHECK(c.to_client.left == end(told));
  }
}

TEST_CASE("placeholders are told as often as they occur, and no address with them") {
  Listed c;
  Writer out = head(2);
  broker(out, -1);
  broker(out, -1);
  CHECK(c.answer(end(out)) == Stop::input);
  Writer told = head(2);
  for (int i = 0; i < 2; ++i) told.i32(-1).str("").i32(-1).i16(-1);
  CHECK(c.to_client.left == end(told));
}

TEST_CASE("the entries of a list are limited in number, too, before the list is complete") {
  Policy policy;
  policy.held_size_max = 160'000;  // 10,000 entries
  Listed c(policy);
  Writer out = head(11'000);
  for (std::int32_t i = 0; i < 11'000; ++i) broker(out, i);
  Bytes part = end(out);
  part.resize(10'500 * 13);
  CHECK(c.answer(part, 5000) == Stop::failed);
  CHECK(c.cause() == "held_part_too_large");
}

TEST_CASE("a response that rewriting makes longer than int32 ends the connection") {
  Listed c;
  Writer out = head(1);
  broker(out, 1);
  Bytes beginning = end(out);
  store<std::int32_t>(beginning.data(), 0x7FFFFFFF);  // topics of two gigabytes follow
  CHECK(c.answer(beginning) == Stop::failed);
  CHECK(c.cause() == "rewritten_too_large");
  CHECK(c.to_client.left.empty());
  Listed fits;
  store<std::int32_t>(beginning.data(), 0x7FFFFFFF - 6);  // "x" becomes "gateway"
  CHECK(fits.answer(beginning) == Stop::input);
  CHECK(load<std::int32_t>(fits.to_client.left.data()) == 0x7FFFFFFF);
}

TEST_CASE("many topics and partitions behind a list are neither held nor walked") {
  Listed c;
  Writer out = head(1);
  broker(out, 1);
  Bytes frame = end(out);
  const std::size_t topics = 50'000'000;
  store<std::int32_t>(frame.data(), static_cast<std::int32_t>(frame.size() - 4 + topics));
  CHECK(c.answer(frame) == Stop::input);
  CHECK(c.responses.opaque_run() == topics);
}

TEST_CASE("partitions whose leaders are left out take no step per broker that is left out") {
  Policy policy;
  policy.held_size_max = 1 << 20;
  Listed c(policy);
  c.view.unmapped_from = 1000;
  constexpr std::int32_t brokers = 20'000;
  constexpr std::int32_t partitions = 50'000;
  Writer out = head(brokers);
  for (std::int32_t i = 0; i < brokers; ++i) broker(out, i);
  out.raw(std::string_view("\0\1C", 3)).i32(0).i32(1);
  out.i16(0).str("t").i8(0).i32(partitions);
  for (std::int32_t i = 0; i < partitions; ++i) out.i16(0).i32(i).i32(brokers - 1).i32(0).i32(0);
  const std::clock_t begin = std::clock();
  CHECK(c.answer(out.frame(), 65'536) == Stop::input);
  CHECK(std::clock() - begin < CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace kferry::kafka::test
