// Who may teach the topology: each rule moves a broker with evidence, and does not without.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "topology_fixture_test.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

const std::vector<BrokerEntry> lie = {{NodeId{1}, "x", 1}, {NodeId{2}, "x", 1}, {NodeId{3}, "x", 1}};
const std::vector<BrokerEntry> moved = {
    {NodeId{1}, "new", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}};
const std::vector<BrokerEntry> swap = {
    {NodeId{1}, "b", 9092}, {NodeId{2}, "a", 9092}, {NodeId{3}, "c", 9092}};

TEST_CASE_FIXTURE(Known,
                  "one hostile client moves nothing, however long and at however many brokers it asks") {
  Asker everywhere = hostile;
  for (int i = 0; i < 100; ++i) {
    everywhere.server.host = std::string(1, static_cast<char>('a' + i % 3));
    teach(everywhere, i % 2 == 0 ? lie : swap);
    now += seconds(5);
  }
  CHECK(unmoved());
  for (const std::int32_t id : {1, 2, 3}) CHECK_FALSE(candidate(id));
}

TEST_CASE_FIXTURE(Known,
                  "a client that provokes its broker into closing is no evidence while others are answered") {
  topology.answered(NodeId{1}, {"a", 9092}, now);
  topology.attach(NodeId{1}, {"a", 9092});
  now += seconds(20);
  teach(hostile, lie);
  broken(1, {"a", 9092}, Break::unanswered, 66);
  broken(1, {"a", 9092}, Break::cut, 66);
  CHECK_FALSE(candidate(1));
  teach(hostile, lie);
  CHECK(unmoved());
}

TEST_CASE_FIXTURE(
    Known, "a broker that no open connection answers is doubted by a client that claims nothing itself") {
  topology.answered(NodeId{1}, {"a", 9092}, now);
  now += seconds(20);
  teach(hostile, lie);
  const auto from = SocketAddress::parse(hostile.address, 0);
  Teacher evil;
  evil.client_address = &*from;
  evil.client_id = hostile.client_id;
  broken(1, {"a", 9092}, Break::unanswered, evil.client());
  CHECK_FALSE(candidate(1));
  broken(1, {"a", 9092}, Break::unanswered, 66);
  CHECK(candidate(1));
}

TEST_CASE_FIXTURE(
    Known,
    "rule 2(b): no Kafka response makes the claim a candidate, a response there makes it the address") {
  teach(other, moved);
  CHECK_FALSE(candidate(1));
  broken(1, {"a", 9092}, Break::not_connected);
  CHECK(candidate(1) == HostPort{"new", 9092});
  CHECK(address(1) == HostPort{"a", 9092});
  SUBCASE("it answers") {
    topology.answered(NodeId{1}, {"new", 9092}, now);
    CHECK(address(1) == HostPort{"new", 9092});
    CHECK_FALSE(candidate(1));
    CHECK(logged("moved from a:9092 to new:9092"));
    CHECK(logged("a Metadata response from b:9092 to client 10.2.2.2 (client id other)"));
  }
  SUBCASE("it does not answer, and the known address has its turn again") {
    broken(1, {"new", 9092}, Break::unanswered);
    CHECK_FALSE(candidate(1));
    topology.answered(NodeId{1}, {"a", 9092}, now);
    CHECK(unmoved());
  }
  SUBCASE("the known address answers first") {
    topology.answered(NodeId{1}, {"a", 9092}, now);
    CHECK_FALSE(candidate(1));
    CHECK(unmoved());
  }
}

TEST_CASE_FIXTURE(Known,
                  "rule 2(b): a claim made while the address is doubted becomes the candidate at once") {
  broken(1, {"a", 9092}, Break::unanswered);
  teach(other, moved);
  CHECK(candidate(1) == HostPort{"new", 9092});
}

TEST_CASE_FIXTURE(
    Known, "rule 2(b): a candidate leaves the failures behind, and is never another broker's address") {
  for (int i = 0; i < 3; ++i) topology.dial_failed(NodeId{1}, now);
  broken(1, {"a", 9092}, Break::not_connected);
  CHECK_FALSE(admits(topology, NodeId{1}, now));
  teach(hostile, {{NodeId{1}, "b", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}});
  CHECK_FALSE(candidate(1));
  teach(other, moved);
  CHECK(candidate(1) == HostPort{"new", 9092});
  CHECK(admits(topology, NodeId{1}, now));
}

TEST_CASE_FIXTURE(Known, "rule 2(a): what two servers tell discovery is followed, what one tells is not") {
  CHECK(teach(discovery, moved) == Lesson::contested);
  CHECK(unmoved());
  teach(discovery, moved, false, "c1", {}, true);
  CHECK(address(1) == HostPort{"new", 9092});
  CHECK(address(2) == HostPort{"b", 9092});
}

