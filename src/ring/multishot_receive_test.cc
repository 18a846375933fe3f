// Multishot receives, on every backend: nothing is lost or out of order, the total stays near what was asked for, and
// the receive ends exactly once.
#include <algorithm>
#include <cerrno>

#include "doctest/doctest.h"
#include "ring/conformance.h"
#include "ring/probe.h"

namespace kferry::ring {

TEST_CASE("a multishot receive delivers everything in order and ends on its own") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    const std::string text = pattern(20'000);
    std::string got;
    std::size_t gone = 0;
    std::size_t receives = 0;
    bool under_way = false;
    while (got.size() < text.size()) {
      if (!under_way) {
        pair.ring.receive(Watch::token(receiving), pair.b, 65'536, 3'000);
        under_way = true;
        ++receives;
      }
      if (gone < text.size())
        gone += static_cast<std::size_t>(
            pair.send(pair.a, text.substr(gone, std::min<std::size_t>(60, text.size() - gone))));
      if (gone == text.size() && !watch.has(receiving)) watch.turn();
      while (watch.has(receiving)) {
        const auto seen = watch.next(receiving);
        REQUIRE(seen.result > 0);
        REQUIRE(static_cast<std::size_t>(seen.result) == seen.bytes.size());
        got += seen.bytes;
        under_way = seen.more;
      }
    }
    CHECK(got == text);
    CHECK(receives >= 20'000 / 3'000);  // each ended on its own
    if (under_way) {
      pair.ring.cancel(Watch::token(receiving));
      CHECK(watch.next(receiving).result == -ECANCELED);
    }
  });
}

TEST_CASE("a multishot receive that is not cancelled stays near its quota") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    const std::string text = pattern(60);
    std::size_t sent = 0;
    while (sent < 6'000) sent += static_cast<std::size_t>(pair.send(pair.a, text));
    pair.ring.receive(Watch::token(receiving), pair.b, 500, 1'000);
    std::size_t got = 0;
    bool more = true;
    while (more) {
      const auto seen = watch.next(receiving);
      REQUIRE(seen.result > 0);
      REQUIRE(seen.result <= 500);
      got += static_cast<std::size_t>(seen.result);
      more = seen.more;
    }
    CHECK(got <= 1'500);  // the last completion may exceed the quota
    pair.receive_all(pair.b, sent - got);
  });
}

TEST_CASE("the end of stream, a reset, cancel() and a lack of buffers end a multishot receive") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    const auto last = [&] {
      auto seen = watch.next(receiving);
      while (seen.more) seen = watch.next(receiving);
      return seen;
    };
    const auto receive = [&](Pair& pair) {
      pair.ring.receive(Watch::token(receiving), pair.b, 65'536, 1 << 20);
    };
    {
      Pair pair(stage, watch);
      pair.send(pair.a, "x");
      receive(pair);
      pair.ring.shut_write(pair.a);
      auto seen = last();
      if (seen.result > 0) seen = pair.receive(pair.b);  // a backend without multishot
      CHECK(seen.result == 0);
    }
    {
      Pair pair(stage, watch);
      receive(pair);
      pair.ring.cancel(Watch::token(receiving));
      CHECK(last().result == -ECANCELED);
    }
    {
      Pair pair(stage, watch);
      receive(pair);
      pair.ring.close(pair.a, true);
      pair.a = Socket::none;
      CHECK(last().result == -ECONNRESET);
    }
    {
      Pair pair(stage, watch);
      watch.hold = true;
      Watch::Seen seen;
      seen.result = 1;
      bool under_way = false;
      while (seen.result > 0) {
        if (!under_way) receive(pair);
        pair.send(pair.a, "y");
        seen = watch.next(receiving);
        under_way = seen.more;
      }
      CHECK(seen.result == -ENOBUFS);
      CHECK(!seen.more);
      for (const std::uint16_t id : watch.held) pair.ring.recycle(id);
      watch.hold = false;
      watch.held.clear();
    }
  });
}

TEST_CASE("one submission serves many receives if the kernel counts their bytes") {
  if (!kernel_counts_receives()) {
    MESSAGE("this kernel does not count the bytes of multishot receives");
    return;
  }
  for (auto& [name, stage] : every_stage()) {
    if (name != "io_uring") continue;
    Watch watch(*stage);
    Pair pair(*stage, watch);
    pair.ring.receive(Watch::token(receiving), pair.b, 65'536, 1'000);
    for (int i = 0; i < 9; ++i) {
      CHECK(pair.send(pair.a, std::string(60, 'z')) == 60);
      const auto seen = watch.next(receiving);
      CHECK(seen.result == 60);
      CHECK(seen.more);
    }
    CHECK(pair.send(pair.a, std::string(60, 'z')) == 60);
    CHECK(watch.next(receiving).more);
    pair.ring.cancel(Watch::token(receiving));
    CHECK(watch.next(receiving).result == -ECANCELED);
  }
}

}  // namespace kferry::ring
