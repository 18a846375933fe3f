#include "kafka/conversation.h"

#include <doctest/doctest.h>

#include "kafka/api_keys.h"

namespace kferry::kafka {
namespace {

Unanswered numbered(std::int32_t id) {
  return {.key = metadata_key, .version = 1, .correlation_id = CorrelationId{id}};
}

TEST_CASE("requests leave the queue in order, however long it has been in use") {
  const Policy policy;
  Conversation conversation(policy);
  std::int32_t in = 0;
  std::int32_t out = 0;
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 1 + round % 7; ++i) conversation.push(numbered(in++));
    for (int i = 0; i < 1 + round % 5 && !conversation.empty(); ++i) {
      REQUIRE(number(conversation.front().correlation_id) == out++);
      conversation.pop();
    }
    REQUIRE(conversation.size() == static_cast<std::size_t>(in - out));
  }
}

TEST_CASE("the queue is full at the limit of the policy") {
  Policy policy;
  policy.unanswered_max = 3;
  Conversation conversation(policy);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(conversation.full());
    conversation.push(numbered(i));
  }
  CHECK(conversation.full());
  conversation.pop();
  CHECK_FALSE(conversation.full());
}

TEST_CASE("kferry asks between frames, never within a SASL exchange") {
  const Policy policy;
  Conversation conversation(policy);
  CHECK(conversation.may_ask());
  conversation.push({.key = api_versions_key});
  CHECK(conversation.may_ask());
  conversation.push({.key = sasl_authenticate_key});
  CHECK_FALSE(conversation.may_ask());
  conversation.pop();
  CHECK_FALSE(conversation.may_ask());
  conversation.pop();
  CHECK(conversation.may_ask());
  conversation.push({.key = sasl_handshake_key});
  CHECK_FALSE(conversation.may_ask());
  conversation.pop();
  for (const auto sasl : {Conversation::Sasl::awaiting_handshake, Conversation::Sasl::raw}) {
    conversation.sasl = sasl;
    CHECK_FALSE(conversation.may_ask());
  }
  conversation.sasl = Conversation::Sasl::framed;
  conversation.raw_answers = true;
  CHECK_FALSE(conversation.may_ask());
}

}  // namespace
}  // namespace kferry::kafka