TEST_CASE_FIXTURE(Known,
                  "rule 2(c): swapped addresses are followed once connections have broken for others") {
  SUBCASE("not where nothing broke") {
    teach(other, swap);
    CHECK(unmoved());
  }
  SUBCASE("not by the client whose own connections broke") {
    Teacher evil;
    const auto from = *SocketAddress::parse(hostile.address, 0);
    evil.client_address = &from;
    evil.client_id = hostile.client_id;
    broken(1, {"a", 9092}, Break::cut, evil.client());
    broken(2, {"b", 9092}, Break::cut, evil.client());
    teach(hostile, swap);
    CHECK(unmoved());
  }
  SUBCASE("not in half: the other's address must be left") {
    broken(1, {"a", 9092}, Break::cut);
    teach(other, swap);
    CHECK(unmoved());
  }
  SUBCASE("a new address is a candidate only") {
    broken(1, {"a", 9092}, Break::cut);
    teach(other, {{NodeId{1}, "new", 9092}, {NodeId{2}, "a", 9092}, {NodeId{3}, "c", 9092}});
    CHECK(unmoved());
    CHECK(candidate(1) == HostPort{"new", 9092});
  }
  SUBCASE("but after both have broken for another") {
    broken(1, {"a", 9092}, Break::cut);
    broken(2, {"b", 9092}, Break::not_connected);
    teach(other, swap);
    CHECK(address(1) == HostPort{"b", 9092});
    CHECK(address(2) == HostPort{"a", 9092});
  }
}

TEST_CASE_FIXTURE(Known, "rule 2(d): a broker that denies its id makes way for the claim") {
  teach(other, moved);
  topology.answered(NodeId{1}, {"a", 9092}, now);
  topology.denied(NodeId{1}, {"a", 9092}, now);
  CHECK(candidate(1) == HostPort{"new", 9092});
}

TEST_CASE_FIXTURE(
    Known,
    "rule 2(e): two clients, two brokers and 10 s move a broker, unless a list names the old address") {
  Asker third{"10.3.3.3", "third", {"c", 9092}};
  teach(other, moved);
  now += seconds(5);
  SUBCASE("agreed") {
    teach(third, moved);
    CHECK(unmoved());
    now += seconds(5);
    teach(other, moved);
    CHECK(address(1) == HostPort{"new", 9092});
  }
  SUBCASE("contradicted") {
    teach({}, truth);
    now += seconds(5);
    teach(third, moved);
    teach(other, moved);
    CHECK(unmoved());
  }
  SUBCASE("one broker only") {
    third.server = other.server;
    now += seconds(5);
    teach(third, moved);
    CHECK(unmoved());
  }
}

TEST_CASE_FIXTURE(Fixture, "rule 2(e): where there is one broker, two clients are enough") {
  REQUIRE(teach({}, {{NodeId{1}, "a", 9092}}) == Lesson::learnt);
  teach(hostile, {{NodeId{1}, "new", 9092}});
  now += seconds(10);
  teach(hostile, {{NodeId{1}, "new", 9092}});
  CHECK(address(1) == HostPort{"a", 9092});
  teach(other, {{NodeId{1}, "new", 9092}});
  CHECK(address(1) == HostPort{"new", 9092});
}

TEST_CASE_FIXTURE(Known, "rule 3: a new id is provisional until another client's full list names it") {
  const std::vector<BrokerEntry> more = {{NodeId{0}, "z", 9092}};
  CHECK(teach(hostile, more, false) == Lesson::contested);
  REQUIRE(node(0) != nullptr);
  CHECK(node(0)->provisional);
  std::vector<BrokerEntry> all = truth;
  all.push_back(more.front());
  teach(hostile, all);
  CHECK(node(0)->provisional);
  SUBCASE("another client confirms it") {
    teach(other, more, false);
    CHECK(node(0)->provisional);
    teach(other, all);
    CHECK_FALSE(node(0)->provisional);
  }
  SUBCASE("discovery confirms it") {
    teach(discovery, all);
    CHECK_FALSE(node(0)->provisional);
  }
  SUBCASE("it lapses") {
    now += minutes(5);
    teach(other, truth);
    CHECK(node(0) == nullptr);
  }
  SUBCASE("answers that disagree about it make it undialable, until two agree") {
    all.back().host = "y";
    teach(other, all);
    CHECK_FALSE(node(0)->dialable());
    teach(discovery, all);
    CHECK(address(0) == HostPort{"y", 9092});
    CHECK_FALSE(node(0)->provisional);
  }
}

