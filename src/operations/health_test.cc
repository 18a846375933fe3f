#include "operations/health.h"

#include <doctest/doctest.h>

namespace kferry::operations {
namespace {

using namespace std::chrono_literals;

constexpr Instant start = Instant{} + 1h;
const Health::WallTime wall_start{1795945594s};  // 2026-11-29T09:46:34Z

struct Bench {
  Health health{start};
  HealthObservation seen{.listening = true, .upstream_answered = true, .worker_turns = {1, 1}};
  Instant now = start;

  bool observe() {
    return health.observe(seen, now, wall_start + std::chrono::floor<std::chrono::seconds>(now - start));
  }
  bool well(HealthPath path) const { return health.answer(path, now).well; }
  std::string body() const { return health.answer(HealthPath::ready, now).body; }
  // "live serving ready", each 200 or 503.
  std::string verdicts() const {
    std::string out;
    for (const HealthPath path : {HealthPath::live, HealthPath::serving, HealthPath::ready})
      out += (out.empty() ? "" : " ") + std::string(well(path) ? "200" : "503");
    return out;
  }
};

TEST_CASE("the summary has the status and the reasons on one line") {
  Bench bench;
  bench.observe();
  CHECK(bench.health.summary(bench.now) == "ready");
  bench.seen.causes = {{HealthCode::port_clash, "a", "external"}, {HealthCode::upstream_unreachable, "b"}};
  bench.observe();
  CHECK(bench.health.summary(bench.now) == "degraded: upstream_unreachable (b), port_clash (a/external)");
  bench.seen.draining = true;
  bench.observe();
  CHECK(bench.health.summary(bench.now).starts_with("draining: upstream"));
}

TEST_CASE("the truth table of states, paths and bodies") {
  Bench bench;
  HealthObservation& seen = bench.seen;
  SUBCASE("before anything was observed") {
    CHECK(bench.verdicts() == "200 503 503");
    CHECK(bench.body() == "{\"status\":\"starting\",\"reasons\":[]}\n");
  }
  SUBCASE("starting: the listeners are not bound") {
    seen = {};
    bench.observe();
    CHECK(bench.verdicts() == "200 503 503");
    CHECK(bench.body() == "{\"status\":\"starting\",\"reasons\":[]}\n");
  }
  SUBCASE("starting: bound, and no bootstrap server has answered") {
    seen.upstream_answered = false;
    bench.observe();
    CHECK(bench.verdicts() == "200 200 503");
    CHECK(bench.body() == "{\"status\":\"starting\",\"reasons\":[]}\n");
  }
  SUBCASE("no upstream ever: ready after 30 s, and degraded") {
    seen.upstream_answered = false;
    seen.worker_turns.clear();
    seen.causes = {{HealthCode::upstream_unreachable, "orders"}};
    bench.observe();
    bench.now += 30s - 1ns;
    CHECK(bench.verdicts() == "200 200 503");
    bench.now += 1ns;
    CHECK(bench.verdicts() == "200 200 200");
    CHECK(bench.body() ==
          "{\"status\":\"degraded\",\"reasons\":[{\"code\":\"upstream_unreachable\",\"cluster\":\"orders\","
          "\"since\":\"2026-11-29T09:46:34Z\"}]}\n");
  }
  SUBCASE("the upstream has answered") {
    bench.observe();
    CHECK(bench.verdicts() == "200 200 200");
    CHECK(bench.body() == "{\"status\":\"ready\",\"reasons\":[]}\n");
  }
  SUBCASE("degraded: one cluster of two is lost, ports clash, a certificate ends") {
    seen.causes = {{HealthCode::certificate_expiring, "a", "external"},
                   {HealthCode::port_clash, "a", "external"},
                   {HealthCode::upstream_unreachable, "b"}};
    bench.observe();
    CHECK(bench.verdicts() == "200 200 200");
    CHECK(bench.body() ==
          "{\"status\":\"degraded\",\"reasons\":["
          "{\"code\":\"upstream_unreachable\",\"cluster\":\"b\",\"since\":\"2026-11-29T09:46:34Z\"},"
          "{\"code\":\"port_clash\",\"cluster\":\"a\",\"listener\":\"external\",\"since\":\"2026-11-29T09:46:"
          "34Z\"},"
          "{\"code\":\"certificate_expiring\",\"cluster\":\"a\",\"listener\":\"external\","
          "\"since\":\"2026-11-29T09:46:34Z\"}]}\n");
  }
  SUBCASE("draining: serving, and no longer ready") {
    seen.draining = true;
    bench.observe();
    CHECK(bench.verdicts() == "200 200 503");
    CHECK(bench.body() == "{\"status\":\"draining\",\"reasons\":[]}\n");
  }
  SUBCASE("the listeners are closed at the end of a drain") {
    seen.draining = true;
    seen.listening = false;
    bench.observe();
    CHECK(bench.verdicts() == "200 503 503");
    CHECK(bench.body() == "{\"status\":\"draining\",\"reasons\":[]}\n");
  }
  SUBCASE("a worker is stuck: not live, yet ready and serving") {
    CHECK(bench.observe());
    seen.worker_turns[0] = 2;
    bench.now += 5s;
    bench.observe();
    CHECK(bench.verdicts() == "503 200 200");
    CHECK(bench.body() ==
          "{\"status\":\"degraded\",\"reasons\":[{\"code\":\"worker_stuck\",\"since\":\"2026-11-29T09:46:"
          "39Z\"}]}\n");
    seen.worker_turns[1] = 2;
    bench.observe();
    CHECK(bench.verdicts() == "200 200 200");
    CHECK(bench.body() == "{\"status\":\"ready\",\"reasons\":[]}\n");
  }
}

TEST_CASE("workers are asked every two seconds, and an idle one that answers stays alive") {
  Bench bench;
  unsigned asked = 0;
  for (int i = 0; i < 60; ++i) {
    if (bench.observe()) {
      ++asked;
      for (std::uint64_t& turns : bench.seen.worker_turns) ++turns;
    }
    CHECK(bench.well(HealthPath::live));
    bench.now += 1s;
  }
  CHECK(asked == 30);
}

TEST_CASE("a question without an answer is not forgotten when the next one is due") {
  Bench bench;
  bench.observe();
  for (int i = 0; i < 4; ++i) {
    bench.now += 1s;
    bench.observe();
    CHECK(bench.well(HealthPath::live));
  }
  bench.now += 1s;
  CHECK_FALSE(bench.well(HealthPath::live));
}

TEST_CASE("a reason keeps its time until it has gone") {
  Bench bench;
  bench.seen.causes = {{HealthCode::upstream_unreachable, "a"}};
  bench.observe();
  bench.now += 10s;
  bench.observe();
  CHECK(bench.body().find("09:46:34Z") != std::string::npos);
  bench.seen.causes.clear();
  bench.observe();
  bench.seen.causes = {{HealthCode::upstream_unreachable, "a"}};
  bench.observe();
  CHECK(bench.body().find("09:46:44Z") != std::string::npos);
}

TEST_CASE("the health paths and their alias") {
  CHECK(health_path("/health/live") == HealthPath::live);
  CHECK(health_path("/health/serving") == HealthPath::serving);
  CHECK(health_path("/health/ready") == HealthPath::ready);
  CHECK(health_path("/health") == HealthPath::ready);
  CHECK_FALSE(health_path("/health/"));
  CHECK_FALSE(health_path("/healthz"));
}

}  // namespace
}  // namespace kferry::operations
