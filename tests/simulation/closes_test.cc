// The close table of src/proxy/close_rules.h, row by row, each at random moments.
#include <algorithm>

#include "doctest/doctest.h"
#include "scenarios.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using State = Connection::State;

// One broker, one connection to it, known to kferry before.
struct Pair {
  explicit Pair(Run& run, std::uint32_t workers = 2) {
    WorldOptions options = some_options(run);
    options.ids = {7};
    options.listed_ids.clear();
    options.min_broker_id = 0;
    options.ports = 1;
    options.workers = workers;
    options.discovery = true;
    options.credentials = false;
    world = std::make_unique<World>(run.seed, options, run.trace);
    broker = &world->broker(7);
    world->start();
    world->run("discovery", [this] { return world->logged("discovered") > 0; }, minutes(1));
    connection = &world->connect(7);
    connection->window = 100;
    entry = connection->number();
  }
  // `count` requests with answers; how many of them go to the broker.
  std::size_t ask(Run& run, std::size_t count, std::size_t size_max = 3'000) {
    Mix mix;
    mix.body_max = size_max;
    mix.reply_max = run.dice.one_in(4) ? 120'000 : 2'000;
    mix.unanswered = false;
    std::size_t forwarded = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Order order = some_order(run.dice, mix, 7);
      forwarded += order.own() ? 0 : 1;
      connection->ask(order);
    }
    return forwarded;
  }
  // One that goes to the broker, whatever else was drawn.
  void ask_heartbeat(Run& run) const {
    Order order = order_of(run.dice, Kind::opaque, 1);
    order.key = 12;
    order.meant_for = 7;
    order.reply_size = run.dice.below(5'000);
    connection->ask(order);
  }
  void run_until_over(const std::string& what) {
    world->run(what, [this] { return connection->state() != State::open; }, minutes(5));
  }
  // The client's end, and its number of whole answers.
  void expect(State state, std::size_t done) const {
    if (connection->state() != state)
      world->ledger.violation(connection->text() + " ended as " +
                              std::to_string(static_cast<int>(connection->state())) + ", not as " +
                              std::to_string(static_cast<int>(state)));
    if (connection->done() != done)
      world->ledger.violation(connection->text() + ": " + std::to_string(done) + " answers were due");
  }
  void expect_broker_sees_end() {
    world->run(
        "the broker's end of a session", [this] { return world->ledger.connection(entry).broker_ended; },
        minutes(1));
  }
  // In order, or by a reset where every request has been answered.
  void expect_broker_sees_some_end() {
    world->run(
        "the broker's end of a session",
        [this] {
          const auto& seen = world->ledger.connection(entry);
          return seen.broker_ended || seen.broker_reset;
        },
        minutes(1));
  }
  void expect_broker_sees_reset() {
    world->run(
        "the broker's reset of a session", [this] { return world->ledger.connection(entry).broker_reset; },
        minutes(1));
  }
  std::unique_ptr<World> end() {
    world->stop();
    return std::move(world);
  }

  std::unique_ptr<World> world;
  Broker* broker = nullptr;
  Connection* connection = nullptr;
  std::int32_t entry = 0;
};

TEST_CASE("a half-close of the client delivers its requests, and every answer to them") {
  over_seeds("a half-close of the client delivers its requests, and every answer to them", 4, [](Run& run) {
    Pair pair(run);
    const std::size_t count = 1 + run.dice.below(20);
    pair.ask(run, count - 1);
    pair.ask_heartbeat(run);
    // A dial is not begun for a client that has ended before it: see the table.
    pair.world->run("the first answer", [&] { return pair.connection->done() > 0; }, minutes(1));
    pair.connection->half_close();
    pair.run_until_over("a half-closed connection");
    pair.expect(State::ended, count);
    pair.expect_broker_sees_some_end();
    pair.world->expect_only({});
    return pair.end();
  });
}

TEST_CASE("a half-close inside a request delivers what came of it, and the answers before") {
  over_seeds("a half-close inside a request delivers what came of it, and the answers before", 3,
             [](Run& run) {
               Pair pair(run);
               const std::size_t count = 1 + run.dice.below(10);
               pair.ask(run, count);
               pair.world->run(
                   "requests written",
                   [&] { return pair.connection->written() && pair.connection->done() > 0; }, minutes(1));
               pair.connection->half_close_inside();
               pair.run_until_over("a connection half-closed inside a request");
               pair.expect(State::ended, count);
               pair.expect_broker_sees_end();
               pair.world->expect_only({});
               return pair.end();
             });
}

