#include "proxy/map_question.h"

#include <doctest/doctest.h>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

struct Fixture {
  const kafka::Policy policy{};
  ClusterState cluster{"main", null_log_sink()};
  kafka::Conversation first{policy};
  kafka::Conversation second{policy};
};

TEST_CASE("the question is asked once, and its answer is kferry's own") {
  Fixture f;
  MapQuestion question;
  CHECK(question.ask(f.first, "app", f.cluster).empty());
  CHECK(question.begin());
  CHECK(!question.begin());
  CHECK(!question.ask(f.first, "app", f.cluster).empty());
  CHECK(question.ask(f.first, "app", f.cluster).empty());
  REQUIRE(f.first.size() == 1);
  CHECK(f.first.front().key == kafka::metadata_key);
  CHECK(f.first.front().asked_by_kferry);
}

TEST_CASE("one session of a cluster asks at a time, and the next one when it is over") {
  Fixture f;
  MapQuestion asks;
  MapQuestion waits;
  REQUIRE(asks.begin());
  REQUIRE(waits.begin());
  CHECK(!asks.ask(f.first, "app", f.cluster).empty());
  CHECK(waits.ask(f.second, "app", f.cluster).empty());
  CHECK(waits.waiting());
  asks.end(f.cluster);
  CHECK(asks.over());
  CHECK(!waits.ask(f.second, "app", f.cluster).empty());
}

TEST_CASE("a session that only waits takes the turn from no other when it ends") {
  Fixture f;
  MapQuestion asks;
  MapQuestion waits;
  REQUIRE(asks.begin());
  REQUIRE(waits.begin());
  REQUIRE(!asks.ask(f.first, "app", f.cluster).empty());
  waits.end(f.cluster);
  CHECK(f.cluster.asking_for_map);
}

TEST_CASE("a request waits only while the map is unknown and the question is not over") {
  Fixture f;
  MapQuestion question;
  Snapshot known;
  known.nodes.push_back({NodeId{1}, {"a", 9092}, {}, true, false});
  CHECK(question.may_help({}));
  CHECK(!question.may_help(known));
  question.end(f.cluster);
  CHECK(!question.may_help({}));
}

TEST_CASE("between the frames of a SASL exchange nothing is asked") {
  Fixture f;
  MapQuestion question;
  REQUIRE(question.begin());
  f.first.push({.key = kafka::sasl_handshake_key, .version = 1, .correlation_id = CorrelationId{1}});
  CHECK(question.ask(f.first, "app", f.cluster).empty());
  CHECK(!f.cluster.asking_for_map);
}

}  // namespace
}  // namespace kferry::proxy
