#include "kafka/request_walker.h"

#include <doctest/doctest.h>

#include <initializer_list>

#include "kafka/own_answer.h"
#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = RequestWalker::Stop;

// The bytes of a text.
Bytes bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string_view cause_of(const Bytes& bytes, std::size_t step = SIZE_MAX) {
  Walked c;
  if (c.ask(bytes, step) != Stop::failed) return "";
  CHECK(c.to_broker.left.empty());
  CHECK_FALSE(c.requests.failure().text.empty());
  return c.requests.failure().cause;
}

Bytes produce(int version, std::int16_t acks) {
  Writer out = request(produce_key, version);
  if (version >= 9) out.one_tag(5, "unknown").compact_str("transaction");
  if (version >= 3 && version < 9) out.str("transaction");
  return out.i16(acks).zeros(40).frame();
}

TEST_CASE("other protocols are named by their first bytes, alone or with the rest") {
  for (const std::size_t step : {std::size_t{1}, SIZE_MAX}) {
    CHECK(cause_of(bytes(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)), step) ==
          "tls_hello_on_plaintext");
    CHECK(cause_of(bytes("GET / HTTP/1.1\r\n\r\n"), step) == "http_request");
    CHECK(cause_of(bytes("PRI * HTTP/2.0\r\n"), step) == "http_request");
    CHECK(cause_of(bytes("PROXY TCP4 1.2.3.4"), step) == "proxy_protocol_header");
    CHECK(cause_of(bytes("SSH-2.0-OpenSSH"), step) == "ssh_on_kafka_port");
  }
}

TEST_CASE("an impossible length ends the connection at once") {
  CHECK(cause_of(bytes("\xff\xff\xff\xff")) == "negative_frame_size");
  CHECK(cause_of(bytes("\x7f\xff\xff\xff")) == "frame_too_large");
  CHECK(cause_of(bytes(std::string_view("\x06\x40\x00\x01", 4))) == "frame_too_large");
  CHECK(cause_of(bytes(std::string_view("\x00\x00\x00\x09", 4))) == "frame_too_small");
  CHECK(cause_of(bytes(std::string_view("\x00\x00\x00\x00", 4))) == "frame_too_small");
}

TEST_CASE("an implausible header ends the connection before the judge is asked") {
  const auto cause = [](Writer out) { return cause_of(out.zeros(20).frame()); };
  CHECK(cause(request(ApiKey{newest_api_key + 1}, 0)) == "implausible_request_header");
  CHECK(cause(request(ApiKey{-1}, 0)) == "implausible_request_header");
  CHECK(cause(request(metadata_key, 128)) == "implausible_request_header");
  CHECK(cause(request(metadata_key, -1)) == "implausible_request_header");
  CHECK(cause(Writer().i16(3).i16(1).i32(7).i16(-2)) == "implausible_request_header");
  CHECK(cause(Writer().i16(3).i16(1).i32(7).i16(21)) == "implausible_request_header");
  CHECK(cause(Writer().i16(0x6082).i16(0x025b).i32(7).i16(0)) == "gssapi_token_first");
  CHECK(cause(Writer().i16(0x0504).i16(0).i32(7).i16(0)) == "gssapi_token_first");
}

TEST_CASE("a partial header waits for more input, and nothing passes") {
  const Bytes whole = request(metadata_key, 1).zeros(4).frame();
  for (std::size_t size = 0; size < 15; ++size) {
    Walked c;
    CHECK(c.ask(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))) == Stop::input);
    CHECK(c.to_broker.left.empty());
    CHECK(c.judge.seen.empty());
    CHECK_FALSE(c.requests.started());
    CHECK(c.requests.at_boundary() == (size == 0));
  }
}