TEST_CASE_FIXTURE(Known, "rule 3: the number of provisional ids is bounded") {
  for (std::int32_t id = 100; id < 2000; ++id) teach(hostile, {{NodeId{id}, "z", 9092}}, false);
  CHECK(topology.snapshot()->nodes.size() == 3 + Topology::provisional_max);
}

TEST_CASE_FIXTURE(Fixture,
                  "rule 3: the first full list is believed, and settles what a partial one had named") {
  teach(hostile, {{NodeId{1}, "x", 1}}, false, std::nullopt);
  CHECK(node(1)->provisional);
  teach(other, truth);
  CHECK(address(1) == HostPort{"a", 9092});
  for (const std::int32_t id : {1, 2, 3}) CHECK_FALSE(node(id)->provisional);
}

TEST_CASE_FIXTURE(Known,
                  "rule 4: an empty list and one that lacks a broker that answers lately unlist nothing") {
  teach(other, {});
  for (const std::int32_t id : {1, 2, 3}) CHECK(node(id)->listed);
  topology.answered(NodeId{1}, {"a", 9092}, now);
  now += seconds(30);
  teach(other, {{NodeId{3}, "c", 9092}});
  CHECK(node(1)->listed);
  CHECK_FALSE(node(2)->listed);
  now += seconds(1);
  teach(other, {{NodeId{3}, "c", 9092}});
  CHECK_FALSE(node(1)->listed);
}

TEST_CASE_FIXTURE(Known, "rule 4: a broker that one client lists again takes no port until another does") {
  teach(other, {{NodeId{3}, "c", 9092}});
  REQUIRE_FALSE(node(1)->listed);
  teach(hostile, truth);
  CHECK(node(1)->listed);
  CHECK(node(1)->provisional);
  SUBCASE("confirmed") {
    teach(other, truth);
    CHECK_FALSE(node(1)->provisional);
  }
  SUBCASE("lapsed: unlisted, not forgotten") {
    now += minutes(5);
    teach(other, {{NodeId{3}, "c", 9092}});
    REQUIRE(node(1) != nullptr);
    CHECK_FALSE(node(1)->listed);
    CHECK_FALSE(node(1)->provisional);
  }
}

TEST_CASE_FIXTURE(Known, "rule 4: spellings are no claims") {
  teach(other, {{NodeId{1}, "A", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}});
  CHECK(log.causes.empty());
  CHECK(canonical("B1.Kafka.Test.", 1) == HostPort{"b1.kafka.test", 1});
  CHECK(canonical("kafka.", 1) == HostPort{"kafka.", 1});
  CHECK(canonical("[FD00:0::2]", 1) == HostPort{"fd00::2", 1});
  CHECK(topology.snapshot()->at({"A", 9092})->id == NodeId{1});
}

TEST_CASE_FIXTURE(Known, "rule 4: addresses that lead nowhere, or to this host, are never candidates") {
  topology.set_guard([](const SocketAddress& address) {
    return address.is_loopback() ? std::string_view("learnt, on loopback") : std::string_view();
  });
  broken(1, {"a", 9092}, Break::not_connected);
  for (const char* host :
       {"0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "127.0.0.1"}) {
    teach(other, {{NodeId{1}, host, 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}});
    CHECK_FALSE(candidate(1));
  }
}

TEST_CASE_FIXTURE(
    Known, "rule 5: alternating claims give one line per pair and hour, and ask discovery every 10 s") {
  int asked = 0;
  for (int i = 0; i < 600; ++i) {
    if (teach(i % 2 == 0 ? other : hostile, i % 2 == 0 ? truth : moved) == Lesson::contested) ++asked;
    now += milliseconds(100);
  }
  CHECK(log.causes == std::vector<std::string>{"broker_moved"});
  CHECK(logged("client 10.1.1.1 (client id app)"));
  CHECK(logged("client 10.6.6.6 (client id evil)"));
  CHECK(asked == 6);
  CHECK(unmoved());
  now += minutes(60);
  teach(hostile, moved);
  CHECK(log.causes.size() == 2);
}

TEST_CASE_FIXTURE(Known, "a list of more brokers than any cluster has teaches nothing") {
  std::vector<BrokerEntry> many;
  for (std::int32_t id = 0; id <= static_cast<std::int32_t>(4096); ++id) many.push_back({NodeId{id}, "x", 1});
  teach(hostile, many);
  teach(hostile, many);
  CHECK(topology.snapshot()->nodes.size() == 3);
  CHECK(log.causes == std::vector<std::string>{"broker_list_too_long"});
}

}  // namespace
}  // namespace kferry::proxy
