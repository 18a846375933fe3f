// What every backend does with streams: connecting, sending, receiving, splicing, peeking, and how they end.
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "doctest/doctest.h"
#include "ring/conformance.h"

namespace kferry::ring {

TEST_CASE("bytes pass through listen, accept, connect, send and receive") {
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

TEST_CASE("a gather send arrives in order, no receive exceeds its size, and every buffer returns") {
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
      got += seen.bytes;
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

TEST_CASE("end of stream is a receive of 0, and the other direction stays open") {
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

TEST_CASE("an end of stream that arrives with the last bytes is reported by the next receive") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.poll(Watch::token(polling), pair.b, POLLRDHUP);
    REQUIRE(pair.send(pair.a, "x") == 1);
    pair.ring.shut_write(pair.a);
    REQUIRE((pair.watch.next(polling).result & POLLRDHUP) != 0);
    CHECK(pair.receive(pair.b).bytes == "x");
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

TEST_CASE("a receive without buffers fails with ENOBUFS, and succeeds after a recycle") {
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
    // The simulation may report this early. Either way the missing buffers are exactly those held here.
    CHECK(pair.ring.buffers_free() + pair.watch.held.size() == pair.ring.buffer_count());
    for (const std::uint16_t id : pair.watch.held) pair.ring.recycle(id);
    pair.watch.hold = false;
    do result = pair.receive(pair.b).result;
    while (result == -ENOBUFS);
    CHECK(result > 0);
    CHECK(pair.ring.buffers_free() == pair.ring.buffer_count());
  });
}

TEST_CASE("connecting without a listener is refused") {
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

TEST_CASE("splice moves 10 MB in order past a slow reader, and stops at the end of stream") {
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
        REQUIRE((seen.result >= 0 || seen.result == -ENOBUFS));  // the simulation may run out of pipes
        spliced += static_cast<std::size_t>(std::max(seen.result, 0));
        ended = seen.result == 0;
        if (!ended) in.ring.splice(Watch::token(splicing), in.b, out.a, text.size() + 1 - spliced);
      }
      if (in.watch.has(receiving)) {
        const auto seen = in.watch.next(receiving);
        REQUIRE((seen.result > 0 || seen.result == -ENOBUFS));
        got += seen.bytes;
        if (got.size() < text.size()) out.ring.receive(Watch::token(receiving), out.b, 65'536);
      }
    }
    CHECK(spliced == text.size());
    CHECK((got == text));
  });
}

TEST_CASE("a waiting splice can be cancelled") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair in(stage, watch);
    Pair out(stage, watch, other);
    in.ring.splice(Watch::token(splicing), in.b, out.a, 1000);
    in.ring.cancel(Watch::token(splicing));
    CHECK(in.watch.next(splicing).result == -ECANCELED);
    REQUIRE(in.send(in.a, "x") == 1);  // the splice took nothing
    CHECK(in.receive(in.b).bytes == "x");
  });
}

TEST_CASE("peek() copies bytes at an offset and leaves them in the socket") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    std::array<std::byte, 4> room{};
    for (std::string_view left = "0123456789"; !left.empty();)
      left.remove_prefix(static_cast<std::size_t>(pair.send(pair.a, left)));
    const auto peeked = [&](std::uint64_t offset) -> std::string {
      // The simulation sometimes returns less than there is, as a network does.
      for (int i = 0; i < 100; ++i) {
        const int size = pair.ring.peek(pair.b, offset, room);
        if (size == -EAGAIN) continue;
        REQUIRE(size > 0);
        return {reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(size)};
      }
      return "";
    };
    if (pair.ring.peek(pair.b, 1, room) == -EOPNOTSUPP) return;  // Linux before 6.9
    for (const std::uint64_t offset : {8U, 3U, 0U, 6U}) {
      const std::string got = peeked(offset);
      CHECK_FALSE(got.empty());
      CHECK(std::string("0123456789").substr(offset, 4).starts_with(got));
    }
    CHECK(pair.ring.peek(pair.b, 10, room) == -EAGAIN);
    CHECK(pair.ring.peek(pair.b, std::uint64_t{1} << 40, room) == -EAGAIN);
    std::string all;
    while (all.size() < 10) all += pair.receive(pair.b).bytes;
    CHECK(all == "0123456789");
  });
}

}  // namespace kferry::ring
