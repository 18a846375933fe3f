#include "proxy/request_times.h"

#include <doctest/doctest.h>

#include "proxy/connection_meter.h"
#include "proxy/counters.h"

namespace kferry::proxy {
namespace {

using Kind = RequestTimes::Kind;

constexpr std::uint8_t produce = 0;

Ticks at(std::int64_t ms) {
  return ticks_of(Instant{std::chrono::milliseconds(ms)});
}

struct Fixture {
  WorkerCounters worker;
  ListenerCounters& counters = worker.listener("a", "external");
  RequestTimes times;

  std::uint64_t count(RequestPart part, std::size_t api = produce) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < DurationCounter::buckets; ++i) sum += counters.durations(api, part).count(i);
    return sum;
  }
  std::int64_t sum_ms(RequestPart part, std::size_t api = produce) const {
    return static_cast<std::int64_t>(counters.durations(api, part).sum_ns() / 1'000'000);
  }
};

TEST_CASE("a request's time is split into kferry's, the broker's and the client's") {
  Fixture f;
  f.times.queued(Kind::forwarded, produce, at(100));
  f.times.handed(at(103), true, false, false);
  f.times.taken(at(110), true, false);
  f.times.begun(at(160));
  f.times.leaving(at(162), true, true, false, f.counters);
  f.times.answered(at(200), f.counters);
  f.times.leaving(at(201), true, false, false, f.counters);
  CHECK(!f.times.idle());
  f.times.delivered(at(240), true, f.counters);
  CHECK(f.times.idle());
  CHECK(f.sum_ms(RequestPart::kferry) == 3 + 2);
  CHECK(f.sum_ms(RequestPart::broker) == 50);
  CHECK(f.sum_ms(RequestPart::client) == 240 - 162);
  CHECK(f.count(RequestPart::client) == 1);
}

TEST_CASE("what the judge lets wait is kferry's time") {
  Fixture f;
  f.times.wait(at(10));
  f.times.wait(at(20));
  CHECK(!f.times.idle());
  f.times.queued(Kind::forwarded, produce, at(60));
  f.times.handed(at(60), true, false, true);
  f.times.answered(at(70), f.counters);
  f.times.leaving(at(70), true, false, true, f.counters);
  CHECK(f.times.idle());
  CHECK(f.sum_ms(RequestPart::kferry) == 50);
  CHECK(f.sum_ms(RequestPart::broker) == 10);
  CHECK(f.sum_ms(RequestPart::client) == 0);
}

TEST_CASE("a send covers what was ready, and the requests that come later wait for theirs") {
  Fixture f;
  f.times.queued(Kind::forwarded, produce, at(0));
  f.times.handed(at(0), true, false, false);
  f.times.queued(Kind::forwarded, produce, at(5));  // behind the pending send
  f.times.taken(at(10), false, false);              // of the first one alone
  f.times.handed(at(10), true, false, true);
  f.times.answered(at(30), f.counters);
  f.times.answered(at(30), f.counters);
  CHECK(f.sum_ms(RequestPart::broker) == 20 + 20);
  f.times.leaving(at(30), true, false, true, f.counters);
  CHECK(f.sum_ms(RequestPart::kferry) == 0 + 5);
}

TEST_CASE("the last request counts as gone only once its last byte is") {
  Fixture f;
  f.times.queued(Kind::forwarded, produce, at(0));
  f.times.queued(Kind::forwarded, produce, at(0));
  f.times.handed(at(0), true, true, false);  // the second one's body is still to come
  f.times.taken(at(1), true, true);
  f.times.taken(at(40), true, false);
  f.times.answered(at(51), f.counters);
  f.times.answered(at(60), f.counters);
  CHECK(f.sum_ms(RequestPart::broker) == 50 + 20);
}

