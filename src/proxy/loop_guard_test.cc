#include "proxy/loop_guard.h"

#include <doctest/doctest.h>

#include <string>

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const HostPort there{"kafka1", 9092};
constexpr std::string_view cluster = "c";

TEST_CASE(
    "a place that never answers gets a few connections at once, and two a second once its question had "
    "time") {
  LoopGuard guard;
  Instant now = Instant{} + seconds(100);
  // Each connection makes the next one, a millisecond later, as in a loop.
  unsigned connections = 0;
  unsigned told = 0;
  for (const Instant end = now + seconds(10); now < end;) {
    const auto [wait, news] = guard.pause(there, cluster, now);
    told += news ? 1 : 0;
    if (wait == Duration::zero()) {
      ++connections;
      guard.opened(there);
    }
    now += wait == Duration::zero() ? milliseconds(1) : wait;
  }
  CHECK(connections <= LoopGuard::free + 18);
  CHECK(told == 1);
  CHECK(guard.pause({"kafka2", 9092}, cluster, now).wait == Duration::zero());
}

TEST_CASE("any number of clients of a broker that answers is never paced") {
  LoopGuard guard;
  Instant now = Instant{} + seconds(100);
  for (int i = 0; i < 10'000; ++i, now += milliseconds(1)) {
    REQUIRE(guard.pause(there, cluster, now).wait == Duration::zero());
    guard.opened(there);
    if (i % 4 == 3) guard.answered(there);
  }
}

TEST_CASE("one answer frees all who wait") {
  LoopGuard guard;
  const Instant now = Instant{} + seconds(100);
  for (unsigned i = 0; i < LoopGuard::free; ++i) guard.opened(there);
  CHECK(guard.pause(there, cluster, now).wait == LoopGuard::poll);
  CHECK(guard.pause(there, cluster, now).wait == LoopGuard::poll);
  guard.answered(there);
  CHECK(guard.pause(there, cluster, now).wait == Duration::zero());
  CHECK(guard.pause(there, cluster, now).wait == Duration::zero());
}

TEST_CASE("a place that returns a mark is not dialled until its question had time again") {
  LoopGuard guard;
  Instant now = Instant{} + seconds(100);
  for (unsigned i = 0; i < LoopGuard::free; ++i) guard.opened(there);
  CHECK(guard.pause(there, cluster, now).wait == LoopGuard::poll);
  CHECK_FALSE(guard.take_suspect("another"));
  REQUIRE(guard.take_suspect(cluster) == there);
  CHECK_FALSE(guard.take_suspect(cluster));
  const std::string mark = guard.mark(there, now);
  CHECK(mark.size() == 16);
  CHECK_FALSE(guard.leads_back(there, now));
  const auto returned = guard.returned(mark, now);
  REQUIRE(returned);
  CHECK(returned->place == there);
  CHECK(returned->news);
  CHECK(guard.leads_back(there, now));
  CHECK(guard.pause(there, cluster, now).wait == Duration::zero());  // it fails at once instead
  guard.answered(there);                                             // by a stand-in, all the way round
  CHECK(guard.leads_back(there, now));

  now += LoopGuard::loop_lifetime;
  CHECK_FALSE(guard.leads_back(there, now));
  CHECK(guard.pause(there, cluster, now).wait == LoopGuard::poll);
  REQUIRE(guard.take_suspect(cluster) == there);
  const auto again = guard.returned(guard.mark(there, now), now);
  REQUIRE(again);
  CHECK_FALSE(again->news);

  now += LoopGuard::loop_lifetime;
  CHECK(guard.pause(there, cluster, now).wait == LoopGuard::poll);
  guard.answered(there);
  CHECK_FALSE(guard.leads_back(there, now));
  CHECK(guard.pause(there, cluster, now).wait == Duration::zero());
}

TEST_CASE("a mark is valid once, before its answer, and for a while") {
  LoopGuard guard;
  const Instant now = Instant{} + seconds(100);
  const std::string used = guard.mark(there, now);
  CHECK(guard.returned(used, now));
  CHECK_FALSE(guard.returned(used, now));
  const std::string answered = guard.mark(there, now);
  guard.answered(there);
  CHECK_FALSE(guard.returned(answered, now));
  const std::string late = guard.mark(there, now);
  CHECK_FALSE(guard.returned(late, now + LoopGuard::mark_lifetime));
  for (const std::string_view guessed : {"", "0", "0000000000000000", "000000000000000g", "-000000000000001"})
    CHECK_FALSE(guard.returned(guessed, now));
  CHECK_FALSE(guard.leads_back({"kafka2", 9092}, now));
}

TEST_CASE("marks and suspected places are bounded, and the oldest make room") {
  LoopGuard guard;
  const Instant now = Instant{} + seconds(100);
  const std::string first = guard.mark(there, now);
  for (std::size_t i = 0; i < LoopGuard::marks_max; ++i) guard.mark(there, now + milliseconds(1));
  CHECK_FALSE(guard.returned(first, now));
  for (int i = 0; i <= static_cast<int>(LoopGuard::suspects_max); ++i) {
    const HostPort place{"kafka1", i};
    for (unsigned n = 0; n < LoopGuard::free; ++n) guard.opened(place);
    guard.pause(place, cluster, now);
  }
  CHECK(guard.take_suspect(cluster) == HostPort{"kafka1", 1});
}

TEST_CASE("the places that are remembered are bounded") {
  LoopGuard guard;
  for (unsigned i = 0; i < LoopGuard::free; ++i) guard.opened(there);
  for (std::size_t i = 0; i < LoopGuard::places_max; ++i)
    guard.opened({"kafka" + std::to_string(i), static_cast<std::int32_t>(i)});
  CHECK(guard.pause(there, cluster, Instant{} + seconds(1)).wait == Duration::zero());
}

}  // namespace
}  // namespace kferry::proxy
