// What becomes of a broker that lists name no longer: one that no dial reaches, one whose address is another id's, and
// one that is back.
#include <doctest/doctest.h>

#include <vector>

#include "topology_fixture_test.h"

namespace kferry::proxy {
namespace {

TEST_CASE_FIXTURE(Known, "a broker that no dial reaches is unlisted at once by a list without it") {
  const std::vector<BrokerEntry> without = {
      {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}, {NodeId{4}, "d", 9092}};
  topology.answered(NodeId{1}, {"a", 9092}, now);
  now += seconds(1);
  SUBCASE("not while it answers") {
    teach(other, without);
    CHECK(node(1)->listed);
  }
  SUBCASE("one that a client was refused, until a list names it again") {
    broken(1, {"a", 9092}, Break::not_connected);
    teach(other, without);
    CHECK_FALSE(node(1)->listed);
    CHECK(node(4)->provisional);
    teach(other, truth);
    CHECK(node(1)->listed);
    CHECK(node(1)->returning);
    teach({}, truth);
    CHECK_FALSE(node(1)->provisional);
    CHECK_FALSE(node(1)->returning);
  }
}

TEST_CASE_FIXTURE(Known, "a broker whose address is another id's in a list without it is replaced") {
  const std::vector<BrokerEntry> renamed = {
      {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}, {NodeId{7}, "a", 9092}};
  topology.answered(NodeId{1}, {"a", 9092}, now);
  now += seconds(1);
  SUBCASE("not by one client's list where nothing broke") {
    CHECK(teach(hostile, renamed) == Lesson::contested);
    CHECK(node(1)->listed);
    CHECK(node(7)->provisional);
  }
  SUBCASE("after its connections broke for others") {
    broken(1, {"a", 9092}, Break::cut);
    teach(other, renamed);
    CHECK_FALSE(node(1)->listed);
    CHECK(logged("broker 1 of cluster test is replaced by broker 7 at a:9092"));
  }
  SUBCASE("as two servers tell discovery") {
    CHECK(teach(discovery, renamed) == Lesson::contested);
    CHECK(node(1)->listed);
    CHECK_FALSE(node(7)->provisional);
    teach(discovery, renamed, false, "c1", {}, true);
    CHECK_FALSE(node(1)->listed);
  }
  SUBCASE("not where the list names both") {
    broken(1, {"a", 9092}, Break::cut);
    teach(other,
          {{NodeId{1}, "a", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}, {NodeId{7}, "a", 9092}});
    CHECK(node(1)->listed);
  }
}

TEST_CASE_FIXTURE(
    Known, "a broker that is back on one client's word is no new one: two clients' claims do not move it") {
  topology.answered(NodeId{1}, {"a", 9092}, now);
  broken(1, {"a", 9092}, Break::not_connected);
  teach(other, {{NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}});
  REQUIRE_FALSE(node(1)->listed);
  teach(other, truth);
  REQUIRE(node(1)->returning);
  const std::vector<BrokerEntry> told = {
      {NodeId{1}, "b", 9092}, {NodeId{2}, "b", 9092}, {NodeId{3}, "c", 9092}};
  teach(other, told);
  teach({"10.0.0.3", "third"}, told);
  CHECK(address(1) == HostPort{"a", 9092});
}

}  // namespace
}  // namespace kferry::proxy