TEST_CASE("an answer that comes before its request was seen to leave") {
  Fixture f;
  f.times.queued(Kind::forwarded, produce, at(0));
  f.times.answered(at(7), f.counters);
  f.times.delivered(at(9), true, f.counters);
  CHECK(f.times.idle());
  CHECK(f.sum_ms(RequestPart::broker) == 0);
  CHECK(f.sum_ms(RequestPart::kferry) == 7 + 2);
}

TEST_CASE("kferry's own answers have no time at the broker, and its own questions none at all") {
  Fixture f;
  f.times.queued(Kind::own, produce, at(0));
  f.times.queued(Kind::hidden, produce, at(0));
  CHECK(f.times.unanswered() == 1);
  f.times.answered(at(4), f.counters);
  f.times.answered(at(5), f.counters);
  f.times.leaving(at(5), true, false, true, f.counters);
  CHECK(f.times.idle());
  CHECK(f.count(RequestPart::broker) == 0);
  CHECK(f.count(RequestPart::kferry) == 1);
  CHECK(f.sum_ms(RequestPart::kferry) == 5);
}

TEST_CASE("a deep queue keeps its order") {
  Fixture f;
  for (int i = 0; i < 1000; ++i) {
    f.times.queued(Kind::forwarded, i % 2 == 0 ? produce : std::uint8_t{1}, at(0));
    if (i % 3 == 0) f.times.handed(at(0), true, false, true);
  }
  f.times.handed(at(0), true, false, true);
  for (int i = 0; i < 1000; ++i) {
    f.times.answered(at(i % 2 == 0 ? 1 : 2), f.counters);
    if (i % 5 == 0) f.times.leaving(at(2), true, false, false, f.counters);
  }
  f.times.leaving(at(2), true, false, false, f.counters);
  f.times.delivered(at(3), true, f.counters);
  CHECK(f.times.idle());
  CHECK(f.sum_ms(RequestPart::broker, produce) == 500 * 1);
  CHECK(f.sum_ms(RequestPart::broker, 1) == 500 * 2);
  CHECK(f.count(RequestPart::client) + f.count(RequestPart::client, 1) == 1000);
}

TEST_CASE("what a session gives back serves the next one, whatever its requests came to") {
  RequestTimesPool pool;
  RequestTimes* const deep = pool.take();
  for (int i = 0; i < 1000; ++i) deep->queued(Kind::forwarded, produce, at(0));
  deep->wait(at(1));
  pool.give_back(deep);
  CHECK(pool.take() == deep);
  CHECK(deep->idle());
  CHECK(deep->unanswered() == 0);
  RequestTimes* const other = pool.take();
  CHECK(other != deep);
  pool.give_back(other);
  pool.give_back(deep);
  CHECK(pool.take() == deep);
  CHECK(pool.take() == other);
  pool.give_back(other);
  pool.give_back(deep);
}

TEST_CASE("a part that would be negative counts as zero") {
  Fixture f;
  f.times.queued(Kind::forwarded, produce, at(10));
  f.times.handed(at(12), true, false, true);
  f.times.answered(at(10), f.counters);  // in the turn in which it was handed over
  f.times.leaving(at(11), true, false, true, f.counters);
  CHECK(f.count(RequestPart::broker) == 1);
  CHECK(f.sum_ms(RequestPart::broker) == 0);
  CHECK(f.sum_ms(RequestPart::kferry) == 2 + 1);
}

TEST_CASE("times go on where the ticks wrap") {
  Fixture f;
  const Ticks late = Ticks{} - at(5);
  f.times.queued(Kind::forwarded, produce, late);
  f.times.handed(late + at(1), true, false, true);
  f.times.answered(late + at(101), f.counters);
  f.times.leaving(late + at(101), true, false, true, f.counters);
  CHECK(f.sum_ms(RequestPart::kferry) == 1);
  CHECK(f.sum_ms(RequestPart::broker) == 100);
}

