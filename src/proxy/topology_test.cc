// What a topology learns, keeps and forgets, and which cluster it is of. The rules for claims: topology_rules_test.cc.
#include "topology_fixture_test.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

TEST_CASE_FIXTURE(Fixture, "a full list says who is live; who is missing keeps its address, unlisted") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}}));
  REQUIRE(learn(true, "c1", {{NodeId{2}, "b", 9092}}));
  const auto snapshot = topology.snapshot();
  REQUIRE(snapshot->find(NodeId{1}) != nullptr);
  CHECK_FALSE(snapshot->find(NodeId{1})->listed);
  CHECK(snapshot->find(NodeId{1})->address == HostPort{"a", 9092});
  CHECK(snapshot->find(NodeId{2})->listed);
  CHECK(snapshot->at({"a", 9092}) == nullptr);
  CHECK(snapshot->at({"b", 9092})->id == NodeId{2});
}

TEST_CASE_FIXTURE(Fixture, "a partial list adds provisional brokers and removes none") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  REQUIRE(learn(false, std::nullopt, {{NodeId{7}, "g", 9092}}));
  CHECK(topology.snapshot()->nodes.size() == 2);
  CHECK(topology.snapshot()->find(NodeId{1})->listed);
  CHECK(topology.snapshot()->find(NodeId{7})->provisional);
}

TEST_CASE_FIXTURE(
    Fixture, "a list that says what is known publishes nothing, and one that differs is not taken for it") {
  const std::vector<BrokerEntry> known = {{NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}};
  REQUIRE(learn(true, "c1", known));
  const std::uint64_t version = topology.version();
  BrokerList list;
  list.source = kafka::metadata_key;
  list.full = true;
  list.cluster_id = "c1";
  list.brokers = known;
  Origin origin;
  Teacher teacher;
  const auto client = SocketAddress::parse("10.1.1.1", 0);
  teacher.client_address = &*client;
  CHECK(topology.learn(list, origin, teacher, now) == Lesson::learnt);
  CHECK(origin.confirmed);
  CHECK(learn(true, "c1", {{NodeId{2}, "B.", 9092}, {NodeId{1}, "A", 9092}}));  // the same, spelt otherwise
  CHECK(topology.version() == version);
  CHECK_FALSE(learn(true, "c2", known));
  CHECK(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK_FALSE(node(2)->listed);
  CHECK(topology.version() != version);
  CHECK(teach(other, known) != Lesson::other_cluster);
  CHECK(node(2)->provisional);
}

TEST_CASE_FIXTURE(Fixture, "another cluster id teaches nothing") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}));
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}, Origin{true, false}));
  CHECK(topology.snapshot()->find(NodeId{1})->address == HostPort{"a", 9092});
  CHECK(topology.snapshot()->cluster_id == "c1");
}

constexpr Origin at_bootstrap{true, false};
const std::vector<BrokerEntry> others = {{NodeId{1}, "x", 1}, {NodeId{5}, "y", 1}};

struct Rebuilt : Fixture {
  Rebuilt() { REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}})); }
  std::string cluster_id() const { return topology.snapshot()->cluster_id; }
};