TEST_CASE("hidden keys and versions outside the table are refused, naming the client's software") {
  Walked c;
  const Bytes hello = request(api_versions_key, 3)
                          .no_tags()
                          .compact_str("apache-kafka-java")
                          .compact_str("9.9.9")
                          .no_tags()
                          .frame();
  REQUIRE(c.ask(hello) == Stop::input);
  CHECK(c.conversation.client_software.view() == "apache-kafka-java 9.9.9");
  REQUIRE(c.ask(request(fetch_key, 19).zeros(4).frame()) == Stop::failed);
  CHECK(c.requests.failure().cause == "version_above_table");
  for (const char* word : {"Fetch v19", "0 to 18", "apache-kafka-java 9.9.9"})
    CHECK(c.requests.failure().text.find(word) != std::string::npos);
  CHECK(c.to_broker.left == hello);

  CHECK(cause_of(request(share_fetch_key, 0).zeros(4).frame()) == "version_below_table");
  for (const ApiKey key : {vote_key, begin_quorum_epoch_key, end_quorum_epoch_key, envelope_key,
                           fetch_snapshot_key, update_raft_voter_key})
    CHECK(cause_of(request(key, 0).frame()) == "hidden_api_key");
  Walked later;
  REQUIRE(later.ask(request(metadata_key, 1).frame()) == Stop::input);
  REQUIRE(later.ask(request(ApiKey{newest_api_key + 1}, 0).frame()) == Stop::failed);
  CHECK(later.requests.failure().cause == "hidden_api_key");
  CHECK(later.requests.failure().text.find("pass_api_keys = [95]") != std::string::npos);
}

TEST_CASE("keys in pass_api_keys and vendors' keys pass") {
  Policy policy;
  policy.pass_api_keys = {95, 52};
  for (const std::int16_t key : std::initializer_list<std::int16_t>{95, 52, 10'000, 32'767}) {
    Walked c(policy);
    const Bytes frame = request(ApiKey{key}, 3).zeros(9).frame();
    CHECK(c.ask(frame, 3) == Stop::input);
    CHECK(c.to_broker.left == frame);
  }
}

TEST_CASE("Produce with acks 0 is not queued, wherever it is cut") {
  for (const int version : {0, 2, 3, 8, 9, 13}) {
    for (const std::int16_t acks : std::initializer_list<std::int16_t>{0, 1, -1}) {
      const Bytes frame = produce(version, acks);
      for (std::size_t step = 1; step <= frame.size(); ++step) {
        Walked c;
        REQUIRE(c.ask(frame + frame, step) == Stop::input);
        CHECK(c.to_broker.left == frame + frame);
        CHECK(c.conversation.size() == (acks == 0 ? 0 : 2));
      }
    }
  }
}

TEST_CASE("a judge that waits is asked again, and nothing leaves meanwhile") {
  const Bytes first = request(metadata_key, 1, 1).zeros(4).frame();
  const Bytes second = request(offset_fetch_key, 7, 2, "client").zeros(9).frame();
  SUBCASE("whole in one chunk: its frame is not consumed") {
    Walked c;
    c.judge.answer = Judgement::wait;
    CHECK(c.ask(first + second) == Stop::judge);
    CHECK(c.rest == first + second);
    c.judge.answer = Judgement::forward;
    CHECK(c.ask(c.rest) == Stop::input);
    CHECK(c.to_broker.left == first + second);
    CHECK(c.judge.client_ids == std::vector<std::string>{"c", "c", "client"});
  }
  SUBCASE("in pieces: what came is held, and an empty chunk asks again") {
    for (std::size_t step = 1; step < 14; ++step) {
      Walked c;
      c.judge.answer = Judgement::wait;
      CHECK(c.ask(second, step) == Stop::judge);
      CHECK(c.to_broker.left.empty());
      CHECK(c.ask({}) == Stop::judge);
      c.judge.answer = Judgement::forward;
      CHECK(c.ask({}) == Stop::input);
      CHECK(c.ask(c.rest, step) == Stop::input);
      const std::size_t gone = c.to_broker.left.size();
      CHECK(std::equal(c.to_broker.left.begin(), c.to_broker.left.end(), second.begin()));
      CHECK(gone >= 15);
      CHECK(c.conversation.size() == 1);
      CHECK(c.judge.client_ids == std::vector<std::string>{"client", "client", "client"});
    }
  }
}

TEST_CASE("nothing of a frame passes if the judge closes") {
  Walked c;
  const Bytes first = request(metadata_key, 1).frame();
  REQUIRE(c.ask(first) == Stop::input);
  c.judge.answer = Judgement::close;
  CHECK(c.ask(request(offset_fetch_key, 1).zeros(30).frame()) == Stop::refused);
  CHECK(c.to_broker.left == first);
  CHECK(c.conversation.size() == 1);
}