TEST_CASE("a meter counts a connection once, moves it, and hands its requests over to the unanswered") {
  WorkerCounters worker;
  ListenerCounters& counters = worker.listener("a", "external");
  ConnectionMeter meter(worker);
  CHECK(!meter.begun());
  meter.begin(counters);
  CHECK(counters.none().active.value() == 1);
  meter.lead_to(counters.node(NodeId{7}));
  CHECK(counters.none().active.value() == 0);
  CHECK(counters.node(NodeId{7}).active.value() == 1);
  meter.queued({.key = kafka::metadata_key, .version = 4});
  meter.queued({.key = kafka::metadata_key, .version = 4, .asked_by_kferry = true});
  meter.unacknowledged(kafka::produce_key, 9);
  CHECK(meter.timing());
  meter.end(CloseCause::client_reset, false);
  CHECK(!meter.timing());
  CHECK(counters.node(NodeId{7}).active.value() == 0);
  CHECK(counters.accepted.value() == 1);
  CHECK(counters.closed[static_cast<std::size_t>(CloseCause::client_reset)].value() == 1);
  CHECK(counters.awaited.value() == 1);
  CHECK(counters.unanswered.value() == 1);
  CHECK((*counters.requests(counted_api(kafka::produce_key)))[9].value() == 1);
  CHECK((*counters.requests(counted_api(kafka::metadata_key)))[4].value() == 1);
}

TEST_CASE("brokers beyond the limit count together, as do APIs that Kafka lacks and versions to come") {
  WorkerCounters worker;
  ListenerCounters& counters = worker.listener("a", "external");
  for (std::int32_t id = 0; id < 3000; ++id) counters.node(NodeId{id}).to_client.add();
  CHECK(counters.nodes().size() == 4 + ListenerCounters::nodes_max);
  CHECK(&counters.node(NodeId{2000}) == &counters.node(NodeId{2999}));
  CHECK(counters.node(NodeId{2999}).name == "other");
  CHECK(counters.node(NodeId{2999}).to_client.value() == 3000 - ListenerCounters::nodes_max);
  counters.count_request(ApiKey{10'007}, 0);
  counters.count_request(ApiKey{-1}, 77);
  const ListenerCounters::Versions& others = *counters.requests(kafka::api_names.size());
  CHECK(others[0].value() == 1);
  CHECK(others[ListenerCounters::versions_max - 1].value() == 1);
  CHECK(counted_api_name(kafka::api_names.size()) == "other");
}

TEST_CASE("counters belong to names") {
  WorkerCounters worker;
  ListenerCounters& first = worker.listener("a", "external");
  CHECK(&worker.listener("b", "external") != &first);
  CHECK(&worker.listener("a", "external") == &first);
  CHECK(worker.listeners().size() == 2);
}

TEST_CASE("the buckets of a duration") {
  DurationCounter counter;
  counter.add(Duration(-5));
  counter.add(std::chrono::microseconds(50));
  counter.add(std::chrono::nanoseconds(50'001));
  counter.add(std::chrono::seconds(10));
  counter.add(std::chrono::seconds(11));
  CHECK(counter.count(0) == 2);
  CHECK(counter.count(1) == 1);
  CHECK(counter.count(11) == 1);
  CHECK(counter.count(12) == 1);
  CHECK(counter.sum_ns() == 50'000 + 50'001 + 21'000'000'000);
  counter.add_ticks(static_cast<Ticks>(-1));
  counter.add_ticks(5);
  counter.add_ticks(6);
  counter.add_ticks(1'000'000);
  counter.add_ticks(1'000'001);
  CHECK(counter.count(0) == 4);
  CHECK(counter.count(1) == 2);
  CHECK(counter.count(11) == 2);
  CHECK(counter.count(12) == 2);
  CHECK(counter.sum_ns() == 50'000 + 50'001 + 21'000'000'000 + 110'000 + 20'000'010'000);
}

}  // namespace
}  // namespace kferry::proxy
