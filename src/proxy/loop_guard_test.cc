#include "proxy/loop_guard.h"

#include <doctest/doctest.h>

#include <string>

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const HostPort there{"kafka1", 9092};

TEST_CASE("a place that never answers gets a few connections at once, and then two a second") {
  LoopGuard guard;
  Instant now = Instant{} + seconds(100);
  // Each connection makes the next one, a millisecond later, as in a loop.
  unsigned connections = 0;
  unsigned told = 0;
  for (const Instant end = now + seconds(10); now < end;) {
    const auto [wait, news] = guard.pause(there, now);
    told += news ? 1 : 0;
    if (wait == Duration::zero()) {
      ++connections;
      guard.opened(there);
    }
    now += wait == Duration::zero() ? milliseconds(1) : wait;
  }
  CHECK(connections <= LoopGuard::free + 21);
  CHECK(told == 1);
  CHECK(guard.pause({"kafka2", 9092}, now).wait == Duration::zero());
}

TEST_CASE("any number of clients of a broker that answers is never paced") {
  LoopGuard guard;
  Instant now = Instant{} + seconds(100);
  for (int i = 0; i < 10'000; ++i, now += milliseconds(1)) {
    REQUIRE(guard.pause(there, now).wait == Duration::zero());
    guard.opened(there);
    if (i % 4 == 3) guard.answered(there);
  }
}

TEST_CASE("one answer frees all who wait") {
  LoopGuard guard;
  const Instant now = Instant{} + seconds(100);
  for (unsigned i = 0; i < LoopGuard::free; ++i) guard.opened(there);
  CHECK(guard.pause(there, now).wait == Duration::zero());  // the first turn
  CHECK(guard.pause(there, now).wait == LoopGuard::poll);
  CHECK(guard.pause(there, now).wait == LoopGuard::poll);
  guard.answered(there);
  CHECK(guard.pause(there, now).wait == Duration::zero());
  CHECK(guard.pause(there, now).wait == Duration::zero());
}

TEST_CASE("the places that are remembered are bounded") {
  LoopGuard guard;
  for (unsigned i = 0; i < LoopGuard::free; ++i) guard.opened(there);
  for (std::size_t i = 0; i < LoopGuard::places_max; ++i)
    guard.opened({"kafka" + std::to_string(i), static_cast<std::int32_t>(i)});
  CHECK(guard.pause(there, Instant{} + seconds(1)).wait == Duration::zero());
}

}  // namespace
}  // namespace kferry::proxy