TEST_CASE_FIXTURE(
    Rebuilt, "rule 6: one client's word for another cluster is not enough, and not at a learnt address") {
  for (int i = 0; i < 10; ++i) {
    CHECK(teach(hostile, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
    CHECK(teach(i % 2 == 0 ? other : hostile, others, true, "c2") == Lesson::other_cluster);
    now += seconds(30);
  }
  CHECK(cluster_id() == "c1");
}

TEST_CASE_FIXTURE(
    Rebuilt, "rule 6: two clients at bootstrap servers are followed, unless one there reports the known id") {
  CHECK(teach(hostile, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
  SUBCASE("followed") {
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::learnt);
    CHECK(cluster_id() == "c2");
    CHECK(address(1) == HostPort{"x", 1});
    CHECK(node(2) == nullptr);
    CHECK_FALSE(node(5)->provisional);
    CHECK(log.causes == std::vector<std::string>{"cluster_changed"});
    // What was known is a candidate.
    broken(1, {"x", 1}, Break::not_connected);
    CHECK(candidate(1) == HostPort{"a", 9092});
  }
  SUBCASE("they disagree") {
    CHECK(learn(true, "c1", {{NodeId{1}, "a", 9092}}, at_bootstrap));
    CHECK(log.causes == std::vector<std::string>{"cluster_changed"});
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
    CHECK(cluster_id() == "c1");
  }
  SUBCASE("a third cluster is another claim") {
    CHECK(teach(other, others, true, "c3", at_bootstrap) == Lesson::other_cluster);
    CHECK(cluster_id() == "c1");
  }
}

TEST_CASE_FIXTURE(Rebuilt,
                  "rule 6: where no known address gives a Kafka response, one bootstrap server is enough") {
  broken(1, {"a", 9092}, Break::not_connected);
  CHECK(teach(hostile, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
  broken(2, {"b", 9092}, Break::not_connected);
  CHECK(teach(hostile, others, true, "c2") == Lesson::other_cluster);
  CHECK(teach(hostile, others, true, "c2", at_bootstrap) == Lesson::learnt);
  CHECK(cluster_id() == "c2");
}

TEST_CASE_FIXTURE(Rebuilt,
                  "rule 6: discovery is followed when every bootstrap server that answers says the same") {
  CHECK(teach(discovery, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
  CHECK(teach(discovery, others, true, "c2", at_bootstrap, true) == Lesson::learnt);
  CHECK(cluster_id() == "c2");
}

TEST_CASE_FIXTURE(Rebuilt, "rule 6: on_cluster_change = refuse follows nothing, and says so once an hour") {
  topology.follow_cluster_changes(false);
  for (const Asker& asker : {hostile, other, discovery})
    CHECK(teach(asker, others, true, "c2", at_bootstrap, true) == Lesson::other_cluster);
  CHECK(cluster_id() == "c1");
  CHECK(log.causes == std::vector<std::string>{"cluster_changed"});
}

TEST_CASE_FIXTURE(Rebuilt,
                  "rule 6: where a bootstrap name leads elsewhere, two sessions of one client are enough") {
  topology.bootstrap_moved(now);
  CHECK(topology.in_doubt(now + seconds(60)));
  SUBCASE("followed") {
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::learnt);
    CHECK(cluster_id() == "c2");
  }
  SUBCASE("confirmed") {
    CHECK(learn(true, "c1", {{NodeId{1}, "a", 9092}}, at_bootstrap));
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
    CHECK(teach(other, others, true, "c2", at_bootstrap) == Lesson::other_cluster);
    CHECK(cluster_id() == "c1");
  }
  CHECK_FALSE(topology.in_doubt(now + seconds(60)));
}

TEST_CASE_FIXTURE(Rebuilt,
                  "another cluster's answer leaves the cluster in doubt for 10 s, and not again at once") {
  CHECK_FALSE(topology.in_doubt(now));
  teach(hostile, others, true, "c2");
  CHECK(topology.in_doubt(now));
  now += seconds(9);
  CHECK(topology.in_doubt(now));
  CHECK(learn(true, "c1", {{NodeId{1}, "a", 9092}}, at_bootstrap));
  CHECK_FALSE(topology.in_doubt(now));
  teach(hostile, others, true, "c2");
  CHECK_FALSE(topology.in_doubt(now));
  now += seconds(60);
  teach(hostile, others, true, "c2");
  CHECK(topology.in_doubt(now));
  now += seconds(10);
  CHECK_FALSE(topology.in_doubt(now));
}

TEST_CASE_FIXTURE(Fixture, "without a cluster id nothing is learnt where the cluster is in doubt") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK(learn(true, std::nullopt, {{NodeId{2}, "x", 1}}, Origin{true, false}));
  CHECK(topology.snapshot()->find(NodeId{2}) == nullptr);
  CHECK(learn(true, std::nullopt, {{NodeId{2}, "x", 1}}, Origin{true, true}));
  CHECK(topology.snapshot()->find(NodeId{2}) != nullptr);
}

TEST_CASE_FIXTURE(Fixture, "an address that cannot be dialled is not learnt") {
  REQUIRE(learn(true, "c1",
                {{NodeId{1}, "", 9092}, {NodeId{2}, "b", 0}, {NodeId{3}, "c", 65536}, {NodeId{-1}, "d", 1}}));
  CHECK(topology.snapshot()->nodes.empty());
}

TEST_CASE_FIXTURE(Fixture,
                  "three failed dials take a node down, and one success brings it back for everyone") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  for (int i = 0; i < 3; ++i) {
    CHECK(admits(topology, NodeId{1}, now));
    topology.dial_failed(NodeId{1}, now);
  }
  CHECK_FALSE(admits(topology, NodeId{1}, now));
  now += seconds(1);
  REQUIRE(admits(topology, NodeId{1}, now));
  CHECK_FALSE(admits(topology, NodeId{1}, now));
  topology.dial_succeeded(NodeId{1});
  CHECK(admits(topology, NodeId{1}, now));
  CHECK(admits(topology, NodeId{1}, now));
  CHECK(topology.reached(NodeId{1}));
}

TEST_CASE_FIXTURE(Fixture, "the version changes with what is learnt, and only then") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  const std::uint64_t version = topology.version();
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK(topology.version() == version);
  topology.dial_succeeded(NodeId{1});
  CHECK(topology.version() == version + 1);
  topology.dial_succeeded(NodeId{1});
  CHECK(topology.version() == version + 1);
}

}  // namespace
}  // namespace kferry::proxy
