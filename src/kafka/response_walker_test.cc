#include "kafka/response_walker.h"

#include <doctest/doctest.h>

#include "kafka/error_codes.h"
#include "kafka/own_answer.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = ResponseWalker::Stop;

Writer& broker(Writer& out, int id, std::string_view host, int port, bool rack_tag = false) {
  out.i32(id).compact_str(host).i32(port).compact_str("rack");
  return rack_tag ? out.one_tag(9, "kept") : out.no_tags();
}
Writer metadata_head(std::uint32_t brokers) {
  Writer out = response();
  out.one_tag(3, "h").i32(0).compact_array(brokers);
  return out;
}
Bytes metadata_end(Writer out) {
  return out.compact_str("cluster-1").i32(1).zeros(300).frame();
}

Bytes fetch(std::size_t records, int nodes, std::uint32_t other_tags = 0) {
  Writer out = response();
  out.no_tags().i32(0).i16(0).i32(0).compact_array(1).zeros(16).compact_array(1);
  out.i32(0).i16(6).i64(1).i64(1).i64(1).compact_array(0).i32(-1);
  out.uvarint(static_cast<std::uint32_t>(records + 1)).raw(std::string(records, 'r')).no_tags().no_tags();
  Writer list;
  list.compact_array(static_cast<std::uint32_t>(nodes));
  for (int i = 0; i < nodes; ++i) broker(list, i == 1 ? 13 : i, "upstream.example", 9092);
  out.uvarint(other_tags + (nodes > 0 ? 1 : 0));
  if (nodes > 0) out.uvarint(0).uvarint(static_cast<std::uint32_t>(list.body().size())).raw(list.body());
  for (std::uint32_t i = 0; i < other_tags; ++i) out.uvarint(20 + i).uvarint(3).raw("tag");
  return out.frame();
}

TEST_CASE("the answer to a request of kferry's own teaches and goes no further") {
  for (const std::size_t step : {1U, 3U, 17U, 1000U}) {
    CAPTURE(step);
    Walked c;
    c.expect(offset_fetch_key, 7, 1);
    c.conversation.push(
        {.key = metadata_key, .version = 2, .correlation_id = CorrelationId{2}, .asked_by_kferry = true});
    c.expect(offset_fetch_key, 7, 3);
    Writer own = response(2);
    own.array(1).i32(5).str("upstream-5").i32(9092).i16(-1);
    own.str("cluster-1").i32(5).array(0);
    const Bytes first = response(1).zeros(9).frame();
    const Bytes last = response(3).zeros(30).frame();
    REQUIRE(c.answer(first + own.frame() + last, step) == Stop::input);
    CHECK(c.to_client.left == first + last);
    CHECK(c.to_client.held.empty());
    CHECK(c.view.learnt == std::vector<std::string>{"5=upstream-5:9092"});
    CHECK(c.conversation.empty());
  }
}

TEST_CASE("a rewritten Metadata keeps unknown tags and the tail") {
  Writer before = metadata_head(3);
  broker(before, 1, "upstream-1", 9092, true);
  broker(before, 13, "upstream-13", 9092);
  broker(before, -1, "upstream-none", 9099);
  Writer after = metadata_head(2);
  after.i32(1).compact_str("gateway").i32(6970).compact_str("rack").one_tag(9, "kept");
  broker(after, -1, "", -1);
  const Bytes sent = metadata_end(before);
  for (std::size_t step = 1; step <= sent.size(); step += step < 40 ? 1 : 37) {
    Walked c;
    c.expect(metadata_key, 12);
    REQUIRE(c.answer(sent, step) == Stop::input);
    CHECK(c.to_client.left == metadata_end(after));
    CHECK(c.view.lessons == 1);
    CHECK(c.view.full);
    CHECK(c.view.cluster_id == "cluster-1");
    CHECK(c.view.learnt == std::vector<std::string>{"1=upstream-1:9092", "13=upstream-13:9092"});
    CHECK(c.view.missing == std::vector<std::int32_t>{13});
    CHECK(c.conversation.empty());
  }
}

