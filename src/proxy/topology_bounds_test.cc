// What a topology holds at most, and what it costs to teach it, whatever brokers and clients say.
#include <doctest/doctest.h>

#include <ctime>
#include <string>
#include <vector>

#include "proxy/topology_fixture_test.h"

namespace kferry::proxy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

struct Bounded : Fixture {
  // Brokers with consecutive ids, each at an address of its own that begins so.
  std::vector<BrokerEntry> many(std::int32_t first, std::int32_t count, const std::string& begin = "b") {
    hosts.emplace_back();
    hosts.back().reserve(static_cast<std::size_t>(count));
    std::vector<BrokerEntry> brokers;
    for (std::int32_t i = first; i < first + count; ++i) {
      hosts.back().push_back(begin + std::to_string(i));
      brokers.push_back({NodeId{i}, hosts.back().back(), 9092});
    }
    return brokers;
  }
  std::size_t nodes() const { return topology.snapshot()->nodes.size(); }
  std::vector<std::vector<std::string>> hosts;
};

template <typename Work>
double seconds_of(const Work& work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST_CASE_FIXTURE(Bounded,
                  "a list of more brokers than the limit teaches nothing, and one line an hour says so") {
  topology.limit_brokers(3);
  for (int i = 0; i < 5; ++i) teach(hostile, many(1, 4));
  CHECK(nodes() == 0);
  CHECK(log.causes == std::vector<std::string>{"broker_list_too_long"});
  teach(hostile, many(1, 3));
  CHECK(nodes() == 3);
  now += hours(2);
  teach(hostile, many(1, 4));
  CHECK(log.causes.size() == 2);
}

TEST_CASE_FIXTURE(Bounded, "a hundred thousand entries of one id are one broker") {
  topology.limit_brokers(3);
  const std::vector<BrokerEntry> same(100'000, BrokerEntry{NodeId{7}, "seven", 9092});
  CHECK(seconds_of([&] { teach({}, same); }) < 1);
  CHECK(nodes() == 1);
  CHECK(address(7) == HostPort{"seven", 9092});
}

TEST_CASE_FIXTURE(Bounded, "a host name longer than DNS allows names no place") {
  const std::string longest(255, 'h');
  const std::string longer(1'000'000, 'h');
  learn(true, "c1", {{NodeId{1}, longest, 9092}, {NodeId{2}, longer, 9092}});
  CHECK(nodes() == 1);
  CHECK(node(1) != nullptr);
}

TEST_CASE_FIXTURE(Bounded, "a cluster id of a megabyte is kept by its beginning") {
  const std::string id(1'000'000, 'c');
  REQUIRE(learn(true, id, many(1, 3)));
  CHECK(topology.snapshot()->cluster_id.size() == cluster_id_size_max);
  CHECK(learn(true, id, many(1, 3)));
  CHECK_FALSE(learn(true, "another", many(1, 3)));
}

TEST_CASE_FIXTURE(Bounded, "brokers that no list names any more are forgotten after a day") {
  REQUIRE(learn(true, "c1", many(1, 3)));
  learn(true, "c1", many(1, 2));
  CHECK_FALSE(node(3)->listed);
  now += hours(23);
  learn(true, "c1", many(1, 2));
  CHECK(node(3) != nullptr);
  now += hours(1);
  learn(true, "c1", many(1, 2));
  CHECK(node(3) == nullptr);
  CHECK(nodes() == 2);
}

TEST_CASE_FIXTURE(Bounded, "the broker that was unlisted first makes room for new ones") {
  topology.limit_brokers(4);
  REQUIRE(learn(true, "c1", many(1, 4)));
  teach(discovery, many(2, 3));  // unlists 1
  now += minutes(1);
  teach(discovery, many(3, 2));  // unlists 2
  teach(discovery, many(3, 3));  // 5 is new
  CHECK(node(1) == nullptr);
  CHECK_FALSE(node(2)->listed);
  CHECK(node(5)->listed);
  teach(discovery, many(3, 4));
  CHECK(node(2) == nullptr);
  CHECK(nodes() == 4);
  CHECK(log.causes.empty());
}

TEST_CASE_FIXTURE(Bounded,
                  "brokers in use are not forgotten for new ones, and a line says what is left out") {
  topology.limit_brokers(4);
  REQUIRE(learn(true, "c1", many(1, 4)));
  for (std::int32_t i = 1; i <= 4; ++i) topology.answered(NodeId{i}, address(i), now);
  teach(discovery, many(5, 4));
  CHECK(nodes() == 4);
  CHECK(node(1) != nullptr);
  CHECK(log.causes == std::vector<std::string>{"broker_list_too_long"});
}

TEST_CASE_FIXTURE(Bounded, "new ids forever, in full and in partial lists, leave what is known bounded") {
  REQUIRE(learn(true, "c1", many(0, 3)));
  for (std::int32_t i = 1; i <= 5000; ++i) {
    const std::string host = "b" + std::to_string(i * 10);
    teach(hostile, {{NodeId{i * 10}, host, 9092}}, false);
    if (i % 10 == 0) now += seconds(7);
    topology.dial_failed(NodeId{i * 10}, now);
    topology.dial_failed(NodeId{-i}, now);
  }
  CHECK(nodes() <= 3 + Topology::provisional_max);
  now += minutes(6);
  learn(true, "c1", many(0, 3));
  CHECK(nodes() == 3);
}

TEST_CASE_FIXTURE(Bounded, "a list of the largest size is merged without a step per pair, in all its cases") {
  const auto known = many(0, 4096);
  const auto elsewhere = many(0, 4096, "other");
  const auto fresh = many(4096, 4096);
  double worst = 0;
  const auto timed = [&](const auto& work) { worst = std::max(worst, seconds_of(work)); };
  timed([&] { REQUIRE(learn(true, "c1", known)); });
  timed([&] { learn(true, "c1", known); });
  for (std::int32_t i = 0; i < 4096; ++i) broken(i, {"b" + std::to_string(i), 9092}, Break::not_connected);
  CHECK(seconds_of([&] {
          for (std::int32_t i = 0; i < 100; ++i)
            broken(i, {"b" + std::to_string(i), 9092}, Break::not_connected);
        }) < 1);
  timed([&] { teach(hostile, elsewhere); });  // every broker is doubted: each gets a candidate
  CHECK(candidate(4095) == HostPort{"other4095", 9092});
  timed([&] { teach(other, known); });
  // Known addresses exchanged in one great ring.
  std::vector<BrokerEntry> ring = known;
  for (std::size_t i = 0; i < ring.size(); ++i) ring[i].host = known[(i + 1) % known.size()].host;
  timed([&] { teach(hostile, ring); });
  timed([&] { teach(discovery, fresh); });
  timed([&] { teach(discovery, elsewhere); });
  CHECK(nodes() == 4096);
  CHECK(worst < 0.5);
}

TEST_CASE_FIXTURE(Bounded, "following another cluster costs no step per pair of old and new brokers") {
  REQUIRE(learn(true, "c1", many(0, 4096)));
  CHECK(seconds_of([&] { teach(discovery, many(0, 4096, "new"), true, "c2", Origin{true, false}, true); }) <
        0.5);
  CHECK(topology.snapshot()->cluster_id == "c2");
  CHECK(address(4095) == HostPort{"new4095", 9092});
}

TEST_CASE_FIXTURE(Bounded, "one list that moves a thousand brokers writes a few lines") {
  REQUIRE(learn(true, "c1", many(0, 1000)));
  teach(hostile, many(0, 1000, "evil"));
  CHECK(log.causes.size() == Topology::claim_lines_max + 1);
  CHECK(log.texts.back().find("992 more brokers") == 0);
}

TEST_CASE_FIXTURE(Bounded,
                  "claims are forgotten, so that lists which say what is known are compared quickly again") {
  REQUIRE(learn(true, "c1", many(1, 3)));
  learn(true, "c1", many(1, 3));
  teach(hostile, many(1, 3, "evil"));
  now += hours(2);
  learn(true, "c1", many(1, 3));
  const std::uint64_t version = topology.version();
  CHECK(seconds_of([&] {
          for (int i = 0; i < 1000; ++i) learn(true, "c1", many(1, 3));
        }) < 1);
  CHECK(topology.version() == version);
}

TEST_CASE_FIXTURE(Bounded, "an address is found among thousands by an index, also where brokers share one") {
  auto brokers = many(0, 4096);
  brokers[4000].host = brokers[10].host;
  REQUIRE(learn(true, "c1", brokers));
  const auto snapshot = topology.snapshot();
  CHECK(snapshot->at({"B10", 9092})->id == NodeId{10});
  CHECK(snapshot->at({"b4000", 9092}) == nullptr);
  CHECK(seconds_of([&] {
          for (int i = 0; i < 100'000; ++i) snapshot->at({"b4095", 9092});
        }) < 1);
}

}  // namespace
}  // namespace kferry::proxy
