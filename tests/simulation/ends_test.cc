// How long a session outlives its ends: a side that is silent, vanishes or never reads keeps neither sockets nor
// session longer than src/proxy/side_watch.h says.
#include "doctest/doctest.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using State = Connection::State;

// More than all sockets and kferry hold of one direction.
constexpr std::size_t large = 3U << 20U;

// One worker, broker 7, and a connection to it that has had an answer.
struct Scene {
  explicit Scene(Run& run, const std::function<void(WorldOptions&)>& change = {}) : dice(run.dice) {
    WorldOptions options = some_options(run);
    options.ids = {7};
    options.listed_ids.clear();
    options.min_broker_id = 0;
    options.ports = 1;
    options.workers = 1;
    options.discovery = true;
    options.credentials = false;
    options.simulation.no_buffers = 0;
    if (change) change(options);
    world = std::make_unique<World>(run.seed, options, run.trace);
    broker = &world->broker(7);
    if (world->options.ids.size() > 1) {  // broker 0 comes later, and takes the port of broker 7
      late = world->cluster.nodes.front();
      world->cluster.nodes.erase(world->cluster.nodes.begin());
      world->broker(0).kill();
    }
    world->start();
    world->run("discovery", [this] { return world->logged("discovered") > 0; }, minutes(1));
  }
  void begin() {
    connection = &world->connect(7);
    entry = connection->number();
    ask();
    world->run("the first answer", [this] { return connection->idle(); }, minutes(1));
  }
  void ask(std::size_t reply_size = 100, std::int16_t key = 12) {
    Order order = key == 1 ? order_of(dice, Kind::fetch, 12) : order_of(dice, Kind::opaque, 1);
    order.key = key;
    order.meant_for = 7;
    order.body_size = 100;
    order.reply_size = reply_size;
    connection->ask(order);
  }
  void produce_unanswered(std::size_t size) {
    Order order = order_of(dice, Kind::produce_unanswered, 3);
    order.meant_for = 7;
    order.body_size = size;
    connection->ask(order);
  }
  void hang() {
    broker->reading = false;
    ask();
    world->run("a request on its way", [this] { return connection->written(); }, minutes(1));
    world->run_for(seconds(1));
  }
  void expect_there(const std::string& when) {
    if (world->sessions(0) != 1) world->ledger.violation("the session is gone " + when);
  }
  void expect_gone(const std::string& what, Duration within) {
    world->run("no session left of " + what, [this] { return world->sessions(0) == 0; }, within);
  }
  std::unique_ptr<World> end() {
    broker->reading = true;
    world->stop();
    return std::move(world);
  }

  Dice& dice;
  Node late;
  std::unique_ptr<World> world;
  Broker* broker = nullptr;
  Connection* connection = nullptr;
  std::int32_t entry = 0;
};

// Broker 7 closes what it was asked `requests` times, after as many answers.
void close_after(Scene& scene, std::size_t requests) {
  scene.broker->fate = [requests] { return Fate{Ending::close, requests, requests}; };
}

TEST_CASE("a reset after a half-close ends both sides at once, though the broker is silent") {
  over_seeds("a reset after a half-close ends both sides at once, though the broker is silent", 1,
             [](Run& run) {
               Scene scene(run);
               scene.begin();
               scene.hang();
               scene.connection->half_close();
               scene.world->run_for(seconds(3));
               scene.expect_there("after a half-close");
               scene.connection->reset();
               scene.expect_gone("a client that half-closed and reset", milliseconds(10));
               return scene.end();
             });
}

TEST_CASE("a reset behind requests that kferry does not take is seen within two seconds") {
  over_seeds("a reset behind requests that kferry does not take is seen within two seconds", 1, [](Run& run) {
    Scene scene(run);
    scene.begin();
    scene.hang();
    for (int i = 0; i < 3; ++i) scene.produce_unanswered(large);
    scene.world->run_for(seconds(3));
    scene.connection->reset();
    scene.expect_gone("a client that reset behind its requests", seconds(2));
    return scene.end();
  });
}

TEST_CASE("a client that leaves a silent broker is gone within 30 seconds, and named") {
  over_seeds("a client that leaves a silent broker is gone within 30 seconds, and named", 1, [](Run& run) {
    Scene scene(run);
    scene.begin();
    scene.hang();
    scene.connection->close();
    scene.world->run_for(seconds(20));
    scene.expect_there("while an answer may still come");
    scene.expect_gone("a client that closed", seconds(10));
    if (scene.world->logged("broker_silent") != 1)
      scene.world->ledger.violation("the silence was not logged");
    return scene.end();
  });
}

