// Raw SASL tokens after SaslHandshake version 0, both directions (docs/protocol.md section 4).
#include <doctest/doctest.h>

#include "kafka/walking_test.h"

namespace kferry::kafka::test {
namespace {

using Stop = RequestWalker::Stop;

Bytes handshake(std::string_view mechanism) {
  return request(sasl_handshake_key, 0).str(mechanism).frame();
}
Bytes token(std::string_view text) {
  return Writer().raw(text).frame();
}
Bytes handshake_answer(std::int16_t error) {
  return response().i16(error).i32(1).str("PLAIN").frame();
}
const Bytes ordinary = request(metadata_key, 1, 8).i32(0).frame();
const Bytes gssapi_token =
    token(std::string_view("\x60\x82\x02\x5b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02", 15));

TEST_CASE("after SaslHandshake 0 no byte is interpreted before the answer") {
  Walked c;
  CHECK(c.ask(handshake("PLAIN") + token("secret")) == Stop::full);
  CHECK(c.rest == token("secret"));
  CHECK(c.ask(c.rest) == Stop::full);
  CHECK(c.to_broker.left == handshake("PLAIN"));
}

TEST_CASE("PLAIN has one token and SCRAM two each way, even if they resemble requests") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{5}, SIZE_MAX}) {
    for (const auto& [mechanism, tokens] : {std::pair("PLAIN", 1U), std::pair("SCRAM-SHA-512", 2U)}) {
      Walked c;
      REQUIRE(c.ask(handshake(mechanism), step) == Stop::input);
      REQUIRE(c.answer(handshake_answer(0), step) == ResponseWalker::Stop::input);
      CHECK(c.to_client.left == handshake_answer(0));
      Bytes sent = handshake(mechanism);
      Bytes answered = handshake_answer(0);
      for (unsigned i = 0; i < tokens; ++i) {
        // It resembles a request.
        REQUIRE(c.ask(ordinary, step) == Stop::input);
        CHECK(c.judge.seen.back().raw_token);
        sent = sent + ordinary;
        REQUIRE(c.answer(token(i == 0 ? "" : "v=proof"), step) == ResponseWalker::Stop::input);
        answered = answered + token(i == 0 ? "" : "v=proof");
      }
      CHECK(c.conversation.empty());
      REQUIRE(c.ask(ordinary, step) == Stop::input);
      CHECK_FALSE(c.judge.seen.back().raw_token);
      CHECK(c.conversation.size() == 1);
      CHECK(c.to_broker.left == sent + ordinary);
      CHECK(c.to_client.left == answered);
      CHECK(c.answer(token("x"), step) == ResponseWalker::Stop::failed);  // now a response is due
    }
  }
}

TEST_CASE("GSSAPI ends with the first plausible request") {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    Walked c;
    REQUIRE(c.ask(handshake("GSSAPI"), step) == Stop::input);
    REQUIRE(c.answer(handshake_answer(0), step) == ResponseWalker::Stop::input);
    const Bytes tokens = gssapi_token + token("") + token(std::string_view("\x05\x04\x04\xff\x00\x0c", 6)) +
                         token(std::string_view("\x05\x04\x04\xff\x00\x0c\0\0\0\0\0\0\0\0", 14));
    REQUIRE(c.ask(tokens + ordinary, step) == Stop::input);
    CHECK(c.to_broker.left == handshake("GSSAPI") + tokens + ordinary);
    CHECK(c.conversation.raw_tokens == 4);
    CHECK(c.conversation.size() == 1);
    CHECK(c.conversation.sasl == Conversation::Sasl::framed);
    CHECK(c.judge.seen.size() == 6);
  }
}

TEST_CASE("after a refused SaslHandshake 0 only requests are accepted") {
  Walked c;
  REQUIRE(c.ask(handshake("GSSAPI")) == Stop::input);
  REQUIRE(c.answer(handshake_answer(33), 3) == ResponseWalker::Stop::input);
  CHECK(c.to_client.left == handshake_answer(33));
  CHECK(c.ask(gssapi_token) == Stop::failed);
}

TEST_CASE("SaslHandshake 1 is an ordinary request") {
  Walked c;
  const Bytes frame = request(sasl_handshake_key, 1).str("SCRAM-SHA-256").frame();
  CHECK(c.ask(frame + ordinary, 4) == Stop::input);
  CHECK(c.conversation.sasl_mechanism.view() == "SCRAM-SHA-256");
  CHECK(c.conversation.sasl == Conversation::Sasl::framed);
  CHECK(c.conversation.size() == 2);
}

TEST_CASE("a token may not be larger than a request") {
  Walked c;
  REQUIRE(c.ask(handshake("PLAIN")) == Stop::input);
  REQUIRE(c.answer(handshake_answer(0)) == ResponseWalker::Stop::input);
  CHECK(c.ask(Bytes(4, std::byte{0x7F})) == Stop::failed);
}

}  // namespace
}  // namespace kferry::kafka::test