TEST_CASE("a port scan never dials, whichever way it ends") {
  over_seeds("a port scan never dials, whichever way it ends", 3, [](Run& run) {
    Pair pair(run, 1);
    const std::size_t before = pair.broker->connections_made();
    std::vector<std::unique_ptr<Stream>> scans;
    for (std::uint64_t i = 0; i < 10; ++i) {
      auto stream = pair.world->dial(*pair.world->told(7, {}));
      // Nothing, or less than a first header.
      const std::string header = encode(order_of(run.dice, Kind::opaque, 1));
      stream->write(std::string_view(header).substr(0, run.dice.below(12)));
      pair.world->run_for(Duration(run.dice.below(2'000'000)));
      switch (run.dice.below(4)) {
        case 0:
          stream->close();
          break;
        case 1:
          stream->reset();
          break;
        case 2:
          stream->shutdown();
          scans.push_back(std::move(stream));
          break;
        default:
          scans.push_back(std::move(stream));  // says nothing more
      }
    }
    pair.world->run_for(seconds(70));
    for (const auto& stream : scans) {
      if (!stream->read(100).empty()) pair.world->ledger.violation("a port scan was answered");
      if (!stream->ended() && !stream->was_reset())
        pair.world->ledger.violation("a silent connection outlived the first-byte time-out");
    }
    if (pair.broker->connections_made() != before)
      pair.world->ledger.violation("a port scan reached a broker");
    pair.world->expect_only({"header_cut_short", "first_request_too_slow"});
    return pair.end();
  });
}

TEST_CASE("input that is not a Kafka request ends its connection before a dial") {
  over_seeds("input that is not a Kafka request ends its connection before a dial", 2, [](Run& run) {
    Pair pair(run, 1);
    const std::size_t before = pair.broker->connections_made();
    std::vector<std::unique_ptr<Stream>> bad;
    const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    for (const std::string& bytes :
         {hello + filler(1, 200), std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
          std::string("\xff\xff\xff\xff", 4) + filler(2, 60),
          std::string("\x7f\xff\xff\xff", 4) + filler(3, 60), filler(run.seed, 100)}) {
      bad.push_back(pair.world->dial(*pair.world->told(7, {})));
      bad.back()->write(bytes);
    }
    pair.world->run_for(seconds(10));
    for (const auto& stream : bad) {
      if (!stream->read(100).empty()) pair.world->ledger.violation("garbage was answered");
      if (!stream->ended() && !stream->was_reset())
        pair.world->ledger.violation("garbage did not end its connection");
    }
    if (pair.broker->connections_made() != before) pair.world->ledger.violation("garbage reached a broker");
    return pair.end();
  });
}

TEST_CASE("an answer of kferry's own leaves, though what follows its request in one piece is refused") {
  over_seeds("an answer of kferry's own before a refusal", 2, [](Run& run) {
    Pair pair(run, 1);
    // ApiVersions in a version that no table has, which is answered with error 35.
    const std::string api_versions(
        "\0\0\0\x0c\0\x12\0\x63\0\0\0\x05\0\x01"
        "c\0",
        16);
    const std::unique_ptr<Stream> client = pair.world->dial(*pair.world->told(7, {}));
    client->write(api_versions + std::string("\xff\xff\xff\xff", 4));
    pair.world->run_for(seconds(10));
    const std::string answer = client->read(1000);
    if (answer.size() < 10 || answer.substr(4, 6) != std::string("\0\0\0\x05\0\x23", 6))
      pair.world->ledger.violation("the answer was lost");
    if (!client->ended() && !client->was_reset())
      pair.world->ledger.violation("garbage did not end its connection");
    return pair.end();
  });
}

