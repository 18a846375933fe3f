#include "ring/conformance.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "doctest/doctest.h"
#include "ring/epoll_ring.h"
#include "ring/simulated_ring.h"
#include "ring/uring_ring.h"

namespace kferry::ring {
namespace {

struct KernelStage final : Stage {
  explicit KernelStage(std::expected<std::unique_ptr<Ring>, std::string> made) {
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error()));
    ring_ = std::move(*made);
  }
  Ring& ring() override { return *ring_; }
  std::unique_ptr<Ring> ring_;
};

struct SimulatedStage final : Stage {
  explicit SimulatedStage(std::uint64_t seed) : world({.seed = seed}), ring_(world) {}
  Ring& ring() override { return ring_; }
  void idle() override { REQUIRE(world.step()); }
  Simulation world;
  SimulatedRing ring_;
};

}  // namespace

TEST_CASE("octets go through listener, accept, send and receive") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    CHECK(pair.ring.remote_address(pair.a) == pair.ring.local_address(pair.b));
    pair.ring.set_options(pair.a, std::chrono::seconds{60}, std::chrono::seconds{10}, 3);
    std::string sent = "hello";
    while (!sent.empty()) sent.erase(0, static_cast<std::size_t>(pair.send(pair.a, sent)));
    CHECK(pair.receive_all(pair.b, 5) == "hello");
  });
}

TEST_CASE("a gather send arrives in order, a receive never passes its size, every buffer comes back") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    std::string text = pattern(600'000);
    std::string got;
    std::size_t gone = 0;
    bool busy = false;
    while (got.size() < text.size()) {
      if (!busy && gone < text.size()) {
        iovec pieces[9];
        std::size_t at = gone;
        std::size_t count = 0;
        for (; count < 9 && at < text.size(); ++count) {
          const std::size_t size = std::min<std::size_t>(text.size() - at, 7'001);
          pieces[count] = iovec{text.data() + at, size};
          at += size;
        }
        pair.ring.send(Watch::token(sending), pair.a, {pieces, count});
        busy = true;
      }
      const std::size_t size_max = got.size() % 3 == 0 ? 65'536 : got.size() % 3 == 1 ? 20'000 : 32'768;
      const auto seen = pair.receive(pair.b, size_max);
      REQUIRE(seen.result > 0);
      REQUIRE(static_cast<std::size_t>(seen.result) <= size_max);
      got += seen.octets;
      if (pair.watch.has(sending)) {
        const auto sent = pair.watch.next(sending);
        REQUIRE(sent.result > 0);
        gone += static_cast<std::size_t>(sent.result);
        busy = false;
      }
      if (!busy && gone == got.size() && gone == text.size()) break;
      while (busy && got.size() == text.size()) {
        gone += static_cast<std::size_t>(pair.watch.next(sending).result);
        busy = false;
      }
      while (busy && !pair.watch.has(sending) && gone < got.size()) pair.watch.turn();
    }
    CHECK(got == text);
    CHECK(pair.ring.buffers_free() == pair.ring.buffer_count());
  });
}

TEST_CASE("a quiet send tells of itself with the next completion, and by itself when it is not whole") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    const std::string text = pattern(16'000);
    const auto send_quietly = [&] {
      const iovec one{const_cast<char*>(text.data()), text.size()};
      pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    };
    // Whole: nothing of its own, and no later than what completes next. Short (a simulation may): at once.
    send_quietly();
    const std::string got = pair.receive_all(pair.b, 1);
    pair.ring.timer(Watch::token(timing), pair.ring.now());
    watch.next(timing);
    REQUIRE(watch.has(sending));
    std::size_t sent = static_cast<std::size_t>(watch.next(sending).result);
    CHECK(sent >= got.size());
    // A socket that takes no more.
    std::size_t read = got.size();
    std::int32_t result = 0;
    for (;;) {
      send_quietly();
      pair.ring.timer(Watch::token(timing), pair.ring.now());
      watch.next(timing);
      while (!watch.has(sending)) watch.turn();
      result = watch.next(sending).result;
      if (result < 0) break;
      sent += static_cast<std::size_t>(result);
    }
    CHECK(result == -EAGAIN);
    while (read < sent) read += pair.receive(pair.b).octets.size();
    CHECK(pair.ring.buffers_free() == pair.ring.buffer_count());
  });
}

TEST_CASE("a quiet send to a socket that was reset fails, and waits for nothing") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.close(pair.b, true);
    pair.b = Socket::none;
    CHECK(pair.receive(pair.a).result == -ECONNRESET);
    char octet = 'x';
    const iovec one{&octet, 1};
    pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    CHECK(watch.next(sending).result == -EPIPE);
  });
}

TEST_CASE("wake() and cancel() bring what quiet sends have to tell") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    char octet = 'x';
    const iovec one{&octet, 1};
    pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    pair.receive_all(pair.b, 1);
    if (!watch.has(sending)) pair.ring.wake();
    CHECK(watch.next(sending).result == 1);
    pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    pair.receive_all(pair.b, 1);
    if (!watch.has(sending)) pair.ring.cancel(Watch::token(sending));
    CHECK(watch.next(sending).result == 1);
  });
}

