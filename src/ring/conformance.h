// The conformance tests of Ring: the tests that include this run against every backend.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "ring/ring.h"

namespace kferry::ring {

// A ring under test, and a way to let its time pass.
class Stage {
 public:
  virtual ~Stage() = default;
  virtual Ring& ring() = 0;
  // Called when wait() returned nothing. The simulation takes a step here.
  virtual void idle() {}
};

// Collects completions by token kind.
class Watch {
 public:
  explicit Watch(Stage& stage) : stage_(stage) {}

  struct Seen {
    std::int32_t result = 0;
    bool more = false;
    std::string bytes;
    std::size_t pieces = 0;
  };

  static Token token(std::uint16_t kind) { return Token{kind, 1, kind}; }
  // Runs the ring until there is a completion of this kind, and returns it. Buffers are recycled at once unless `hold`.
  Seen next(std::uint16_t kind) {
    while (seen_[kind].empty()) turn();
    Seen first = seen_[kind].front();
    seen_[kind].erase(seen_[kind].begin());
    return first;
  }
  bool has(std::uint16_t kind) { return !seen_[kind].empty(); }
  void turn() {
    const auto completions = stage_.ring().wait();
    for (const Completion& completion : completions) {
      Seen seen{completion.result, completion.more, {}, completion.pieces.size()};
      for (const Piece& piece : completion.pieces) {
        seen.bytes.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
        if (hold) {
          held.push_back(piece.id);
        } else {
          stage_.ring().recycle(piece.id);
        }
      }
      order.push_back(completion.token.kind);
      seen_[completion.token.kind].push_back(seen);
    }
    if (completions.empty()) stage_.idle();
  }

  bool hold = false;
  std::vector<std::uint16_t> held;
  std::vector<std::uint16_t> order;

 private:
  Stage& stage_;
  std::map<std::uint16_t, std::vector<Seen>> seen_;
};

enum Kind : std::uint16_t {
  accepting = 1,
  connecting,
  receiving,
  sending,
  splicing,
  polling,
  timing,
  later,
  receipt,
  letter,
  other
};

// One stage per backend and configuration, with its name (conformance_stages.cc).
std::vector<std::pair<std::string, std::unique_ptr<Stage>>> every_stage();

// A connection between two sockets of one ring.
struct Pair {
  Pair(Stage& stage, Watch& all, Kind accept_kind = accepting)
      : ring(stage.ring()), watch(all), accepted(accept_kind) {
    const auto opened = ring.listen(*SocketAddress::parse("127.0.0.1", 0), 8);
    REQUIRE(opened.error == 0);
    listener = opened.socket;
    ring.accept(Watch::token(accepted), listener);
    a = connect();
    b = accept();
  }
  ~Pair() {
    ring.cancel(Watch::token(accepted));
    while (watch.next(accepted).more) {
    }
    if (a != Socket::none) ring.close(a, false);
    if (b != Socket::none) ring.close(b, false);
    ring.close(listener, false);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  Socket connect() {
    const auto opened = ring.connect(Watch::token(connecting), ring.local_address(listener));
    REQUIRE(opened.error == 0);
    REQUIRE(watch.next(connecting).result == 0);
    // No data follows that the last ACK could travel with, so without this each accept would wait 200 ms for it. A
    // simulated socket is not a descriptor, and the call has no effect.
    const int at_once = 1;
    ::setsockopt(static_cast<int>(opened.socket), IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
    return opened.socket;
  }
  Socket accept() {
    const auto seen = watch.next(accepted);
    REQUIRE(seen.result >= 0);
    REQUIRE(seen.more);
    return Socket{seen.result};
  }
  std::int32_t send(Socket socket, std::string_view text) {
    char bytes[64];
    REQUIRE(text.size() <= sizeof bytes);
    std::copy(text.begin(), text.end(), bytes);
    const iovec one{bytes, text.size()};
    ring.send(Watch::token(sending), socket, {&one, 1});
    return watch.next(sending).result;
  }
  Watch::Seen receive(Socket socket, std::size_t size = 65536) {
    ring.receive(Watch::token(receiving), socket, size);
    return watch.next(receiving);
  }
  std::string receive_all(Socket socket, std::size_t size) {
    std::string all;
    while (all.size() < size) {
      const auto seen = receive(socket, size - all.size());
      REQUIRE(seen.result > 0);
      REQUIRE(static_cast<std::size_t>(seen.result) == seen.bytes.size());
      all += seen.bytes;
    }
    return all;
  }

  Ring& ring;
  Watch& watch;
  Kind accepted;
  Socket listener = Socket::none;
  Socket a = Socket::none;
  Socket b = Socket::none;
};

inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 2654435761U) >> 13);
  return text;
}

template <class Body>
void on_every_stage(Body&& body) {
  for (auto& [name, stage] : every_stage()) {
    INFO(name);
    body(*stage);
  }
}

}  // namespace kferry::ring