TEST_CASE("a broker that closes between answers: what it sent is delivered, then the end") {
  over_seeds("a broker that closes between answers: what it sent is delivered, then the end", 4,
             [](Run& run) {
               Pair pair(run);
               const std::size_t count = 1 + run.dice.below(15);
               // The last is the broker's, so that it is dialled.
               const std::size_t forwarded = pair.ask(run, count) + 1;
               pair.ask_heartbeat(run);
               const std::size_t answered = run.dice.below(forwarded + 1);
               pair.broker->fate = [&] { return Fate{Ending::close, answered, forwarded}; };
               pair.run_until_over("a connection whose broker closes");
               // kferry's own answers need no broker, but keep their turn.
               const auto& orders = pair.world->ledger.connection(pair.entry).orders;
               std::size_t due = 0;
               std::size_t from_broker = 0;
               for (const Order& order : orders) {
                 if (!order.own() && ++from_broker > answered) break;
                 ++due;
               }
               pair.expect(State::ended, due);
               pair.connection->close();
               pair.world->expect_only({});
               return pair.end();
             });
}

TEST_CASE("a broker's end inside an answer is a reset for its client") {
  over_seeds("a broker's end inside an answer is a reset for its client", 4, [](Run& run) {
    Pair pair(run);
    // The last is the broker's, so that there is one to be cut.
    const std::size_t forwarded = pair.ask(run, run.dice.below(15)) + 1;
    pair.ask_heartbeat(run);
    const Fate fate{run.dice.one_in(2) ? Ending::close_mid_frame : Ending::reset_mid_frame,
                    run.dice.below(forwarded), 0};
    pair.broker->fate = [&] { return fate; };
    pair.run_until_over("a connection whose broker ends inside an answer");
    if (pair.connection->state() != State::reset)
      pair.world->ledger.violation(pair.connection->text() + " was cut, yet not reset");
    pair.world->expect_only({"response_cut_short", "broker_cut"});
    return pair.end();
  });
}

TEST_CASE("a reset on one side is a reset on the other") {
  over_seeds("a reset on one side is a reset on the other", 4, [](Run& run) {
    Pair pair(run);
    const std::size_t count = 1 + run.dice.below(15);
    const bool by_broker = run.dice.one_in(2);
    if (by_broker) pair.broker->fate = [&] { return Fate{Ending::reset, run.dice.below(count), 0}; };
    pair.ask(run, count, 20'000);
    for (std::size_t i = 0; i < count; ++i) pair.ask_heartbeat(run);
    if (by_broker) {
      pair.run_until_over("a connection whose broker resets");
      if (pair.connection->state() != State::reset)
        pair.world->ledger.violation(pair.connection->text() + " was not reset");
    } else {
      pair.world->run("something of the session", [&] { return pair.connection->done() > 0; }, minutes(1));
      pair.world->run_for(Duration(run.dice.below(3'000'000)));
      pair.connection->reset();
      pair.expect_broker_sees_reset();
    }
    pair.world->expect_only({"broker_cut"});
    return pair.end();
  });
}

TEST_CASE("a broker that answers nonsense ends its connection, after the answers before it") {
  over_seeds(
      "a broker that answers nonsense ends its connection, after the answers before it", 4, [](Run& run) {
        Pair pair(run);
        const std::size_t count = 2 + run.dice.below(8);
        const std::size_t good = run.dice.below(count);
        const Ending ending = run.dice.one_in(2) ? Ending::wrong_correlation : Ending::unasked;
        pair.broker->fate = [&] { return Fate{ending, ending == Ending::unasked ? count : good, count}; };
        for (std::size_t i = 0; i < count; ++i) pair.ask_heartbeat(run);
        // All requests are at the broker before it answers, so kferry leaves none of them unread when it closes.
        pair.broker->answer_delay_max = Duration::zero();
        pair.run_until_over("a connection whose broker answers nonsense");
        pair.expect(State::ended, ending == Ending::unasked ? count : good);
        if (pair.world->logged(ending == Ending::unasked ? "unsolicited_response" : "wrong_correlation_id") !=
            1)
          pair.world->ledger.violation("nonsense was not logged, or twice");
        return pair.end();
      });
}

TEST_CASE("any mixture of ends: a cut stream never looks complete") {
  over_seeds("any mixture of ends: a cut stream never looks complete", 10,
             [](Run& run) { return mixture_of_ends(run, some_options(run)); });
}

}  // namespace
}  // namespace kferry::simulation
