// What every backend reports of connections that end or stall: watch() and tcp_state().
#include <poll.h>

#include <cerrno>
#include <string>

#include "doctest/doctest.h"
#include "ring/conformance.h"

namespace kferry::ring {
namespace {

using std::chrono::milliseconds;

void wait_a_while(Pair& pair) {
  pair.ring.timer(Watch::token(timing), pair.ring.now() + milliseconds(20));
  pair.watch.next(timing);
}

// Sends until the other side's window and this side's buffer are full.
void fill(Pair& pair, Socket socket, std::string& text) {
  while (true) {
    const iovec one{text.data(), text.size()};
    pair.ring.send(Watch::token(sending), socket, {&one, 1});
    wait_a_while(pair);
    if (pair.watch.has(sending)) {
      REQUIRE(pair.watch.next(sending).result > 0);
      continue;
    }
    pair.ring.cancel(Watch::token(sending));
    const std::int32_t result = pair.watch.next(sending).result;
    REQUIRE((result == -ECANCELED || result > 0));
    if (result == -ECANCELED) return;
  }
}

// Reads from the socket until an operation of this kind has completed.
void read_until(Pair& pair, Socket socket, Kind kind) {
  bool reading = false;
  while (!pair.watch.has(kind)) {
    if (!reading) pair.ring.receive(Watch::token(receiving), socket, 65536);
    reading = true;
    pair.watch.turn();
    if (!pair.watch.has(receiving)) continue;
    REQUIRE(pair.watch.next(receiving).result != 0);
    reading = false;
  }
  if (!reading) return;
  pair.ring.cancel(Watch::token(receiving));
  pair.watch.next(receiving);
}

TEST_CASE("watch() ignores bytes and FIN, and completes on a reset") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.watch(Watch::token(later), pair.b);
    REQUIRE(pair.send(pair.a, "x") == 1);
    CHECK(pair.receive(pair.b).bytes == "x");
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    wait_a_while(pair);
    CHECK_FALSE(watch.has(later));
    pair.ring.close(pair.a, true);
    pair.a = Socket::none;
    CHECK((watch.next(later).result & POLLERR) != 0);
  });
}

TEST_CASE("watch() begins on a half-closed connection, and completes on a reset") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    pair.ring.watch(Watch::token(later), pair.b);
    wait_a_while(pair);
    CHECK_FALSE(watch.has(later));
    pair.ring.close(pair.a, true);
    pair.a = Socket::none;
    CHECK((watch.next(later).result & POLLERR) != 0);
  });
}

TEST_CASE("watch() completes without POLLERR once both sides have ended") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.watch(Watch::token(later), pair.b);
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    pair.ring.shut_write(pair.b);
    wait_a_while(pair);
    // Only an event of the socket wakes the watch: closing the other end sends the last one.
    pair.ring.close(pair.a, false);
    pair.a = Socket::none;
    wait_a_while(pair);
    if (!watch.has(later)) pair.ring.cancel(Watch::token(later));
    const std::int32_t result = watch.next(later).result;
    CHECK((result == -ECANCELED || (result & (POLLHUP | POLLERR)) == POLLHUP));
  });
}

TEST_CASE("watch() can be cancelled, before and after FIN") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    pair.ring.watch(Watch::token(later), pair.b);
    pair.ring.cancel(Watch::token(later));
    CHECK(watch.next(later).result == -ECANCELED);
    pair.ring.watch(Watch::token(later), pair.b);
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    pair.ring.cancel(Watch::token(later));
    CHECK(watch.next(later).result == -ECANCELED);
  });
}

TEST_CASE("a poll for room waits for room, also after the other side's FIN") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    std::string text = pattern(300'000);
    fill(pair, pair.b, text);
    pair.ring.shut_write(pair.a);
    CHECK(pair.receive(pair.b).result == 0);
    pair.ring.poll(Watch::token(polling), pair.b, POLLOUT);
    wait_a_while(pair);
    CHECK_FALSE(watch.has(polling));
    read_until(pair, pair.a, polling);
    CHECK((watch.next(polling).result & POLLOUT) != 0);
  });
}

TEST_CASE("a splice to a half-closed connection completes once there is room") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair in(stage, watch);
    Pair out(stage, watch, other);
    std::string text = pattern(300'000);
    fill(out, out.b, text);
    out.ring.shut_write(out.a);
    CHECK(out.receive(out.b).result == 0);
    REQUIRE(in.send(in.a, "x") == 1);
    in.ring.splice(Watch::token(splicing), in.b, out.b, 1);
    wait_a_while(in);  // a kernel may have room for this one byte
    read_until(out, out.a, splicing);
    const std::int32_t result = watch.next(splicing).result;
    CHECK((result == 1 || result == -ENOBUFS));  // the simulation may run out of pipes
  });
}

TEST_CASE("tcp_state() sees an end behind unread bytes, and a reset, without reading") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    CHECK_FALSE(pair.ring.tcp_state(pair.b).ended);
    CHECK_FALSE(pair.ring.tcp_state(pair.b).reset);
    REQUIRE(pair.send(pair.a, "x") == 1);
    pair.ring.shut_write(pair.a);
    wait_a_while(pair);
    CHECK(pair.ring.tcp_state(pair.b).ended);
    CHECK_FALSE(pair.ring.tcp_state(pair.b).reset);
    CHECK(pair.receive(pair.b).bytes == "x");
    pair.ring.close(pair.a, true);
    pair.a = Socket::none;
    wait_a_while(pair);
    CHECK(pair.ring.tcp_state(pair.b).reset);
  });
}

TEST_CASE(
    "tcp_state() counts what was received and acknowledged, and sees that the other side takes nothing") {
  on_every_stage([](Stage& stage) {
    Watch watch(stage);
    Pair pair(stage, watch);
    const TcpState before = pair.ring.tcp_state(pair.a);
    const std::uint64_t received = pair.ring.tcp_state(pair.b).received;
    REQUIRE(pair.send(pair.a, "x") == 1);
    CHECK(pair.receive(pair.b).bytes == "x");
    wait_a_while(pair);
    const TcpState after = pair.ring.tcp_state(pair.a);
    CHECK(after.acknowledged == before.acknowledged + 1);
    CHECK(pair.ring.tcp_state(pair.b).received == received + 1);
    CHECK_FALSE(after.awaits_ack);
    CHECK_FALSE(after.undelivered);
    CHECK(after.silence < std::chrono::seconds(5));
    std::string text = pattern(300'000);
    fill(pair, pair.a, text);
    const iovec one{text.data(), text.size()};
    pair.ring.send(Watch::token(sending), pair.a, {&one, 1});
    wait_a_while(pair);
    CHECK(pair.ring.tcp_state(pair.a).undelivered);
    // A slow host (a guest under emulation) goes on acknowledging for a while after the other side's buffer
    // has filled, with pauses: it has stopped when ten readings in a row are equal.
    const auto acknowledged = [&pair] { return pair.ring.tcp_state(pair.a).acknowledged; };
    std::uint64_t full = acknowledged();
    int equal = 0;
    for (int waits = 0; waits < 500 && equal < 10; ++waits) {
      wait_a_while(pair);
      equal = acknowledged() == full ? equal + 1 : 0;
      full = acknowledged();
    }
    CHECK(equal == 10);
    CHECK(full > after.acknowledged);
    CHECK(pair.ring.tcp_state(pair.a).undelivered);
    pair.ring.cancel(Watch::token(sending));
    watch.next(sending);
  });
}

}  // namespace
}  // namespace kferry::ring
