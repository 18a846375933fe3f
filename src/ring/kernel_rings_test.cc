// The real backends beside other threads, and in the kernel's own time. A lost wake-up shows as a test that does not
// end.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "doctest/doctest.h"
#include "ring/backend.h"
#include "ring/conformance.h"

namespace kferry::ring {
namespace {

constexpr Token reading{1, 1, 1};
constexpr Token writing{2, 1, 2};
constexpr Token posting{3, 1, 3};
constexpr Token arriving{4, 1, 4};

std::unique_ptr<Ring> ring_of(Backend backend) {
  auto made = make_ring(backend);
  if (!made) throw std::runtime_error(made.error());
  return std::move(*made);
}

// A TCP connection. One end belongs to the ring, the other is a blocking socket for another thread.
struct Wire {
  explicit Wire(Ring& ring) {
    const auto listener = ring.listen(*SocketAddress::parse("127.0.0.1", 0), 1);
    REQUIRE(listener.error == 0);
    const SocketAddress where = ring.local_address(listener.socket);
    outside = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(outside, where.get(), where.size()) == 0);
    const int accepted =
        ::accept4(static_cast<int>(listener.socket), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    REQUIRE(accepted >= 0);
    inside = Socket{accepted};
    ring.close(listener.socket, false);
  }
  ~Wire() {
    if (outside >= 0) ::close(outside);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Socket inside = Socket::none;
  int outside = -1;
};

// Waits for the one outstanding operation and returns its result. Appends what was received.
std::int32_t result_of(Ring& ring, std::string* received = nullptr) {
  for (;;) {
    const auto completions = ring.wait();
    if (completions.empty()) continue;
    REQUIRE(completions.size() == 1);
    for (const Piece& piece : completions.front().pieces) {
      if (received != nullptr)
        received->append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
      ring.recycle(piece.id);
    }
    return completions.front().result;
  }
}

template <class Body>
void on_both(Body&& body) {
  for (const Backend backend : {Backend::io_uring, Backend::epoll}) {
    INFO(to_string(backend));
    body(backend);
  }
}

}  // namespace

TEST_CASE("everything that another thread writes in small pieces is received, then the end") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    Wire wire(*ring);
    const std::string text = pattern(300'000);
    std::thread writer([&] {
      std::minstd_rand dice(7);
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = std::min<std::size_t>(1 + dice() % 40, text.size() - at);
        at += static_cast<std::size_t>(::send(wire.outside, text.data() + at, size, MSG_NOSIGNAL));
      }
      ::shutdown(wire.outside, SHUT_WR);
    });
    std::string got;
    std::size_t size_max = 1;
    for (std::int32_t result = 1; result > 0;) {
      ring->receive(reading, wire.inside, size_max);
      size_max = size_max % 50'000 * 7 + 1;
      result = result_of(*ring, &got);
      CHECK(result >= 0);
    }
    writer.join();
    CHECK((got == text));
    ring->close(wire.inside, false);
  });
}

TEST_CASE("buffers that wait for use give their memory back, and receive again") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    Wire wire(*ring);
    const std::string text = pattern(1'000'000);
    for (int round = 0; round < 3; ++round) {
      std::thread writer([&] {
        for (std::size_t at = 0; at < text.size();) {
          const ssize_t sent = ::send(wire.outside, text.data() + at, text.size() - at, MSG_NOSIGNAL);
          at += static_cast<std::size_t>(sent);
        }
      });
      std::string got;
      std::vector<Piece> kept;
      while (got.size() < text.size()) {
        ring->receive(reading, wire.inside, ring->buffer_size());
        for (bool done = false; !done;) {
          for (const Completion& completion : ring->wait()) {
            REQUIRE(completion.result > 0);
            for (const Piece& piece : completion.pieces) {
              got.append(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
              kept.push_back(piece);
            }
            done = true;
          }
        }
      }
      writer.join();
      CHECK((got == text));
      for (const Piece& piece : kept) ring->recycle(piece.id);
      ring->return_memory();
      std::size_t resident = 0;
      for (const Piece& piece : kept) {
        unsigned char in_core = 0;
        auto* page = const_cast<std::byte*>(piece.bytes.data());
        REQUIRE(::mincore(page, 1, &in_core) == 0);
        resident += in_core & 1U;
      }
      // Those that the kernel may write to stay.
      REQUIRE(kept.size() > 60);
      CHECK(resident <= 16);
    }
    ring->close(wire.inside, true);
  });
}

TEST_CASE("everything is sent to another thread that reads in small pieces") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    Wire wire(*ring);
    const std::string text = pattern(20'000'000);
    std::string got;
    std::thread reader([&] {
      std::minstd_rand dice(7);
      std::vector<char> room(400'000);
      for (;;) {
        const ssize_t size = ::recv(wire.outside, room.data(), 1 + dice() % room.size(), 0);
        if (size <= 0) break;
        got.append(room.data(), static_cast<std::size_t>(size));
      }
    });
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t half = std::min<std::size_t>(text.size() - at, 200'000) / 2;
      const std::size_t rest = std::min<std::size_t>(text.size() - at, 200'000) - half;
      const std::array<iovec, 2> pieces{iovec{const_cast<char*>(text.data()) + at, half},
                                        iovec{const_cast<char*>(text.data()) + at + half, rest}};
      ring->send(writing, wire.inside, pieces, Notice::now);
      const std::int32_t result = result_of(*ring);
      REQUIRE(result > 0);
      at += static_cast<std::size_t>(result);
    }
    ring->shut_write(wire.inside);
    reader.join();
    CHECK((got == text));
    ring->close(wire.inside, false);
  });
}

