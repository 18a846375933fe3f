#include "proxy/close_texts.h"

#include <doctest/doctest.h>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

const HostPort broker{"k1", 9092};

TEST_CASE("a line about a broken connection names the broker and what the client still waits for") {
  const kafka::Policy policy;
  kafka::Conversation conversation(policy);
  conversation.push({.key = kafka::fetch_key, .version = 16, .correlation_id = CorrelationId{1}});
  conversation.push({.key = kafka::metadata_key, .version = 12, .correlation_id = CorrelationId{2}});
  CHECK(broker_cut_text(broker, "Connection reset by peer", conversation) ==
        "the connection to broker k1:9092 broke (Connection reset by peer) with 2 requests unanswered, the "
        "first "
        "Fetch v16: the client is reset; see the broker's log and the network between");
  conversation.pop();
  CHECK(
      broker_silent_text(broker, std::chrono::milliseconds(31'900), conversation) ==
      "the client left after broker k1:9092 had said nothing for 31 s, with 1 request unanswered, the first "
      "Metadata v12: the broker hangs, or the network between loses packets");
}

TEST_CASE("a refused request names the broker that is missing, as far as it is known") {
  const auto begins = [](const StandInRefusal& refusal, std::string_view with) {
    const std::string text = stand_in_text(refusal, "port 6970");
    CHECK(
        text.ends_with(": a stand-in serves bootstrap only, so the client's Produce is refused and its "
                       "connection closed, as if this broker were down"));
    return text.starts_with(with);
  };
  const ApiKey produce = kafka::key_of("Produce");
  CHECK(begins({.own = NodeId{1}, .key = produce}, "broker 1 of port 6970 cannot be reached: "));
  CHECK(begins({.own = NodeId{1}, .late = true, .key = produce},
               "broker 1 of port 6970 has become known since another broker was dialled: "));
  CHECK(begins({.own = {}, .any_broker = true, .key = produce},
               "which broker answers for port 6970 is not known yet: "));
  CHECK(begins({.own = {}, .key = produce}, "no broker is known for port 6970: "));
}

TEST_CASE("a client that names a broker is told which one answers instead") {
  CHECK(other_broker_text(NodeId{2}, NodeId{1}, "port 6970") ==
        "the client asks for broker 2 on port 6970, where broker 1 answers now: closed, as a dead broker "
        "would");
  CHECK(other_broker_text(NodeId{2}, std::nullopt, "port 6970") ==
        "the client asks for broker 2 on port 6970, where a bootstrap server answers now: closed, as a dead "
        "broker would");
}

}  // namespace
}  // namespace kferry::proxy
