#include "net/name_cache.h"

#include <doctest/doctest.h>

namespace kferry::net {
namespace {

using namespace std::chrono_literals;

const SocketAddress a = *SocketAddress::parse("10.0.0.1", 0);
const SocketAddress b = *SocketAddress::parse("10.0.0.2", 0);
constexpr Instant start{};

TEST_CASE("a TTL is honoured between its floor and its cap") {
  NameCache cache{CacheRules{}};
  CHECK_FALSE(cache.fresh("k", start));
  cache.learn("k", {a}, 0s, start);
  CHECK(cache.fresh("k", start + 999ms));
  CHECK_FALSE(cache.fresh("k", start + 1s));
  cache.learn("k", {a}, 30s, start);
  CHECK(cache.fresh("k", start + 29s));
  CHECK_FALSE(cache.fresh("k", start + 30s));
  cache.learn("k", {a}, 24h, start);
  CHECK(cache.fresh("k", start + 59s));
  CHECK_FALSE(cache.fresh("k", start + 60s));
}

TEST_CASE("a failure is reused for a second, and keeps the last good answer with its age") {
  NameCache cache{CacheRules{}};
  cache.learn("k", {a, b}, 5s, start);
  cache.fail("k", "SERVFAIL", false, start + 10s);
  CHECK(cache.fresh("k", start + 10s + 999ms));
  CHECK_FALSE(cache.fresh("k", start + 11s));
  const Answer answer = cache.answer("k", 3, 9092, start + 10s);
  CHECK(answer.request == 3);
  CHECK(answer.stale);
  CHECK(answer.age == 10s);
  CHECK(answer.error == "SERVFAIL");
  REQUIRE(answer.addresses.size() == 2);
  CHECK(answer.addresses[0].text() == "10.0.0.1:9092");
  cache.learn("k", {b}, 5s, start + 11s);
  CHECK_FALSE(cache.answer("k", 3, 9092, start + 11s).stale);
  CHECK(cache.answer("k", 3, 9092, start + 11s).error.empty());
}

TEST_CASE("an authoritative failure forgets the addresses") {
  NameCache cache{CacheRules{}};
  cache.learn("k", {a}, 5s, start);
  cache.fail("k", "no such name", true, start + 10s);
  CHECK(cache.answer("k", 0, 1, start + 10s).addresses.empty());
  CHECK_FALSE(cache.answer("k", 0, 1, start + 10s).stale);
  cache.fail("k", "SERVFAIL", false, start + 20s);
  CHECK(cache.answer("k", 0, 1, start + 20s).addresses.empty());
}

TEST_CASE("a doubted name is asked again at once, and then once a second") {
  NameCache cache{CacheRules{}};
  cache.doubt("k");
  CHECK(cache.size() == 0);
  cache.learn("k", {a}, 60s, start);
  CHECK(cache.fresh("k", start + 100ms));
  cache.doubt("k");
  CHECK_FALSE(cache.fresh("k", start + 100ms));
  CHECK(cache.has_addresses("k"));
  cache.learn("k", {a}, 60s, start + 100ms);
  cache.doubt("k");
  CHECK(cache.fresh("k", start + 999ms));
  CHECK_FALSE(cache.fresh("k", start + 1s));
  cache.fail("k", "SERVFAIL", false, start + 1s);
  cache.doubt("k");
  CHECK(cache.fresh("k", start + 1s + 999ms));
  CHECK_FALSE(cache.fresh("k", start + 2s));
  CHECK(cache.has_addresses("k"));
  cache.learn("k", {b}, 60s, start + 10s);
  CHECK(cache.fresh("k", start + 30s));
  cache.doubt("k");
  CHECK_FALSE(cache.fresh("k", start + 30s));
}

TEST_CASE("a name in doubt all the time is asked about once a second, and once more") {
  NameCache cache{CacheRules{}};
  int questions = 0;
  for (Instant now = start; now < start + 10s; now += 10ms) {
    if (!cache.fresh("k", now)) {
      ++questions;
      cache.learn("k", {a}, 0s, now);
    }
    cache.doubt("k");
  }
  CHECK(questions == 11);
}

TEST_CASE("the number of names is limited, and the least recently used one is dropped") {
  NameCache cache{CacheRules{.names_max = 2}};
  cache.learn("a", {a}, 5s, start);
  cache.learn("b", {a}, 5s, start);
  CHECK(cache.fresh("a", start));
  cache.learn("c", {a}, 5s, start);
  CHECK(cache.size() == 2);
  CHECK(cache.fresh("a", start));
  CHECK_FALSE(cache.fresh("b", start));
  CHECK(cache.fresh("c", start));
}

}  // namespace
}  // namespace kferry::net
