// Sends with Notice::with_next, on every backend.
#include <cerrno>
#include <string>

#include "doctest/doctest.h"
#include "ring/conformance.h"

namespace kferry::ring {

TEST_CASE("a quiet send completes with the next completion, or at once if it is short") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    const std::string text = pattern(16'000);
    const auto send_quietly = [&] {
      const iovec one{const_cast<char*>(text.data()), text.size()};
      pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    };
    // A whole send completes no later than the next completion. A short one, which the simulation may choose, completes
    // at once.
    send_quietly();
    const std::string got = pair.receive_all(pair.b, 1);
    pair.ring.timer(Watch::token(timing), pair.ring.now());
    watch.next(timing);
    REQUIRE(watch.has(sending));
    std::size_t sent = static_cast<std::size_t>(watch.next(sending).result);
    CHECK(sent >= got.size());
    // Until the socket takes no more.
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
    while (read < sent) read += pair.receive(pair.b).bytes.size();
    CHECK(pair.ring.buffers_free() == pair.ring.buffer_count());
  });
}

TEST_CASE("a quiet send to a reset socket fails at once") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.close(pair.b, true);
    pair.b = Socket::none;
    CHECK(pair.receive(pair.a).result == -ECONNRESET);
    char byte = 'x';
    const iovec one{&byte, 1};
    pair.ring.send(Watch::token(sending), pair.a, {&one, 1}, Notice::with_next);
    CHECK(watch.next(sending).result == -EPIPE);
  });
}

TEST_CASE("wake() and cancel() report quiet sends") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    char byte = 'x';
    const iovec one{&byte, 1};
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

TEST_CASE("a quiet send cancelled during a wake() is reported") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    char byte = 'x';
    const iovec one{&byte, 1};
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

}  // namespace kferry::ring