TEST_CASE("answers that come after a half-close keep the session") {
  over_seeds("answers that come after a half-close keep the session", 1, [](Run& run) {
    Scene scene(run);
    scene.begin();
    scene.hang();
    scene.connection->half_close();
    scene.world->run_for(seconds(20));
    scene.broker->reading = true;
    scene.world->run(
        "the late answer", [&] { return scene.connection->state() == State::ended; }, seconds(5));
    if (scene.connection->done() != 2) scene.world->ledger.violation("the late answer did not come");
    scene.expect_gone("a client with all its answers", seconds(2));
    return scene.end();
  });
}

TEST_CASE("a vanished broker keeps the sessions of its former clients for at most 30 seconds") {
  over_seeds("a vanished broker keeps the sessions of its former clients for at most 30 seconds", 1,
             [](Run& run) {
               Scene scene(run);
               scene.begin();
               scene.broker->vanish();
               scene.ask();
               scene.world->run_for(seconds(3));
               scene.connection->close();
               scene.expect_gone("a client of a vanished broker", seconds(30));
               return scene.end();
             });
}

TEST_CASE("a broker with a zero window gets the records of a client that has left") {
  over_seeds("a broker with a zero window gets the records of a client that has left", 1, [](Run& run) {
    Scene scene(run, [](WorldOptions& options) {
      options.simulation.socket_buffer_min = options.simulation.socket_buffer_max = 60'000;
    });
    scene.begin();
    scene.hang();
    // More than the broker's socket has room for.
    scene.produce_unanswered(90'000);
    scene.world->run("records written", [&] { return scene.connection->written(); }, minutes(1));
    scene.connection->half_close();
    scene.world->run_for(minutes(2));
    scene.expect_there("with records that the broker has not taken");
    scene.broker->reading = true;
    scene.world->run(
        "the broker's end of a session",
        [&] { return scene.world->ledger.connection(scene.entry).broker_ended; }, minutes(1));
    if (scene.world->ledger.connection(scene.entry).seen != 3)
      scene.world->ledger.violation("not every request reached the broker");
    return scene.end();
  });
}

TEST_CASE("a client that never reads is gone within 20 seconds of its broker's end") {
  over_seeds("a client that never reads is gone within 20 seconds of its broker's end", 1, [](Run& run) {
    Scene scene(run, [](WorldOptions& options) {
      // The answer waits in the sockets and in kferry, so that the broker's end is hidden behind it.
      options.simulation.socket_buffer_min = options.simulation.socket_buffer_max = 1'000'000;
    });
    close_after(scene, 2);
    scene.connection = &scene.world->connect(7);
    scene.ask();
    scene.ask(1'500'000);
    scene.connection->reading = false;
    scene.world->run_for(seconds(12));
    scene.expect_there("soon after the broker's end");
    scene.expect_gone("a client that never reads", seconds(8));
    if (scene.world->logged("client_stalled") != 1) scene.world->ledger.violation("the stall was not logged");
    return scene.end();
  });
}

TEST_CASE("responses are left unread for at most 25 seconds, except by a consumer") {
  over_seeds("responses are left unread for at most 25 seconds, except by a consumer", 1, [](Run& run) {
    Scene scene(run);
    const bool consumer = run.dice.one_in(2);
    scene.begin();
    scene.connection->reading = false;
    scene.ask(large, consumer ? 1 : 12);
    scene.world->run_for(seconds(20));
    scene.expect_there("soon after its response");
    if (!consumer) {
      scene.expect_gone("a client that does not read", seconds(10));
      return scene.end();
    }
    scene.world->run_for(minutes(5));
    scene.expect_there("between two polls");
    scene.connection->reading = true;
    scene.world->run("the rest of a response", [&] { return scene.connection->idle(); }, minutes(1));
    return scene.end();
  });
}

TEST_CASE("a client that has everything and never closes is gone within 20 seconds of its broker's end") {
  over_seeds("a client that has everything and never closes is gone within 20 seconds of its broker's end", 1,
             [](Run& run) {
               Scene scene(run);
               close_after(scene, 1);
               scene.connection = &scene.world->connect(7);
               scene.ask();
               scene.world->run(
                   "an end", [&] { return scene.connection->state() == State::ended; }, seconds(5));
               scene.expect_there("at once");
               scene.expect_gone("a client that never closes", seconds(20));
               if (scene.world->logged("client_stalled") != 0)
                 scene.world->ledger.violation("a client that has everything was called stalled");
               return scene.end();
             });
}

TEST_CASE("a client that vanishes with an answer on the way is given up as by keep-alive") {
  over_seeds("a client that vanishes with an answer on the way is given up as by keep-alive", 1,
             [](Run& run) {
               Scene scene(run, [](WorldOptions& options) {
                 options.limits.keepalive_idle_s = 20;
                 options.limits.keepalive_interval_s = 5;
                 options.limits.keepalive_probes = 2;
               });
               scene.begin();
               scene.connection->reading = false;
               scene.ask(large, 1);
               scene.world->run_for(seconds(2));
               scene.connection->vanish();
               scene.world->run_for(seconds(20));
               scene.expect_there("before keep-alive would give up");
               scene.expect_gone("a client that vanished", seconds(15));
               return scene.end();
             });
}

TEST_CASE("a dial ends soon after its client") {
  over_seeds("a dial ends soon after its client", 2, [](Run& run) {
    Scene scene(run);
    scene.world->simulation.set_dial_fault(scene.world->address_of(7), ring::DialFault::hang);
    scene.connection = &scene.world->connect(7);
    scene.ask();
    scene.world->run_for(seconds(1));
    scene.expect_there("while its broker is dialled");
    if (run.dice.one_in(2)) {
      scene.connection->reset();
      scene.expect_gone("a client that reset during the dial", milliseconds(10));
    } else {
      scene.connection->half_close();
      scene.world->run_for(seconds(3));
      if (run.dice.one_in(2)) {
        scene.connection->reset();
        scene.expect_gone("a client that half-closed and reset during the dial", milliseconds(10));
      } else {
        scene.expect_gone("a client that half-closed during the dial", seconds(5));
      }
    }
    return scene.end();
  });
}

TEST_CASE("where everything is answered, a client's end is a reset for the broker, else an orderly end") {
  over_seeds("where everything is answered, a client's end is a reset for the broker, else an orderly end", 2,
             [](Run& run) {
               Scene scene(run);
               scene.begin();
               const bool records = run.dice.one_in(2);
               if (records) scene.produce_unanswered(5'000);
               scene.world->run_for(seconds(1));
               scene.connection->half_close();
               scene.world->run(
                   "an end", [&] { return scene.connection->state() == State::ended; }, seconds(5));
               scene.expect_gone("an ended client", seconds(1));
               scene.world->run_for(seconds(1));
               const auto& seen = scene.world->ledger.connection(scene.entry);
               if (seen.broker_reset == records || seen.broker_ended != records)
                 scene.world->ledger.violation(records ? "records were followed by a reset"
                                                       : "an answered connection was not reset");
               return scene.end();
             });
}

TEST_CASE("a retirement waits for a JoinGroup, and for at most five minutes") {
  over_seeds("a retirement waits for a JoinGroup, and for at most five minutes", 1, [](Run& run) {
    Scene scene(run, [](WorldOptions& options) {
      options.ids = {0, 7};
      options.limits.discovery_interval_s = 3;  // one client's word would not be enough
    });
    scene.begin();
    const bool forever = run.dice.one_in(2);
    scene.broker->reading = false;
    scene.ask(100, 11);
    scene.world->run("a JoinGroup on its way", [&] { return scene.connection->written(); }, minutes(1));
    scene.world->cluster.nodes.insert(scene.world->cluster.nodes.begin(), scene.late);
    scene.world->serve(0);
    scene.world->run_for(minutes(1));
    scene.expect_there("while it joins a group");
    if (forever) {
      scene.world->run_for(minutes(3));
      scene.expect_there("while it joins a group for long");
      scene.expect_gone("a connection that joined for too long", minutes(2));
      if (scene.world->logged("retirement_cut") != 1)
        scene.world->ledger.violation("a retirement that cut a JoinGroup was not logged");
    } else {
      scene.broker->reading = true;
      scene.world->run("an end", [&] { return scene.connection->state() == State::ended; }, seconds(10));
      if (scene.connection->done() != 2) scene.world->ledger.violation("the JoinGroup was not answered");
    }
    return scene.end();
  });
}

}  // namespace
}  // namespace kferry::simulation
