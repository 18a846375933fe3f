// What lenient servers write against Kafka's schema, and clients take: it passes, and the view hears of it.
#include <doctest/doctest.h>

#include "kafka/api_table.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = ResponseWalker::Stop;
using Deviations = std::vector<Deviation>;

Writer acknowledged() {
  return response().no_tags().i32(0).i16(0).uvarint(0).compact_array(0);
}

TEST_CASE("null in place of an array is an empty array") {
  for (const std::size_t step : {1U, 5U, 100U}) {
    CAPTURE(step);
    Walked c;
    c.expect(metadata_key, 2);
    const Bytes rest = Writer().str("cluster-1").i32(1).array(0).body();
    REQUIRE(c.answer(response().i32(-1).raw(rest).frame(), step) == Stop::input);
    CHECK(c.to_client.left == response().array(0).raw(rest).frame());
    CHECK(c.view.deviations == Deviations{Deviation::null_array});
    // Where nothing is rewritten, it passes as it came.
    Walked opaque;
    opaque.expect(share_acknowledge_key, 1);
    const Bytes frame =
        response().no_tags().i32(0).i16(0).uvarint(0).uvarint(0).compact_array(0).no_tags().frame();
    REQUIRE(opaque.answer(frame, step) == Stop::input);
    CHECK(opaque.to_client.left == frame);
    CHECK(opaque.view.deviations == Deviations{Deviation::null_array});
  }
}

TEST_CASE("bytes after the last field pass") {
  for (const std::size_t step : {1U, 5U, 100U}) {
    CAPTURE(step);
    Walked c;
    c.expect(share_acknowledge_key, 1, 1);
    c.expect(offset_fetch_key, 7, 2);
    Writer longer =
        response(1).no_tags().i32(0).i16(0).uvarint(0).compact_array(0).compact_array(0).no_tags();
    const Bytes frames = longer.raw("more").frame() + response(2).zeros(5).frame();
    REQUIRE(c.answer(frames, step) == Stop::input);
    CHECK(c.to_client.left == frames);
    CHECK(c.to_client.held.empty());
    CHECK(c.conversation.empty());
    CHECK(c.view.deviations == Deviations{Deviation::trailing_bytes});
    // Behind addresses that become longer, too.
    Walked rewritten;
    rewritten.expect(share_acknowledge_key, 1);
    const auto with_node = [](std::string_view host, std::int32_t port) {
      return acknowledged()
          .compact_array(1)
          .i32(3)
          .compact_str(host)
          .i32(port)
          .uvarint(0)
          .no_tags()
          .no_tags()
          .raw("more")
          .frame();
    };
    REQUIRE(rewritten.answer(with_node("up", 9092), step) == Stop::input);
    CHECK(rewritten.to_client.left == with_node("gateway", 6972));
    CHECK(rewritten.view.deviations == Deviations{Deviation::trailing_bytes});
  }
}

TEST_CASE("an answer to a Produce with acks=0 passes, once") {
  for (const std::size_t step : {1U, 7U, 100U}) {
    CAPTURE(step);
    Walked c;
    c.conversation.note_unacknowledged(CorrelationId{1});
    c.conversation.note_unacknowledged(CorrelationId{2});
    const Bytes early = response(1).zeros(20).frame();
    REQUIRE(c.answer(early, step) == Stop::input);
    c.expect(offset_fetch_key, 7, 9);
    const Bytes frames = response(2).zeros(3).frame() + response(9).zeros(8).frame();
    REQUIRE(c.answer(frames, step) == Stop::input);
    CHECK(c.to_client.left == early + frames);
    CHECK(c.conversation.empty());
    CHECK(c.view.deviations == Deviations{Deviation::unexpected_answer, Deviation::unexpected_answer});
    CHECK(c.answer(response(2).frame()) == Stop::failed);
    CHECK(c.responses.failure().cause == "unsolicited_response");
  }
}

TEST_CASE("of unanswered Produce requests with acks=0 the last 1,024 are remembered") {
  const Policy policy;
  Conversation conversation(policy);
  CHECK_FALSE(conversation.has_unacknowledged());
  for (std::int32_t id = 0; id < 2000; ++id) conversation.note_unacknowledged(CorrelationId{id});
  CHECK_FALSE(conversation.forget_unacknowledged(CorrelationId{975}));
  CHECK(conversation.forget_unacknowledged(CorrelationId{976}));
  CHECK(conversation.forget_unacknowledged(CorrelationId{1500}));
  CHECK_FALSE(conversation.forget_unacknowledged(CorrelationId{1200}));
  CHECK(conversation.forget_unacknowledged(CorrelationId{1999}));
}

}  // namespace
}  // namespace kferry::kafka::test
