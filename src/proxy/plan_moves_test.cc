#include "proxy/plan_moves.h"

#include <chrono>

#include "doctest/doctest.h"

namespace kferry::proxy {
namespace {

using Outcome = PlanMoves::Outcome;

struct Moving {
  int wakes = 0;
  std::shared_ptr<const LivePlan> first = std::make_shared<const LivePlan>();
  PlanMoves moves{first, [this] { ++wakes; }};

  std::future<Outcome> propose() { return moves.propose({Plan::make({}), nullptr}); }
  static bool known(const std::future<Outcome>& outcome) {
    return outcome.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
};

TEST_CASE("a move succeeds once every worker has moved") {
  Moving moving;
  const std::uint64_t before = moving.moves.news();
  std::future<Outcome> outcome = moving.propose();
  CHECK(moving.moves.news() != before);
  CHECK(moving.wakes == 1);
  const auto proposal = moving.moves.begin();
  REQUIRE(proposal);
  CHECK(moving.moves.current() == moving.first);
  auto live = std::make_shared<LivePlan>();
  live->plan = proposal->plan;
  moving.moves.publish(live, 2);
  CHECK(moving.moves.current() == live);
  CHECK(moving.wakes == 2);
  moving.moves.note_moved();
  CHECK_FALSE(Moving::known(outcome));
  moving.moves.note_moved();
  REQUIRE(Moving::known(outcome));
  CHECK(outcome.get().has_value());
}

TEST_CASE("a refused move leaves the plan in force, and says why") {
  Moving moving;
  std::future<Outcome> outcome = moving.propose();
  REQUIRE(moving.moves.begin());
  moving.moves.refuse("the port is taken");
  REQUIRE(Moving::known(outcome));
  CHECK(outcome.get().error() == "the port is taken");
  CHECK(moving.moves.current() == moving.first);
  CHECK_FALSE(moving.moves.begin());
}

TEST_CASE("a proposal waits for the present move, and gives way to a later one") {
  Moving moving;
  std::future<Outcome> first = moving.propose();
  REQUIRE(moving.moves.begin());
  std::future<Outcome> second = moving.propose();
  std::future<Outcome> third = moving.propose();
  CHECK_FALSE(moving.moves.begin());
  REQUIRE(Moving::known(second));
  CHECK(second.get().error() == "a later configuration has taken its place");
  CHECK(moving.wakes == 1);
  moving.moves.publish(std::make_shared<const LivePlan>(), 1);
  moving.moves.note_moved();
  CHECK(first.get().has_value());
  CHECK(moving.wakes == 3);  // for the third
  REQUIRE(moving.moves.begin());
  moving.moves.refuse("no");
  CHECK_FALSE(third.get().has_value());
}

TEST_CASE("a proposal that waits can be withdrawn, one that has begun cannot") {
  Moving moving;
  CHECK_FALSE(moving.moves.withdraw("nothing"));
  std::future<Outcome> first = moving.propose();
  CHECK(moving.moves.withdraw("the first worker is stuck"));
  CHECK(first.get().error() == "the first worker is stuck");
  CHECK_FALSE(moving.moves.begin());
  std::future<Outcome> second = moving.propose();
  REQUIRE(moving.moves.begin());
  CHECK_FALSE(moving.moves.withdraw("too late"));
  std::future<Outcome> third = moving.propose();
  CHECK(moving.moves.withdraw("another move is not done"));
  CHECK(third.get().error() == "another move is not done");
  moving.moves.publish(std::make_shared<const LivePlan>(), 1);
  moving.moves.note_moved();
  CHECK(second.get().has_value());
  CHECK_FALSE(moving.moves.begin());
}

TEST_CASE("a stop ends the present move, what waits, and what is proposed later") {
  Moving moving;
  std::future<Outcome> present = moving.propose();
  REQUIRE(moving.moves.begin());
  moving.moves.publish(std::make_shared<const LivePlan>(), 2);
  std::future<Outcome> waiting = moving.propose();
  moving.moves.stop();
  moving.moves.note_moved();  // a worker that was late
  std::future<Outcome> late = moving.propose();
  for (std::future<Outcome>* outcome : {&present, &waiting, &late}) {
    REQUIRE(Moving::known(*outcome));
    CHECK(outcome->get().error() == "kferry is stopping, and takes no other configuration");
  }
}

}  // namespace
}  // namespace kferry::proxy
