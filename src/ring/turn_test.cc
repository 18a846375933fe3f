// What every backend does with polls, timers, cancellations, wake-ups and messages.
#include <poll.h>

#include <cerrno>
#include <vector>

#include "doctest/doctest.h"
#include "ring/conformance.h"

namespace kferry::ring {

TEST_CASE("a cancelled operation completes once") {
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

TEST_CASE("timers fire in the order of their deadlines, and not early") {
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

TEST_CASE("a poll reports received bytes") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.poll(Watch::token(polling), pair.b, POLLIN);
    REQUIRE(pair.send(pair.a, "x") == 1);
    CHECK((pair.watch.next(polling).result & POLLIN) != 0);
    CHECK(pair.receive(pair.b).bytes == "x");
  });
}

TEST_CASE("wake() ends a wait() without a completion") {
  on_every_stage([](Stage& stage) {
    stage.ring().wake();
    CHECK(stage.ring().wait().empty());
  });
}

TEST_CASE("a ring can send itself a message, and gets the receipt") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    const auto mailbox = stage.ring().mailbox();
    stage.ring().message(Watch::token(receipt), *mailbox, Token{letter, 9, letter}, -77);
    CHECK(watch.next(receipt).result == 0);
    CHECK(watch.next(letter).result == -77);
  });
}

}  // namespace kferry::ring
