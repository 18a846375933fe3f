// What is counted adds up, after connections that end in every way, and is what the clients and brokers have seen; and
// the time of a request is split as the scripts on both sides spend it. Every other scenario checks the sums as well
// (world_figures.cc).
#include <cmath>

#include "doctest/doctest.h"
#include "scenarios.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using proxy::RequestPart;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Of all listeners.
struct Sums {
  std::uint64_t accepted = 0;
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;
  std::uint64_t to_broker = 0;
  std::uint64_t to_client = 0;
  std::uint64_t timed = 0;
  std::size_t causes = 0;  // that have occurred
};

Sums sums_of(const World& world) {
  Sums sums;
  for (const auto& [names, listener] : world.figures().listeners) {
    sums.accepted += listener.accepted;
    sums.answered += listener.answered;
    sums.unanswered += listener.unanswered;
    for (const auto& [name, node] : listener.nodes) {
      sums.to_broker += node.to_broker;
      sums.to_client += node.to_client;
    }
    for (const auto& api : listener.durations)
      sums.timed += api[static_cast<std::size_t>(RequestPart::client)].total();
    for (const std::uint64_t closed : listener.closed) sums.causes += closed > 0 ? 1 : 0;
  }
  return sums;
}

TEST_CASE("a thousand connections that end in every way are accounted for") {
  std::uint64_t connections = 0;
  std::uint64_t unanswered = 0;
  std::size_t causes = 0;
  over_seeds("a thousand connections that end in every way are accounted for", 50, [&](Run& run) {
    // Other worlds than those of closes_test.cc. Each checks the sums as it stops.
    run.seed += 5'000;
    run.dice = Dice(run.seed);
    auto world = mixture_of_ends(run, some_options(run));
    const Sums sums = sums_of(*world);
    connections += sums.accepted;
    unanswered += sums.unanswered;
    causes = std::max(causes, sums.causes);
    return world;
  });
  CHECK(connections >= 1'000);
  CHECK(unanswered > 0);
  CHECK(causes >= 5);
}

TEST_CASE("after orderly ends, the bytes counted are those that clients and brokers have read") {
  over_seeds("after orderly ends, the bytes counted are those that clients and brokers have read", 8,
             [](Run& run) {
               WorldOptions options = some_options(run);
               options.discovery = options.credentials = false;  // which reads and writes, too
               auto world = traffic(run, options);
               const Sums sums = sums_of(*world);
               const auto expect = [&](std::uint64_t counted, std::uint64_t seen, const char* what) {
                 if (counted != seen)
                   world->ledger.violation(std::to_string(counted) + " bytes counted, " +
                                           std::to_string(seen) + " read by " + what);
               };
               expect(sums.to_broker, world->broker_side.read, "brokers");
               expect(sums.to_client, world->client_side.read, "clients");
               if (sums.unanswered > 0 || sums.timed != sums.answered)
                 world->ledger.violation("not every answer was timed");
               return world;
             });
}

// What one part has added up to between two looks, in ms.
class PartClock {
 public:
  PartClock(const World& world, RequestPart part) : world_(world), part_(part), before_(sum_ms()) {}
  double ms() const { return sum_ms() - before_; }

 private:
  double sum_ms() const {
    double sum = 0;
    for (const auto& [names, listener] : world_.figures().listeners)
      for (const auto& api : listener.durations)
        sum += static_cast<double>(api[static_cast<std::size_t>(part_)].sum_ns) / 1e6;
    return sum;
  }

  const World& world_;
  const RequestPart part_;
  const double before_;
};

TEST_CASE("a request's time is split as the broker and the client spend it") {
  over_seeds("a request's time is split as the broker and the client spend it", 1, [](Run& run) {
    WorldOptions options;
    options.ids = {7};
    options.ports = 1;
    options.min_broker_id = 7;
    options.splice_threshold = run.dice.one_in(2) ? 0 : 4096;
    options.simulation.latency_max = std::chrono::microseconds(50);
    options.simulation.short_read = options.simulation.short_write = 0;
    options.simulation.no_buffers = 0;
    options.simulation.socket_buffer_min = options.simulation.socket_buffer_max = 1'000'000;
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    Broker& broker = world->broker(7);
    broker.answer_delay_min = broker.answer_delay_max = milliseconds(50);
    world->start();
    world->run("discovery", [&] { return world->logged("discovered") > 0; }, minutes(1));
    // The name of the broker takes its time, for which the first request waits.
    world->resolver.set_delay(milliseconds(300), milliseconds(300));
    const auto near = [&](const PartClock& part, double ms, const char* what) {
      if (std::abs(part.ms() - ms) > 0.1 * ms)
        world->ledger.violation(std::string(what) + ": " + std::to_string(part.ms()) + " ms in place of " +
                                std::to_string(ms));
    };
    const auto ask = [&](Connection& connection, std::size_t reply_size) {
      Order order = order_of(world->dice, Kind::fetch, 12);
      order.key = 1;
      order.meant_for = 7;
      order.body_size = 100;
      order.reply_size = reply_size;
      connection.ask(order);
    };
    const PartClock kferry(*world, RequestPart::kferry);
    const PartClock broker_first(*world, RequestPart::broker);
    Connection& connection = world->connect(7);
    ask(connection, 100);
    // The client may have an answer before kferry has been told that it has.
    const auto timed = [&](std::uint64_t answers) {
      return connection.idle() && sums_of(*world).timed == answers;
    };
    world->run("the first answer", [&] { return timed(1); }, minutes(1));
    near(kferry, 300, "kferry's part of a request that waits for its dial");
    near(broker_first, 50, "the broker's part");
    // The client does not read for 2 s, of an answer that no socket can hold.
    const PartClock broker_second(*world, RequestPart::broker);
    const PartClock client(*world, RequestPart::client);
    connection.reading = false;
    ask(connection, std::size_t{8} << 20U);
    world->run_for(milliseconds(50) + seconds(2));
    connection.reading = true;
    world->run("the large answer", [&] { return timed(2); }, minutes(1));
    near(broker_second, 50, "the broker's part of a large answer");
    near(client, 2'000, "the part of a client that does not read");
    connection.close();
    world->run("no session left", [&] { return world->sessions(0) == 0; }, minutes(1));
    world->stop();
    return world;
  });
}

}  // namespace
}  // namespace kferry::simulation
