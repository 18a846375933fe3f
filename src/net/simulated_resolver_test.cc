#include "net/simulated_resolver.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace kferry::net {
namespace {

using namespace std::chrono_literals;

struct Bench {
  Instant now{};
  SimulatedResolver resolver{42, [this] { return now; }};
  std::shared_ptr<AnswerQueue> queue = std::make_shared<AnswerQueue>(nullptr);
  const std::vector<SocketAddress> addresses{*SocketAddress::parse("fd00::1", 0),
                                             *SocketAddress::parse("10.0.0.1", 0)};

  Answer ask(const std::string& host) {
    resolver.resolve(1, {host, 9092}, queue);
    if (const auto due = resolver.next_due()) now = std::max(now, *due);
    resolver.deliver();
    auto answers = queue->drain();
    REQUIRE(answers.size() == 1);
    return answers[0];
  }
};

TEST_CASE("simulated names resolve, IPv4 first, after their delay") {
  Bench bench;
  bench.resolver.set("kafka1", bench.addresses);
  bench.resolver.set_delay(10ms, 20ms);
  bench.resolver.resolve(5, {"kafka1", 9092}, bench.queue);
  REQUIRE(bench.resolver.next_due().has_value());
  CHECK(*bench.resolver.next_due() >= bench.now + 10ms);
  CHECK(*bench.resolver.next_due() <= bench.now + 20ms);
  CHECK(bench.resolver.deliver() == 0);
  bench.now = *bench.resolver.next_due();
  CHECK(bench.resolver.deliver() == 1);
  const auto answers = bench.queue->drain();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].request == 5);
  REQUIRE(answers[0].addresses.size() == 2);
  CHECK(answers[0].addresses[0].text() == "10.0.0.1:9092");
  CHECK(answers[0].addresses[1].text() == "[fd00::1]:9092");
  CHECK(bench.resolver.requests("kafka1") == 1);
}

TEST_CASE("simulated failures keep the last good answer, authoritative ones do not") {
  Bench bench;
  CHECK_FALSE(bench.ask("kafka1").error.empty());
  bench.resolver.set("kafka1", bench.addresses);
  bench.resolver.fail("kafka1", "SERVFAIL");
  CHECK(bench.ask("kafka1").addresses.empty());  // it has never resolved
  bench.resolver.set("kafka1", bench.addresses);
  CHECK(bench.ask("kafka1").error.empty());
  bench.now += 5s;
  bench.resolver.fail("kafka1", "SERVFAIL");
  const Answer stale = bench.ask("kafka1");
  CHECK(stale.stale);
  CHECK(stale.age == 5s);
  CHECK(stale.addresses.size() == 2);
  bench.resolver.fail("kafka1", "no such name", true);
  CHECK(bench.ask("kafka1").addresses.empty());
}

TEST_CASE("literals are answered at once, and a seed reproduces its failures") {
  Bench first;
  Bench second;
  CHECK(first.ask("10.9.8.7").addresses.size() == 1);
  for (Bench* bench : {&first, &second}) {
    bench->resolver.set("kafka1", bench->addresses);
    bench->resolver.set_failures(300);
  }
  int failures = 0;
  for (int i = 0; i < 200; ++i) {
    const bool failed = !first.ask("kafka1").error.empty();
    CHECK(failed == !second.ask("kafka1").error.empty());
    failures += failed ? 1 : 0;
  }
  CHECK(failures > 20);
  CHECK(failures < 120);
}

}  // namespace
}  // namespace kferry::net
