#include "proxy/dial_plan.h"

#include <doctest/doctest.h>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

const std::vector<HostPort> servers = {{"k1", 9092}, {"k2", 9092}};

Snapshot three_brokers() {
  Snapshot snapshot;
  snapshot.nodes = {{NodeId{1}, {"k1", 9092}, std::nullopt, true},
                    {NodeId{2}, {"k2", 9092}, std::nullopt, true},
                    {NodeId{3}, {"k3", 9092}, std::nullopt, true}};
  return snapshot;
}

TEST_CASE("an unknown cluster is dialled at its bootstrap servers, each port at another one first") {
  CHECK(dial_plan({}, std::nullopt, false, 0, servers) ==
        std::vector<connection::Candidate>{{{"k1", 9092}, std::nullopt}, {{"k2", 9092}, std::nullopt}});
  CHECK(dial_plan({}, std::nullopt, false, 1, servers).front().address == HostPort{"k2", 9092});
}

TEST_CASE("the port's own broker comes first, stand-ins after it, each address once") {
  const auto plan = dial_plan(three_brokers(), NodeId{3}, true, 2, servers);
  CHECK(plan == std::vector<connection::Candidate>{
                    {{"k3", 9092}, NodeId{3}}, {{"k1", 9092}, NodeId{1}}, {{"k2", 9092}, NodeId{2}}});
}

TEST_CASE("a broker within its backoff is not dialled, nor at a bootstrap server's address") {
  const auto plan = dial_plan(three_brokers(), NodeId{1}, false, 0, servers);
  CHECK(plan == std::vector<connection::Candidate>{{{"k2", 9092}, NodeId{2}}, {{"k3", 9092}, NodeId{3}}});
}

TEST_CASE("a candidate is dialled before the address that brought no Kafka response") {
  Snapshot snapshot = three_brokers();
  snapshot.nodes[0].candidate = HostPort{"new", 9092};
  const auto plan = dial_plan(snapshot, NodeId{1}, true, 0, servers);
  REQUIRE(plan.size() >= 2);
  CHECK(plan[0] == connection::Candidate{{"new", 9092}, NodeId{1}});
  CHECK(plan[1] == connection::Candidate{{"k1", 9092}, NodeId{1}});
}

TEST_CASE("stand-ins that failed lately come last, and the own broker first even if it failed") {
  const std::vector<HostPort> failed = {{"k1", 9092}, {"k2", 9092}, {"k3", 9092}};
  const std::vector<HostPort> more = {{"boot", 9092}, {"k2", 9092}};
  const auto plan = dial_plan(three_brokers(), NodeId{3}, true, 0, more, failed);
  CHECK(plan == std::vector<connection::Candidate>{{{"k3", 9092}, NodeId{3}},
                                                   {{"boot", 9092}, std::nullopt},
                                                   {{"k1", 9092}, NodeId{1}},
                                                   {{"k2", 9092}, NodeId{2}}});
}

TEST_CASE("stand-ins are hurried while others are left, and the port's own broker never") {
  auto plan = dial_plan(three_brokers(), NodeId{3}, true, 2, servers);
  hurry_stand_ins(plan, NodeId{3});
  REQUIRE(plan.size() == 3);
  CHECK(plan[0].patience == Duration::max());
  CHECK(plan[1].patience == stand_in_patience);
  CHECK(plan[2].patience == Duration::max());
  auto unknown = dial_plan({}, std::nullopt, false, 0, servers);
  hurry_stand_ins(unknown, std::nullopt);
  REQUIRE(unknown.size() == 2);
  CHECK(unknown[0].patience == stand_in_patience);
  CHECK(unknown[1].patience == Duration::max());
  hurry_stand_ins({}, std::nullopt);
}

TEST_CASE("a provisional broker that answers disagree about is not dialled") {
  Snapshot snapshot = three_brokers();
  snapshot.nodes[0].provisional = true;
  CHECK(dial_plan(snapshot, NodeId{1}, true, 0, servers).front().node == NodeId{1});
  snapshot.nodes[0].listed = false;
  for (const connection::Candidate& target : dial_plan(snapshot, NodeId{1}, true, 0, servers))
    CHECK(target.node != NodeId{1});
}

TEST_CASE("unlisted brokers do not stand in") {
  Snapshot snapshot = three_brokers();
  snapshot.nodes[1].listed = false;
  for (const connection::Candidate& target : dial_plan(snapshot, NodeId{1}, true, 0, servers))
    CHECK(target.node != NodeId{2});
}

TEST_CASE("stand-ins serve what a client asks of whichever broker it bootstraps at") {
  using kafka::key_of;
  for (const ApiKey key :
       {key_of("Metadata"), key_of("FindCoordinator"), key_of("SaslHandshake"), key_of("ApiVersions"),
        key_of("InitProducerId"), key_of("SaslAuthenticate"), key_of("DescribeCluster"),
        key_of("GetTelemetrySubscriptions"), key_of("PushTelemetry")})
    CHECK(stand_in_serves(key));
  for (const ApiKey key :
       {key_of("Produce"), key_of("Fetch"), key_of("ListOffsets"), key_of("OffsetCommit"),
        key_of("JoinGroup"), key_of("DescribeLogDirs"), key_of("DescribeQuorum"), key_of("ListTransactions"),
        key_of("ShareFetch"), ApiKey{kafka::first_vendor_api_key}})
    CHECK_FALSE(stand_in_serves(key));
}

TEST_CASE("while it is not known which broker answers, requests for any broker pass") {
  using kafka::key_of;
  for (const ApiKey key :
       {key_of("Metadata"), key_of("CreateTopics"), key_of("DeleteTopics"), key_of("DescribeAcls"),
        key_of("CreatePartitions"), key_of("DescribeDelegationToken"), key_of("ElectLeaders"),
        key_of("AlterUserScramCredentials"), key_of("UpdateFeatures"), key_of("DescribeTopicPartitions")})
    CHECK(any_broker_serves(key));
  for (const ApiKey key :
       {key_of("Produce"), key_of("ListGroups"), key_of("DescribeLogDirs"), key_of("ListTransactions"),
        key_of("DescribeConfigs"), key_of("IncrementalAlterConfigs"), key_of("OffsetCommit")})
    CHECK_FALSE(any_broker_serves(key));
}

}  // namespace
}  // namespace kferry::proxy
