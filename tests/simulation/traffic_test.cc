// Nothing goes wrong but what networks always do: short reads and writes, delays, buffers that run out. Then
// every request reaches the broker it is meant for, every answer comes back whole, once and in order, no
// connection breaks and nothing is logged as wrong.
#include <cstdint>
#include <map>
#include <string_view>

#include "doctest/doctest.h"
#include "scenarios.h"
#include "seeds.h"

namespace kferry::simulation {
namespace {

using std::chrono::minutes;

TEST_CASE("every byte arrives once and in order") {
  over_seeds("every byte arrives once and in order", 30,
             [](Run& run) { return traffic(run, some_options(run)); });
}

TEST_CASE("a client that sends a byte at a time is served like any other") {
  over_seeds("a client that sends a byte at a time is served like any other", 5, [](Run& run) {
    auto world = std::make_unique<World>(run.seed, some_options(run), run.trace);
    world->start();
    for (int i = 0; i < 2; ++i) {
      ClientPlan plan;
      plan.goal = 4;
      plan.bytes_per_turn = 1 + run.dice.below(3);
      plan.mix.body_max = 60;
      plan.mix.reply_max = 3'000;
      plan.sasl = run.dice.one_in(3);
      world->add_client(plan);
    }
    world->run("slow clients", [&] { return world->clients_finished(); }, minutes(10));
    world->expect_only({});
    world->stop();
    return world;
  });
}

TEST_CASE("queues at their limit hold back and go on") {
  over_seeds("queues at their limit hold back and go on", 5, [](Run& run) {
    WorldOptions options = some_options(run);
    options.limits.unanswered_requests = static_cast<std::uint32_t>(1 + run.dice.below(20));
    auto world = std::make_unique<World>(run.seed, options, run.trace);
    for (const auto& broker : world->brokers) broker->answer_delay_max = std::chrono::milliseconds(30);
    world->start();
    for (int i = 0; i < 3; ++i) {
      ClientPlan plan;
      plan.goal = 60;
      plan.window = 200;
      plan.mix.body_max = 100;
      plan.mix.reply_max = 500;
      plan.sasl = run.dice.one_in(2);
      world->add_client(plan);
    }
    world->run(
        "clients beyond the limit of unanswered requests", [&] { return world->clients_finished(); },
        minutes(10));
    world->expect_only({});
    world->stop();
    return world;
  });
}

// Cuts what leaves through each socket into frames by their length.
class Frames {
 public:
  // Whether a frame ends in these bytes.
  bool end_in(int socket, std::string_view bytes) {
    Frame& frame = frames_[socket];
    bool ended = false;
    for (const char byte : bytes) {
      if (frame.length_bytes < 4) {
        frame.left = frame.left << 8U | static_cast<unsigned char>(byte);
        ++frame.length_bytes;
      } else {
        --frame.left;
      }
      if (frame.length_bytes < 4 || frame.left > 0) continue;
      frame = {};
      ended = true;
    }
    return ended;
  }

 private:
  struct Frame {
    std::uint32_t left = 0;
    int length_bytes = 0;
  };
  std::map<int, Frame> frames_;
};

// The kernel may keep what is sent with `more` until something follows: within a frame no one misses it.
TEST_CASE("what ends a frame is never sent as if more followed") {
  std::uint64_t sent_with_more = 0;
  over_seeds("what ends a frame is never sent as if more followed", 20, [&](Run& run) {
    WorldOptions options = some_options(run);
    options.splice_threshold = 0;  // a splice follows at once whatever was sent
    options.simulation.sent = [&, frames = Frames()](int socket, std::string_view bytes, bool more) mutable {
      const bool ended = frames.end_in(socket, bytes);
      if (!more) return;
      ++sent_with_more;
      CHECK_FALSE(ended);
    };
    return traffic(run, options);
  });
  CHECK(sent_with_more > 0);
}

}  // namespace
}  // namespace kferry::simulation