TEST_CASE("Metadata of another cluster ends the connection, and nothing of it leaves") {
  Writer before = metadata_head(1);
  broker(before, 1, "upstream-1", 9092);
  Walked c;
  c.view.ours = false;
  c.expect(metadata_key, 12);
  CHECK(c.answer(metadata_end(before), 11) == Stop::failed);
  CHECK(c.responses.failure().cause == "cluster_id_changed");
  CHECK(c.to_client.left.empty());
}

TEST_CASE("a coordinator that cannot be mapped becomes an error; one without an id stays") {
  Writer before = response();
  before.no_tags().i32(0).compact_array(3);
  before.compact_str("g1").i32(13).compact_str("upstream").i32(9092).i16(0).uvarint(0).no_tags();
  before.compact_str("g2")
      .i32(-1)
      .compact_str("upstream-none")
      .i32(9099)
      .i16(15)
      .compact_str("none")
      .no_tags();
  before.compact_str("g3").i32(2).compact_str("upstream").i32(9092).i16(0).uvarint(0).no_tags();
  Writer after = response();
  after.no_tags().i32(0).compact_array(3);
  after.compact_str("g1").i32(-1).compact_str("").i32(-1).i16(15).uvarint(0).no_tags();
  after.compact_str("g2").i32(-1).compact_str("").i32(-1).i16(15).compact_str("none").no_tags();
  after.compact_str("g3").i32(2).compact_str("gateway").i32(6971).i16(0).uvarint(0).no_tags();
  Walked c;
  c.expect(find_coordinator_key, 4);
  CHECK(c.answer(before.no_tags().frame(), 1) == Stop::input);
  CHECK(c.to_client.left == after.no_tags().frame());
  CHECK_FALSE(c.view.full);

  Walked old;
  old.expect(find_coordinator_key, 0);
  CHECK(old.answer(response().i16(0).i32(13).str("upstream").i32(9092).frame()) == Stop::input);
  CHECK(old.to_client.left == response().i16(15).i32(-1).str("").i32(-1).frame());
}

TEST_CASE("DescribeCluster of controllers is emptied, and nothing is learnt from it") {
  Writer before = response();
  before.no_tags().i32(0).i16(0).uvarint(0).i8(2).compact_str("cluster-1").i32(1).compact_array(1);
  broker(before, 3000, "controller", 9093);
  Writer after = response();
  after.no_tags().i32(0).i16(0).uvarint(0).i8(2).compact_str("cluster-1").i32(1).compact_array(0);
  Walked c;
  c.expect(describe_cluster_key, 1);
  CHECK(c.answer(before.i32(-1).no_tags().frame(), 2) == Stop::input);
  CHECK(c.to_client.left == after.i32(-1).no_tags().frame());
  CHECK(c.view.lessons == 0);
}

TEST_CASE("a small Fetch is rewritten exactly and keeps its other tags") {
  for (const std::uint32_t tags : {0U, 2U}) {
    const Bytes before = fetch(100, 2, tags);
    for (std::size_t step = 1; step <= before.size(); ++step) {
      Walked c;
      c.expect(fetch_key, 17);
      REQUIRE(c.answer(before, step) == Stop::input);
      CHECK(c.view.learnt.size() == 2);
      CHECK(c.view.missing == std::vector<std::int32_t>{13});
      CHECK(c.to_client.text().find("upstream") == std::string::npos);
      CHECK(c.to_client.text().find("gateway") != std::string::npos);
      CHECK(c.to_client.left.size() < before.size());
      CHECK(c.to_client.left.size() ==
            4 + static_cast<std::size_t>(load<std::int32_t>(c.to_client.left.data())));
    }
  }
}