TEST_CASE("a quiet send that is cancelled while a wake() is under way is told of") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    char octet = 'x';
    const iovec one{&octet, 1};
    for (int i = 0; i < 20; ++i) {
      pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
      pair.ring.wake();
      pair.ring.cancel(Watch::token(sending));
      const std::int32_t result = watch.next(sending).result;
      CHECK((result == 1 || result == -ECANCELED));
      if (result == 1) CHECK(pair.receive_all(pair.b, 1) == "x");
    }
  });
}

TEST_CASE("the end of the stream is a receive of nothing, and the other half goes on") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    std::string sent = "still";
    while (!sent.empty()) sent.erase(0, static_cast<std::size_t>(pair.send(pair.b, sent)));
    CHECK(pair.receive_all(pair.a, 5) == "still");
  });
}

TEST_CASE("the end that came with the last octets is told by the next receive") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.poll(Watch::token(polling), pair.b, POLLRDHUP);
    REQUIRE(pair.send(pair.a, "x") == 1);
    pair.ring.shut_write(pair.a);
    REQUIRE((pair.watch.next(polling).result & POLLRDHUP) != 0);
    CHECK(pair.receive(pair.b).octets == "x");
    CHECK(pair.receive(pair.b).result == 0);
  });
}

TEST_CASE("a reset on one side is a reset on the other") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.close(pair.a, true);
    pair.a = Socket::none;
    CHECK(pair.receive(pair.b).result == -ECONNRESET);
  });
}

TEST_CASE("without buffers a receive says ENOBUFS, and goes well after a recycle") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.watch.hold = true;
    std::int32_t result = 1;
    while (result > 0) {
      REQUIRE(pair.send(pair.a, "x") == 1);
      result = pair.receive(pair.b).result;
    }
    CHECK(result == -ENOBUFS);
    // A simulation may say so early; the buffers that are out are exactly those we hold.
    CHECK(pair.ring.buffers_free() + pair.watch.held.size() == pair.ring.buffer_count());
    for (const std::uint16_t id : pair.watch.held) pair.ring.recycle(id);
    pair.watch.hold = false;
    do result = pair.receive(pair.b).result;
    while (result == -ENOBUFS);
    CHECK(result > 0);
    CHECK(pair.ring.buffers_free() == pair.ring.buffer_count());
  });
}

TEST_CASE("what is cancelled completes once") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.receive(Watch::token(receiving), pair.a, 100);
    pair.ring.poll(Watch::token(polling), pair.b, POLLIN);
    pair.ring.timer(Watch::token(timing), pair.ring.now() + std::chrono::hours{1});
    pair.ring.cancel(Watch::token(receiving));
    pair.ring.cancel(Watch::token(polling));
    pair.ring.cancel(Watch::token(timing));
    CHECK(pair.watch.next(receiving).result == -ECANCELED);
    CHECK(pair.watch.next(polling).result == -ECANCELED);
    CHECK(pair.watch.next(timing).result == -ECANCELED);
    pair.ring.timer(Watch::token(later), pair.ring.now() + std::chrono::milliseconds{2});
    CHECK(pair.watch.next(later).result == 0);
    CHECK(!pair.watch.has(receiving));
    CHECK(!pair.watch.has(polling));
    CHECK(!pair.watch.has(timing));
  });
}

TEST_CASE("timers fire in the order of their deadlines, not before them") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Ring& ring = stage.ring();
    const Instant start = ring.now();
    for (const int n : {5, 1, 4, 2, 3})
      ring.timer(Watch::token(static_cast<std::uint16_t>(100 + n)), start + std::chrono::milliseconds{n});
    watch.next(105);
    CHECK(watch.order == std::vector<std::uint16_t>{101, 102, 103, 104, 105});
    CHECK(ring.now() - start >= std::chrono::milliseconds{5});
  });
}

TEST_CASE("a poll tells that octets are there") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.poll(Watch::token(polling), pair.b, POLLIN);
    REQUIRE(pair.send(pair.a, "x") == 1);
    CHECK((pair.watch.next(polling).result & POLLIN) != 0);
    CHECK(pair.receive(pair.b).octets == "x");
  });
}

TEST_CASE("nobody listening is a refusal") {
  on_every_stage([](Stage& stage) {
    Ring& ring = stage.ring();
    Watch watch(stage);
    const auto opened = ring.listen(*SocketAddress::parse("127.0.0.1", 0), 1);
    const SocketAddress address = ring.local_address(opened.socket);
    ring.close(opened.socket, false);
    const auto socket = ring.connect(Watch::token(connecting), address);
    REQUIRE(socket.error == 0);
    CHECK(watch.next(connecting).result == -ECONNREFUSED);
    ring.close(socket.socket, false);
  });
}