TEST_CASE("accepted sockets inherit the options of their listener") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    const auto listener = ring->listen(*SocketAddress::parse("127.0.0.1", 0), 1);
    REQUIRE(listener.error == 0);
    ring->set_options(listener.socket, std::chrono::seconds{61}, std::chrono::seconds{11}, 4);
    const SocketAddress where = ring->local_address(listener.socket);
    const int outside = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(outside, where.get(), where.size()) == 0);
    ring->accept(arriving, listener.socket);
    const std::int32_t accepted = result_of(*ring);
    REQUIRE(accepted >= 0);
    const auto option = [accepted](int level, int name) {
      int value = -1;
      socklen_t size = sizeof value;
      REQUIRE(::getsockopt(accepted, level, name, &value, &size) == 0);
      return value;
    };
    CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 61);
    CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 11);
    CHECK(option(IPPROTO_TCP, TCP_KEEPCNT) == 4);
    ::close(outside);
    ring->close(Socket{accepted}, false);
    ring->cancel(arriving);
    while (ring->wait().empty()) {
    }
    ring->close(listener.socket, false);
  });
}

TEST_CASE("the address of an end that reset its connection before it was accepted is known") {
  on_both([](Backend backend) {
    for (const char* host : {"127.0.0.1", "::1"}) {
      CAPTURE(host);
      const auto ring = ring_of(backend);
      const auto listener = ring->listen(*SocketAddress::parse(host, 0), 1);
      if (listener.error == EADDRNOTAVAIL) continue;  // no IPv6 here
      REQUIRE(listener.error == 0);
      const SocketAddress where = ring->local_address(listener.socket);
      const int outside = ::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
      REQUIRE(::connect(outside, where.get(), where.size()) == 0);
      sockaddr_storage own{};
      socklen_t size = sizeof own;
      REQUIRE(::getsockname(outside, reinterpret_cast<sockaddr*>(&own), &size) == 0);
      const linger reset{.l_onoff = 1, .l_linger = 0};
      REQUIRE(::setsockopt(outside, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
      ::close(outside);
      ring->accept(reading, listener.socket);
      const std::int32_t accepted = result_of(*ring);
      REQUIRE(accepted >= 0);
      const SocketAddress from = ring->remote_address(Socket{accepted});
      CHECK(from.text() == SocketAddress(reinterpret_cast<const sockaddr*>(&own), size).text());
      ring->close(Socket{accepted}, false);
      ring->cancel(reading);
      CHECK(result_of(*ring) == -ECANCELED);
      ring->close(listener.socket, false);
    }
  });
}

TEST_CASE("bytes that follow urgent data are received") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    Wire wire(*ring);
    std::string got;
    ring->receive(reading, wire.inside, 1000);
    REQUIRE(::send(wire.outside, "a", 1, 0) == 1);
    CHECK(result_of(*ring, &got) == 1);
    REQUIRE(::send(wire.outside, "bc!", 3, MSG_OOB) == 3);
    REQUIRE(::send(wire.outside, "de", 2, 0) == 2);
    while (got.size() < 5) {
      ring->receive(reading, wire.inside, 1000);
      REQUIRE(result_of(*ring, &got) > 0);
    }
    CHECK(got == "abcde");
    ring->close(wire.inside, false);
  });
}

TEST_CASE("the rings of two threads exchange messages") {
  on_both([](Backend backend) {
    constexpr std::int32_t rounds = 2'000;
    const auto ring = ring_of(backend);
    std::promise<std::shared_ptr<Mailbox>> ready;
    std::promise<void> over;
    // Answers each message with its number, until `rounds` messages and all receipts have arrived.
    const auto converse = [](Ring& own, Mailbox& other, bool begins) {
      int under_way = 0;
      const auto post = [&](std::int32_t number) {
        own.message(posting, other, arriving, number);
        ++under_way;
      };
      if (begins) post(0);
      for (std::int32_t next = 0; next < rounds || under_way > 0;) {
        for (const Completion& completion : own.wait()) {
          if (completion.token == posting) {
            --under_way;
            if (completion.result != 0) throw std::runtime_error("not delivered");
            continue;
          }
          if (completion.result != next) throw std::runtime_error("out of order");
          ++next;
          if (!begins || next < rounds) post(begins ? next : completion.result);
        }
      }
    };
    auto answering = std::async(std::launch::async, [&, mailbox = ring->mailbox()] {
      const auto own = ring_of(backend);
      ready.set_value(own->mailbox());
      converse(*own, *mailbox, false);
      over.get_future().wait();  // keeps the ring while the other may write to it
    });
    const auto other = ready.get_future().get();
    CHECK_NOTHROW(converse(*ring, *other, true));
    over.set_value();
    CHECK_NOTHROW(answering.get());
  });
}

TEST_CASE("every wake() from another thread ends a wait()") {
  on_both([](Backend backend) {
    const auto ring = ring_of(backend);
    for (int i = 0; i < 1'000; ++i) {
      std::promise<void> begun;
      if (i % 2 == 0) ring->wake();  // one from its own thread first
      auto waking = std::async(std::launch::async, [&] {
        begun.get_future().wait();
        ring->wake();
      });
      if (i % 2 == 0) CHECK(ring->wait().empty());
      begun.set_value();
      CHECK(ring->wait().empty());
      waking.get();
    }
  });
}

TEST_CASE("the backend is chosen by creating a ring") {
  const Choice choice = choose_backend();
  CHECK((choice.backend == Backend::io_uring) == choice.refusal.empty());
  CHECK(refusal(choice.backend).empty());
}

}  // namespace kferry::ring