TEST_CASE("what follows records can be walked before it is fed, up to the tail") {
  Writer out = response();
  out.no_tags().i32(0).i16(0).i32(0).compact_array(1).zeros(16).compact_array(3);
  for (const std::size_t records : {90'000U, 70'000U, 80'000U}) {
    out.i32(0).i16(6).i64(1).i64(1).i64(1).compact_array(0).i32(-1);
    out.uvarint(static_cast<std::uint32_t>(records + 1)).raw(std::string(records, 'r')).no_tags();
  }
  const Bytes frame = out.no_tags().no_tags().frame();
  for (const std::size_t step : {1U, 7U, 100'000U}) {
    Walked c;
    c.expect(fetch_key, 17);
    REQUIRE(c.answer(Bytes(frame.begin(), frame.begin() + 1000)) == Stop::input);
    std::size_t at = 1000;
    std::size_t walked = 0;
    while (c.responses.can_walk_ahead()) {
      at += c.responses.opaque_run();
      const auto size =
          c.responses.walk_ahead(std::span(frame).subspan(at, std::min(step, frame.size() - at)));
      REQUIRE(size.has_value());
      at += *size;
      ++walked;
      if (!c.responses.can_walk_ahead() && at + 1 < frame.size()) {  // inside a field: feed its rest
        const std::size_t rest = std::min<std::size_t>(60, frame.size() - 1 - at);
        REQUIRE(c.answer(Bytes(frame.begin() + static_cast<std::ptrdiff_t>(at),
                               frame.begin() + static_cast<std::ptrdiff_t>(at + rest))) == Stop::input);
        at += rest;
      }
    }
    CHECK(walked >= 2);
    CHECK(at == frame.size() - 1);
    CHECK_FALSE(c.responses.at_boundary());
    CHECK(c.responses.cut());
    REQUIRE(c.answer(Bytes(frame.begin() + static_cast<std::ptrdiff_t>(at), frame.end())) == Stop::input);
    CHECK(c.responses.at_boundary());
  }
}

TEST_CASE("malformed bytes behind records are left for feed() to report") {
  const Bytes frame = fetch(200'000, 0, 2);
  Walked c;
  c.expect(fetch_key, 17);
  REQUIRE(c.answer(Bytes(frame.begin(), frame.begin() + 1000)) == Stop::input);
  const std::uint64_t run = c.responses.opaque_run();
  const Bytes broken(6, std::byte{0xFF});  // a tag section that counts more than there is
  CHECK_FALSE(c.responses.walk_ahead(broken).has_value());
  CHECK(c.responses.opaque_run() == run);
  c.responses.skip(run);
  CHECK(c.answer(broken) == Stop::failed);
}

TEST_CASE("a large Fetch streams its records and keeps its size without node endpoints") {
  for (const int nodes : {0, 2}) {
    const Bytes before = fetch(200'000, nodes, 2);
    Walked c;
    c.expect(fetch_key, 17);
    REQUIRE(c.answer(Bytes(before.begin(), before.begin() + 1000)) == Stop::input);
    CHECK(c.to_client.held.empty());
    CHECK(c.to_client.left.size() == 1000);
    const std::uint64_t run = c.responses.opaque_run();
    CHECK(run > 199'000);
    CHECK(run < 200'000);
    c.responses.skip(run);
    const Bytes rest(before.begin() + 1000 + static_cast<std::ptrdiff_t>(run), before.end());
    REQUIRE(c.answer(rest, 3) == Stop::input);
    CHECK(c.to_client.left.size() == 1000 + rest.size());
    CHECK(c.to_client.text().find("upstream") == std::string::npos);
    CHECK(c.view.lessons == (nodes > 0 ? 1 : 0));
    CHECK(c.responses.at_boundary());
  }
}

TEST_CASE("an unsolicited response and a wrong correlation id end the connection") {
  Walked unsolicited;
  CHECK(unsolicited.answer(Bytes(1)) == Stop::failed);
  CHECK(unsolicited.responses.failure().cause == "unsolicited_response");

  Walked other;
  other.expect(offset_fetch_key, 7);
  const Bytes good = response().zeros(10).frame();
  CHECK(other.answer(good + response(8).zeros(10).frame()) == Stop::failed);  // the second one
  CHECK(other.to_client.left == good);

  Walked wrong;
  wrong.expect(offset_fetch_key, 7);
  CHECK(wrong.answer(response(8).zeros(10).frame(), 1) == Stop::failed);
  CHECK(wrong.responses.failure().cause == "wrong_correlation_id");
  CHECK(wrong.responses.failure().text.find("OffsetFetch v7") != std::string::npos);
  CHECK(wrong.to_client.left.empty());
}

TEST_CASE("a broker's impossible length is named") {
  const auto cause = [](std::string_view text) {
    Walked c;
    c.expect(metadata_key, 1);
    const auto bytes = std::as_bytes(std::span(text));
    REQUIRE(c.answer(Bytes(bytes.begin(), bytes.end()), 1) == Stop::failed);
    return c.responses.failure().cause;
  };
  CHECK(cause("\xff\xff\xff\xff") == "negative_frame_size");
  CHECK(cause(std::string_view("\0\0\0\3", 4)) == "frame_too_small");
  CHECK(cause(std::string_view("\x15\x03\x03\0\2\2\x28", 7)) == "tls_answer_on_plaintext");
  CHECK(cause("HTTP/1.1 400") == "http_answer");
}

TEST_CASE("a malformed Metadata ends the connection, naming field and offset") {
  const auto text = [](Writer out, int version) {
    Walked c;
    c.expect(metadata_key, version);
    REQUIRE(c.answer(out.frame(), 1) == Stop::failed);
    CHECK(c.to_client.left.empty());
    CHECK(c.responses.failure().cause == "malformed_frame");
    return c.responses.failure().text;
  };
  const auto has = [](const std::string& words, std::string_view word) {
    CAPTURE(words);
    CHECK(words.find(word) != std::string::npos);
  };
  has(text(response().i32(0x7FFF'FFFF).zeros(60), 0), "brokers counts more");
  has(text(response().i32(-2), 0), "brokers has a negative length");
  has(text(response().i32(1).i32(1).i16(500).zeros(20), 0), "byte 18: host runs beyond");
  has(text(response().i32(1).i32(1).str("host").i16(1), 0), "port runs beyond");
  has(text(response().no_tags().i32(0).raw("\xff\xff\xff\xff\xff\xff").zeros(20), 12), "more than five");
  has(text(response().no_tags().i32(0).raw("\xff\xff\xff\xff\x7f").zeros(20), 12), "beyond 32 bits");
  has(text(response().uvarint(200).zeros(20), 12), "more tags");
  has(text(response(), 12), "tags runs beyond");
  has(text(response().one_tag(1, "").raw("\xff"), 12), "throttle_time_ms runs beyond");
}

TEST_CASE("a message that runs beyond its frame is malformed") {
  Walked shorter;
  shorter.expect(share_acknowledge_key, 1);
  CHECK(shorter.answer(response().no_tags().i32(0).i16(0).uvarint(0).compact_array(0).frame(), 1) ==
        Stop::failed);
  CHECK(shorter.to_client.left.empty());
}

TEST_CASE("a known tag must have the size it states, and occur once") {
  const auto answer = [](Writer tail) {
    Walked c;
    c.expect(produce_key, 10);
    Writer out = response();
    out.no_tags().compact_array(0).i32(0).raw(tail.body());
    const Stop stop = c.answer(out.frame(), 1);
    CHECK(c.to_client.left.empty() == (stop == Stop::failed));
    return stop == Stop::failed ? c.responses.failure().text : std::string();
  };
  CHECK(answer(Writer().one_tag(0, "\1")).empty());
  CHECK(answer(Writer().one_tag(0, "\1\1")).find("shorter than its tag") != std::string::npos);
  CHECK(answer(Writer().one_tag(0, "\2")).find("counts more") != std::string::npos);
  CHECK(answer(
            Writer().uvarint(2).uvarint(0).uvarint(1).compact_array(0).uvarint(0).uvarint(1).compact_array(0))
            .find("twice") != std::string::npos);
}

TEST_CASE("the kept part of a response is limited") {
  Policy policy;
  policy.held_size_max = 1000;
  Walked c(policy);
  c.expect(metadata_key, 12);
  Writer before = metadata_head(50);
  for (int i = 0; i < 50; ++i) broker(before, i, "upstream.example.com", 9092);
  CHECK(c.answer(metadata_end(before), 100) == Stop::failed);
  CHECK(c.responses.failure().cause == "held_part_too_large");
  CHECK(c.to_client.left.empty());
}

TEST_CASE("an answer of kferry's own leaves when its turn comes") {
  const Bytes own_answer =
      response(42).i16(error_unsupported_version).i32(1).i16(number(api_versions_key)).i16(0).i16(5).frame();
  const auto own = [](ApiVersion version) {
    return Unanswered{api_versions_key, version, CorrelationId{42}, &unsupported_api_versions};
  };
  Walked c;
  c.expect(offset_fetch_key, 7, 1);
  c.conversation.push(own(6));
  c.conversation.push(own(7));
  c.expect(offset_fetch_key, 7, 2);
  c.responses.answer_own();
  CHECK(c.to_client.left.empty());
  const Bytes first = response(1).zeros(9).frame();
  const Bytes last = response(2).zeros(9).frame();
  REQUIRE(c.answer(first + last) == Stop::input);
  CHECK(c.to_client.left == first + own_answer + own_answer + last);
  c.conversation.push(own(6));
  c.responses.answer_own();
  CHECK(c.to_client.left == first + own_answer + own_answer + last + own_answer);
  CHECK(c.conversation.empty());
}

TEST_CASE("another kind of own answer is one row") {
  // A refused SaslAuthenticate, in the encoding of the requested version.
  static constexpr OwnAnswer refused_authentication{[](Writer& body, const Unanswered& request) {
    Writer fields(request.version >= 2);
    fields.tags().i16(58).str("no such user").bytes({}).i64(0).tags();
    body.raw(fields.body());
  }};
  Walked c;
  c.expect(metadata_key, 1, 1);
  c.conversation.push({sasl_authenticate_key, 1, CorrelationId{2}, &refused_authentication});
  c.conversation.push({sasl_authenticate_key, 2, CorrelationId{3}, &refused_authentication});
  const Bytes metadata = response(1).i32(0).i32(0).i32(0).frame();
  for (const std::byte one : metadata) REQUIRE(c.answer({one}) == Stop::input);
  const Bytes classic = response(2).i16(58).str("no such user").i32(0).i64(0).frame();
  const Bytes flexible =
      response(3).no_tags().i16(58).compact_str("no such user").compact_array(0).i64(0).no_tags().frame();
  CHECK(c.to_client.left == metadata + classic + flexible);
  CHECK(c.conversation.empty());
}

TEST_CASE("an opaque response is one run behind its first bytes") {
  Walked c;
  c.expect(offset_fetch_key, 7);
  c.expect(offset_fetch_key, 7);
  const Bytes frame = response().zeros(1000).frame();
  REQUIRE(c.answer(Bytes(frame.begin(), frame.begin() + 8)) == Stop::input);
  CHECK(c.responses.opaque_run() == frame.size() - 8);
  c.responses.skip(frame.size() - 8);
  CHECK(c.responses.at_boundary());
  CHECK(c.conversation.size() == 1);
  REQUIRE(c.answer(response().frame(), 1) == Stop::input);  // the smallest one
  CHECK(c.conversation.empty());
}

}  // namespace
}  // namespace kferry::kafka::test
