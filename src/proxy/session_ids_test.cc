#include "proxy/session_ids.h"

#include <doctest/doctest.h>

#include <set>

namespace kferry::proxy {
namespace {

TEST_CASE("numbers of sessions do not repeat, within a worker nor from one start to a near one") {
  std::set<SessionId> seen{SessionId{}};
  for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX}) {
    SessionIds ids(start);
    for (int i = 0; i < 100'000; ++i) CHECK(seen.insert(ids.number_of(ids.take())).second);
  }
}

TEST_CASE("a count that would give no number is left out") {
  SessionIds ids(0 - 0x9E3779B97F4A7C15U);  // the first count is mixed to 0
  SessionIds after(0);
  CHECK(ids.number_of(ids.take()) == after.number_of(after.take()));
}

}  // namespace
}  // namespace kferry::proxy
