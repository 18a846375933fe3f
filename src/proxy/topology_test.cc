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

TEST_CASE_FIXTURE(Fixture, "another cluster id teaches nothing") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}));
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}, Origin{true, false}));
  CHECK(topology.snapshot()->find(NodeId{1})->address == HostPort{"a", 9092});
  CHECK(topology.snapshot()->cluster_id == "c1");
}

TEST_CASE_FIXTURE(Fixture, "a rebuilt cluster is learnt anew once nothing confirms the old one") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}}));
  now += seconds(59);
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}, Origin{true, false}));
  now += seconds(1);
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}, Origin{false, false}));  // not at a bootstrap server
  CHECK(learn(true, "c2", {{NodeId{1}, "x", 1}}, Origin{true, false}));
  CHECK(topology.snapshot()->cluster_id == "c2");
  CHECK(topology.snapshot()->nodes.size() == 1);
  CHECK(log.causes == std::vector<std::string>{"cluster_rebuilt"});
}

TEST_CASE_FIXTURE(Fixture, "a learnt address that reports another id, unopposed, puts the cluster in doubt") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  now += seconds(30);
  CHECK_FALSE(learn(true, "c2", {{NodeId{1}, "x", 1}}));
  CHECK_FALSE(topology.in_doubt(now));
  now += seconds(30);
  CHECK(topology.in_doubt(now));
  SUBCASE("until a broker confirms the learnt id") {
    REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  }
  SUBCASE("until a bootstrap server reports the new one") {
    REQUIRE(learn(true, "c2", {{NodeId{1}, "a", 9092}}, Origin{true, false}));
  }
  now += seconds(60);
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

TEST_CASE_FIXTURE(Fixture, "failed dials back off from 1 s to 10 s, several at once count once") {
  std::vector<Duration> waits;
  for (int i = 0; i < 6; ++i) {
    topology.dial_failed(NodeId{1}, now);
    topology.dial_failed(NodeId{1}, now);
    Duration wait{};
    while (!topology.may_dial(NodeId{1}, now + wait)) wait += milliseconds(500);
    waits.push_back(wait);
    now += wait;
  }
  CHECK(waits ==
        std::vector<Duration>{seconds(1), seconds(2), seconds(4), seconds(8), seconds(10), seconds(10)});
  topology.dial_succeeded(NodeId{1}, {"a", 9092});
  CHECK(topology.may_dial(NodeId{1}, now));
  CHECK(topology.reached(NodeId{1}));
}

TEST_CASE_FIXTURE(Fixture, "the version changes with what is learnt, and only then") {
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  const std::uint64_t version = topology.version();
  REQUIRE(learn(true, "c1", {{NodeId{1}, "a", 9092}}));
  CHECK(topology.version() == version);
  topology.dial_succeeded(NodeId{1}, {"a", 9092});
  CHECK(topology.version() == version + 1);
  topology.dial_succeeded(NodeId{1}, {"a", 9092});
  CHECK(topology.version() == version + 1);
}

}  // namespace
}  // namespace kferry::proxy