TEST_CASE("walking stops at the limit of unanswered requests, and continues when there is room") {
  Policy policy;
  policy.unanswered_max = 2;
  Walked c(policy);
  const Bytes one = request(offset_fetch_key, 1).zeros(5).frame();
  CHECK(c.ask(one + one + one) == Stop::full);
  CHECK(c.rest == one);
  CHECK(c.requests.at_boundary());
  CHECK(c.ask(c.rest) == Stop::full);
  c.conversation.pop();
  CHECK(c.ask(c.rest) == Stop::input);
  CHECK(c.to_broker.left == one + one + one);
}

TEST_CASE("ApiVersions above the table is queued with kferry's own answer and dropped") {
  const Bytes own = request(api_versions_key, 6, 42).one_tag(1, "x").zeros(20).frame();
  const Bytes next = request(metadata_key, 1).frame();
  for (std::size_t step = 1; step <= own.size() + 1; ++step) {
    Walked c;
    REQUIRE(c.ask(own + next, step) == Stop::input);
    CHECK(c.to_broker.left == next);
    CHECK(c.judge.seen.front().own_answer);
    REQUIRE(c.conversation.size() == 2);
    CHECK(c.conversation.front().own == &unsupported_api_versions);
    CHECK(number(c.conversation.front().correlation_id) == 42);
  }
}

TEST_CASE("the judge sees which cluster and node ApiVersions 5 names") {
  for (const int node : {-1, 0, 5}) {
    Walked c;
    const Bytes frame = request(api_versions_key, 5)
                            .no_tags()
                            .compact_str("librdkafka")
                            .compact_str("2.15")
                            .compact_str("cluster")
                            .i32(node)
                            .no_tags()
                            .frame();
    REQUIRE(c.ask(frame, 5) == Stop::input);
    CHECK(c.judge.seen.front().asked_node == (node < 0 ? std::nullopt : std::optional(NodeId{node})));
    CHECK(c.judge.asked_clusters.front() == "cluster");
    REQUIRE(c.ask(request(api_versions_key, 0).frame()) == Stop::input);
    CHECK(c.judge.asked_clusters.back().empty());
  }
}

TEST_CASE("ControlledShutdown 0 has no client id") {
  Walked c;
  const Bytes frame = Writer().i16(7).i16(0).i32(7).i32(0x7FFF'FFFF).frame();
  CHECK(c.ask(frame, 1) == Stop::input);
  CHECK(c.to_broker.left == frame);
  CHECK(c.judge.client_ids.front().empty());
}

TEST_CASE("the rest of a frame is an opaque run that may be skipped") {
  Walked c;
  const Bytes frame = request(offset_fetch_key, 1).zeros(1000).frame();
  REQUIRE(c.ask(Bytes(frame.begin(), frame.begin() + 30)) == Stop::input);
  CHECK(c.requests.opaque_run() == frame.size() - 30);
  c.requests.skip(100);
  CHECK_FALSE(c.requests.at_boundary());
  c.requests.skip(c.requests.opaque_run());
  CHECK(c.requests.at_boundary());
  CHECK(c.requests.opaque_run() == 0);
}

TEST_CASE("a head without an end is kept up to a limit") {
  const auto feed = [](std::size_t size) {
    Walked c;
    const Bytes frame =
        request(produce_key, 9, 7, std::string(32'767, 'c')).one_tag(1, std::string(size, 't')).frame();
    return c.ask(frame, 1000) == Stop::failed ? c.requests.failure().cause : "";
  };
  CHECK(feed(50'000) == "malformed_frame");  // the whole frame was kept, but it has no acks
  CHECK(feed(100'000) == "head_too_large");
}

TEST_CASE("a request with a field longer than the frame is malformed") {
  // The mechanism claims more than the frame holds.
  CHECK(cause_of(request(sasl_handshake_key, 1).i16(500).frame()) == "malformed_frame");
  // The frame ends behind the client id. In pieces this once walked forever.
  for (const std::size_t step : {std::size_t{1}, std::size_t{14}, SIZE_MAX})
    for (const int version : {0, 9})
      CHECK(cause_of(request(produce_key, version, 7, "").frame(), step) == "malformed_frame");
  CHECK(cause_of(request(api_versions_key, 3).no_tags().uvarint(200).zeros(10).frame()) == "malformed_frame");
  CHECK(cause_of(request(produce_key, 9).uvarint(1).uvarint(1).uvarint(0xFFFF'FFFF).zeros(10).frame()) ==
        "malformed_frame");
}

}  // namespace
}  // namespace kferry::kafka::test