TEST_CASE("splice moves 10 MB in order past a slow reader, and ends at the end") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair in(stage, watch);
    Pair out(stage, watch, other);
    std::string text = pattern(10'000'000);
    std::size_t gone = 0;
    std::size_t spliced = 0;
    std::string got;
    const auto next_send = [&] {
      const iovec rest{text.data() + gone, std::min<std::size_t>(text.size() - gone, 300'000)};
      in.ring.send(Watch::token(sending), in.a, {&rest, 1});
    };
    next_send();
    in.ring.splice(Watch::token(splicing), in.b, out.a, text.size() + 1);
    out.ring.receive(Watch::token(receiving), out.b, 65'536);
    bool ended = false;
    while (!ended || got.size() < text.size()) {
      in.watch.turn();
      if (in.watch.has(sending)) {
        const auto seen = in.watch.next(sending);
        REQUIRE(seen.result > 0);
        gone += static_cast<std::size_t>(seen.result);
        if (gone < text.size()) {
          next_send();
        } else {
          in.ring.shut_write(in.a);
        }
      }
      if (in.watch.has(splicing)) {
        const auto seen = in.watch.next(splicing);
        REQUIRE((seen.result >= 0 || seen.result == -ENOBUFS));  // the simulation's pipes run out, too
        spliced += static_cast<std::size_t>(std::max(seen.result, 0));
        ended = seen.result == 0;
        if (!ended) in.ring.splice(Watch::token(splicing), in.b, out.a, text.size() + 1 - spliced);
      }
      if (in.watch.has(receiving)) {
        const auto seen = in.watch.next(receiving);
        REQUIRE((seen.result > 0 || seen.result == -ENOBUFS));
        got += seen.octets;
        if (got.size() < text.size()) out.ring.receive(Watch::token(receiving), out.b, 65'536);
      }
    }
    CHECK(spliced == text.size());
    CHECK((got == text));
  });
}

TEST_CASE("a splice that waits can be cancelled") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair in(stage, watch);
    Pair out(stage, watch, other);
    in.ring.splice(Watch::token(splicing), in.b, out.a, 1000);
    in.ring.cancel(Watch::token(splicing));
    CHECK(in.watch.next(splicing).result == -ECANCELED);
    REQUIRE(in.send(in.a, "x") == 1);  // nothing was taken
    CHECK(in.receive(in.b).octets == "x");
  });
}

TEST_CASE("peek() tells what stands further on, and takes nothing") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    std::array<std::byte, 4> room{};
    for (std::string_view left = "0123456789"; !left.empty();)
      left.remove_prefix(static_cast<std::size_t>(pair.send(pair.a, left)));
    const auto peeked = [&](std::uint64_t offset) -> std::string {
      // The simulated world gives less than there is at times, as a network does.
      for (int i = 0; i < 100; ++i) {
        const int size = pair.ring.peek(pair.b, offset, room);
        if (size == -EAGAIN) continue;
        REQUIRE(size > 0);
        return {reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(size)};
      }
      return "";
    };
    if (pair.ring.peek(pair.b, 0, room) == -EOPNOTSUPP) return;  // Linux before 6.9
    for (const std::uint64_t offset : {8U, 3U, 0U, 6U}) {
      const std::string got = peeked(offset);
      CHECK_FALSE(got.empty());
      CHECK(std::string("0123456789").substr(offset, 4).starts_with(got));
    }
    CHECK(pair.ring.peek(pair.b, 10, room) == -EAGAIN);
    CHECK(pair.ring.peek(pair.b, std::uint64_t{1} << 40, room) == -EAGAIN);
    std::string all;
    while (all.size() < 10) all += pair.receive(pair.b).octets;
    CHECK(all == "0123456789");
  });
}

TEST_CASE("wake ends a wait without a completion") {
  on_every_stage([](Stage& stage) {
    stage.ring().wake();
    CHECK(stage.ring().wait().empty());
  });
}

TEST_CASE("a message reaches its own ring, after which its receipt tells so") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    const auto mailbox = stage.ring().mailbox();
    stage.ring().message(Watch::token(receipt), *mailbox, Token{letter, 9, letter}, -77);
    CHECK(watch.next(receipt).result == 0);
    CHECK(watch.next(letter).result == -77);
  });
}

std::vector<std::pair<std::string, std::unique_ptr<Stage>>> every_stage() {
  std::vector<std::pair<std::string, std::unique_ptr<Stage>>> stages;
  stages.emplace_back("io_uring", std::make_unique<KernelStage>(UringRing::create({})));
  UringOptions old;
  old.entries = 8;  // the queue fills all the time
  old.buffer_count = 8;
  old.defer_taskrun = old.bundles = old.message_ring = old.multishot_accept = old.multishot_receives = false;
  stages.emplace_back("io_uring, everything newer off",
                      std::make_unique<KernelStage>(UringRing::create(old)));
  stages.emplace_back("epoll", std::make_unique<KernelStage>(EpollRing::create({})));
  EpollOptions few;
  few.buffer_count = 8;
  stages.emplace_back("epoll, few buffers", std::make_unique<KernelStage>(EpollRing::create(few)));
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    stages.emplace_back("simulated, seed " + std::to_string(seed), std::make_unique<SimulatedStage>(seed));
  return stages;
}

}  // namespace kferry::ring
