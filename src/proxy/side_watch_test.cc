#include "proxy/side_watch.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Verdict = SideWatch::Verdict;

// A session that is looked at every second. Nothing moves by itself.
struct Watched {
  Watched() {
    sides.now = Instant{} + seconds(1000);
    sides.patience = seconds(60);
  }
  Verdict look() {
    sides.now += SideWatch::interval;
    return watch.judge(sides);
  }
  // The first verdict but `wait`, and after how many seconds. wait: none within an hour.
  std::pair<Verdict, int> outcome() {
    for (int looks = 0; looks < 3600; ++looks)
      if (const Verdict verdict = look(); verdict != Verdict::wait) return {verdict, looks};
    return {Verdict::wait, 3600};
  }
  SideWatch watch;
  SideWatch::Sides sides;
};

TEST_CASE("a session whose sides are only quiet is never ended") {
  Watched w;
  CHECK(w.outcome().first == Verdict::wait);
}

TEST_CASE("a reset is noticed where no receive would report it") {
  Watched w;
  w.sides.client.reset = true;
  CHECK(w.look() == Verdict::wait);
  w.sides.client_receiving = false;
  CHECK(w.look() == Verdict::client_reset);
}

TEST_CASE("a client that has ended ends a dial") {
  Watched w;
  w.sides.upstream = Upstream::dialling;
  CHECK(w.look() == Verdict::wait);
  w.sides.client.ended = true;
  CHECK(w.look() == Verdict::client_left);
}

TEST_CASE("a peer that owes an ACK is gone after as long as keep-alive would take") {
  Watched client;
  client.sides.client.awaits_ack = true;
  client.sides.client.silence = seconds(59);
  CHECK(client.look() == Verdict::wait);
  client.sides.client.silence = seconds(60);
  CHECK(client.look() == Verdict::client_gone);
  Watched broker;
  broker.sides.broker.awaits_ack = true;
  broker.sides.broker.silence = seconds(60);
  CHECK(broker.look() == Verdict::broker_gone);
}

TEST_CASE("a client that leaves responses unread is ended, unless it may be a consumer between two polls") {
  Watched w;
  w.sides.client.undelivered = true;
  w.sides.responses_wait = true;
  CHECK(w.outcome() == std::pair{Verdict::unread, 25});
  Watched consumer;
  consumer.sides = w.sides;
  consumer.sides.fetch_unanswered = true;
  CHECK(consumer.outcome().first == Verdict::wait);
}

TEST_CASE("responses that the socket holds are unread, too, where none of them can answer a Fetch") {
  Watched w;
  w.sides.client.undelivered = true;
  CHECK(w.outcome() == std::pair{Verdict::unread, 25});
  Watched consumer;
  consumer.sides = w.sides;
  consumer.sides.fetches = true;
  CHECK(consumer.outcome().first == Verdict::wait);
  consumer.sides.responses_wait = true;
  CHECK(consumer.outcome().first == Verdict::unread);
}

TEST_CASE("bytes acknowledged one by one are no progress of a client, and four kilobytes are") {
  Watched w;
  w.sides.client.undelivered = true;
  w.sides.responses_wait = true;
  Verdict verdict = Verdict::wait;
  for (int looks = 0; looks <= 25; ++looks) {
    ++w.sides.client.acknowledged;
    verdict = w.look();
  }
  CHECK(verdict == Verdict::unread);
  for (int looks = 0; looks <= 60; ++looks) {
    w.sides.client.acknowledged += 4096;
    CHECK(w.look() == Verdict::wait);
  }
}

TEST_CASE("a broker that has every request and says nothing is left after the client's end") {
  Watched w;
  w.sides.client_ended = true;
  CHECK(w.outcome() == std::pair{Verdict::silent, 25});
}

TEST_CASE("an answer on its way keeps a session whose client has ended") {
  Watched w;
  w.sides.client_ended = true;
  for (int looks = 0; looks < 100; ++looks) {
    w.sides.broker.received += 10;
    CHECK(w.look() == Verdict::wait);
  }
}

TEST_CASE("requests of a client that has ended are delivered for five minutes, to a broker that is there") {
  Watched slow;
  slow.sides.client_ended = true;
  slow.sides.requests_wait = true;
  CHECK(slow.outcome() == std::pair{Verdict::undeliverable, 300});
  Watched vanished;
  vanished.sides = slow.sides;
  vanished.sides.broker.awaits_ack = true;
  vanished.sides.broker.silence = minutes(1);
  CHECK(vanished.outcome() == std::pair{Verdict::undeliverable, 25});
}

TEST_CASE(
    "a client that takes nothing after its broker has ended is stalled, and each end begins the time anew") {
  Watched w;
  w.sides.broker_ended = true;
  CHECK(w.outcome() == std::pair{Verdict::stalled, 15});
  w.sides.client_ended = true;
  CHECK(w.outcome() == std::pair{Verdict::stalled, 15});
}

TEST_CASE("a session is quiet from the second look on at which no completion has moved anything") {
  SideWatch watch;
  const Instant active = Instant{} + seconds(7);
  CHECK(!watch.is_quiet(active));
  CHECK(watch.is_quiet(active));
  CHECK(!watch.is_quiet(active + seconds(1)));
}

}  // namespace
}  // namespace kferry::proxy
