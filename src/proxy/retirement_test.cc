#include "proxy/retirement.h"

#include <doctest/doctest.h>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

using Seen = Retirement::Seen;

struct Fixture {
  kafka::Policy policy;
  kafka::Conversation conversation{policy};
  Retirement retirement;

  void ask(ApiKey key) { conversation.push({.key = key}); }
};

TEST_CASE("a session that forms no group is retired at once") {
  Fixture f;
  CHECK(!f.retirement.waits_for_group(f.conversation));
  f.ask(kafka::fetch_key);
  CHECK(!f.retirement.waits_for_group(f.conversation));
  CHECK(Retirement::answers_within(f.conversation, std::chrono::seconds(30)) == std::chrono::seconds(30));
}

TEST_CASE("a group that is being formed is waited for, but not for ever") {
  Fixture f;
  f.ask(kafka::join_group_key);
  Duration waited{};
  while (f.retirement.waits_for_group(f.conversation)) waited += Retirement::step;
  CHECK(waited == Retirement::patience);
  CHECK(Retirement::answers_within(f.conversation, std::chrono::seconds(30)) == Retirement::step);
}

TEST_CASE("a group that has been formed ends the wait") {
  Fixture f;
  f.ask(kafka::sync_group_key);
  CHECK(f.retirement.waits_for_group(f.conversation));
  f.conversation.pop();
  CHECK(!f.retirement.waits_for_group(f.conversation));
}

TEST_CASE("a drain gives a busy client one look more than an idle one") {
  Fixture idle;
  CHECK(!idle.retirement.stops_reading(Seen::idle));
  CHECK(idle.retirement.stops_reading(Seen::idle));
  Fixture busy;
  CHECK(!busy.retirement.stops_reading(Seen::busy));
  CHECK(!busy.retirement.stops_reading(Seen::busy));
  CHECK(busy.retirement.stops_reading(Seen::busy));
}

TEST_CASE("a drain gives a client that has just connected a second to ask") {
  Fixture f;
  Duration waited = Retirement::drain_interval;
  while (!f.retirement.stops_reading(Seen::newcomer)) waited += Retirement::drain_interval;
  CHECK(waited == std::chrono::seconds(1));
  CHECK(f.retirement.stops_reading(Seen::newcomer));
}

TEST_CASE("a drain never stops a session whose request waits for its broker") {
  Fixture f;
  for (int i = 0; i < 300; ++i) CHECK(!f.retirement.stops_reading(Seen::waiting));
  CHECK(f.retirement.stops_reading(Seen::idle));
}

TEST_CASE("a drain ends once") {
  Fixture f;
  CHECK(!f.retirement.end_drain());
  f.retirement.drain();
  CHECK(f.retirement.draining());
  CHECK(f.retirement.end_drain());
  CHECK(!f.retirement.end_drain());
}

}  // namespace
}  // namespace kferry::proxy
