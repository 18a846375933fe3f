#include "operations/repeat_limit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

// Events and what becomes of them, with a clock that only moves when told to.
struct Bench {
  explicit Bench(RepeatLimit::Options options = {}) : limit(options) {}

  bool admit(std::string_view cause, std::string_view subject, Severity severity = Severity::warning) {
    const bool written = limit.admit(severity, cause, subject, now, over);
    lines += written ? 1U : 0U;
    return written;
  }
  // How many lines and counts there are, and how many events they speak for.
  std::size_t written() const { return lines + over.size(); }
  std::uint64_t told() const {
    std::uint64_t sum = lines;
    for (const auto& count : over) sum += count.more;
    return sum;
  }

  Instant now{};
  RepeatLimit limit;
  std::vector<RepeatLimit::Count> over;
  std::size_t lines = 0;
};

TEST_CASE("the first events of a pair are written, the others counted when its window is over") {
  Bench bench;
  for (int i = 0; i < 100; ++i) bench.admit("refused", "a");
  CHECK(bench.lines == 3);
  CHECK(bench.admit("refused", "b"));
  CHECK(bench.admit("reset", "a"));
  bench.now += 59s;
  bench.limit.end_windows(bench.now, bench.over);
  CHECK(bench.over.empty());
  bench.now += 1s;
  bench.limit.end_windows(bench.now, bench.over);
  REQUIRE(bench.over.size() == 1);
  CHECK(bench.over[0].cause == "refused");
  CHECK(bench.over[0].subject == "a");
  CHECK_FALSE(bench.over[0].of_cause);
  CHECK(bench.over[0].more == 97);
  CHECK(bench.over[0].in == 60s);
  CHECK(bench.admit("refused", "a"));
}

TEST_CASE("many subjects of one cause are limited together, and other causes are not affected") {
  Bench bench;
  constexpr std::uint64_t strangers = 100'000;
  for (std::uint64_t i = 0; i < strangers; ++i) bench.admit("http_request", std::to_string(i));
  CHECK(bench.lines == 100);
  CHECK(bench.admit("broker_cut", "10.0.0.1"));
  bench.limit.end_windows(bench.now + 60s, bench.over);
  REQUIRE(bench.over.size() == 1);
  CHECK(bench.over[0].of_cause);
  CHECK(bench.over[0].subject.empty());
  CHECK(bench.over[0].more == strangers - 100);
}

TEST_CASE(
    "every event is written or counted once, and a cause's lines do not depend on how many events there "
    "are") {
  for (const int subjects : {1, 10, 1000, 20'000}) {
    Bench bench;
    std::uint64_t events = 0;
    for (int round = 0; round < 5; ++round)
      for (int i = 0; i < subjects; ++i, ++events) bench.admit("refused", std::to_string(i));
    bench.limit.end_windows(bench.now, bench.over, true);
    CHECK(bench.told() == events);
    CHECK(bench.written() <= 201);
  }
}

TEST_CASE("after its window a cause is written again") {
  Bench bench;
  for (int i = 0; i < 1000; ++i) bench.admit("refused", std::to_string(i));
  bench.now += 60s;
  CHECK(bench.admit("refused", "new"));
  CHECK(bench.over.size() == 1);
}

TEST_CASE("a count has the severity of the worst event in it") {
  Bench bench(RepeatLimit::Options{.burst = 1, .cause_burst = 2});
  bench.admit("a", "x", Severity::info);
  bench.admit("a", "x", Severity::info);
  bench.admit("a", "x", Severity::warning);
  bench.admit("a", "y", Severity::info);
  bench.admit("a", "z", Severity::error);
  bench.limit.end_windows(bench.now, bench.over, true);
  REQUIRE(bench.over.size() == 2);
  CHECK(bench.over[0].severity == Severity::warning);
  CHECK(bench.over[1].severity == Severity::error);
}

TEST_CASE("memory is limited: the least recently seen pair ends early, with its count") {
  Bench bench(RepeatLimit::Options{.cause_burst = 1'000'000, .kinds_max = 2});
  for (int i = 0; i < 5; ++i) bench.admit("refused", "a");
  bench.admit("refused", "b");
  for (int i = 0; i < 2; ++i) bench.admit("refused", "a");  // a is the most recent pair again
  CHECK(bench.lines == 4);
  CHECK(bench.admit("refused", "c"));  // b is forgotten, without a count
  CHECK(bench.over.empty());
  CHECK(bench.admit("refused", "d"));  // a is forgotten, with its count
  REQUIRE(bench.over.size() == 1);
  CHECK(bench.over[0].subject == "a");
  CHECK(bench.over[0].more == 4);
  for (int i = 0; i < 20'000; ++i) CHECK(bench.admit("refused", std::to_string(i)));
}

}  // namespace
}  // namespace kferry::operations
