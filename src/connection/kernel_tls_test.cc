// Changes of keys with a direction that is the kernel's, as a session makes them: tls/record/records.h decides, the
// ring carries it out, the other end is another engine that does its own records. Not one of the host's tests:
// its kernel may have no TLS. tests/guest runs it on kernels that can change keys (Linux 6.14) and on one that
// cannot.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "doctest/doctest.h"
#include "ring/kernel_tls.h"
#include "ring/uring_ring.h"
#include "tls/engine_pair_test.h"
#include "tls/record/kernel_keys.h"

namespace kferry::connection {
namespace {

using tls::RecordType;

constexpr std::array suites{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                            "TLS_CHACHA20_POLY1305_SHA256"};

// Two ends that have shaken hands in memory; then the server's records are the kernel's, on a socket of
// loopback.
class Connection {
 public:
  explicit Connection(const std::string& suite,
                      std::uint64_t server_records_per_key = tls::records_per_key_max,
                      std::uint64_t client_records_per_key = tls::records_per_key_max) {
    auto made = ring::UringRing::create({});
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error()));
    ring_ = std::move(*made);
    tls::ServerSettings settings = tls::serving(x509::certificates().ec);
    settings.offer.ciphers = suite;
    settings.records_per_key = server_records_per_key;
    pair_ = tls::pair_of(settings, {.records_per_key = client_records_per_key});
    pair_.run();
    pair_.say(*pair_.server, "hello");
    REQUIRE(pair_.server->records() != nullptr);
    REQUIRE(pair_.client->records() != nullptr);
    connect();
    for (const bool sending : {true, false}) {
      const tls::TrafficKeys keys = pair_.server->records()->keys();
      REQUIRE(give_key(sending, sending ? keys.send : keys.receive) == 0);
      pair_.server->hand_over(sending, changes_keys);
    }
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    ::close(near_);
    ::close(far_);
  }

  tls::Engine& server() { return *pair_.server; }
  tls::Engine& client() { return *pair_.client; }
  int give_key(bool sending, const tls::TrafficKey& key) {
    return ring_->set_tls_key(socket(), sending, tls::KernelKeys(key).bytes());
  }

  // Kernel to engine; what came out at the client.
  std::string to_client(const std::string& text) {
    REQUIRE(::send(near_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    server().sent_by_kernel(text.size());
    std::string came;
    while (came.size() < text.size() && client().state() == tls::Engine::State::open) came += read_client();
    return came;
  }
  // What the server owes goes out; how many KeyUpdates there were.
  int send_own_records() {
    int updates = 0;
    while (const auto record = server().control_record()) {
      REQUIRE(ring_->send_tls_record(socket(), static_cast<std::uint8_t>(record->type), record->content()) ==
              0);
      if (const auto key = server().control_record_sent()) {
        REQUIRE(give_key(true, *key) == 0);
        ++updates;
      }
    }
    return updates;
  }

  // Engine to kernel: the text as the kernel gives it out; the server's engine takes the records that are no
  // data.
  std::string to_server(const std::string& text) {
    Bytes cipher(text.size() + 20'000);
    const auto wrote = client().write(bytes_of(text), cipher);
    REQUIRE(wrote.taken == text.size());
    REQUIRE(::send(far_, cipher.data(), wrote.made, 0) == static_cast<ssize_t>(wrote.made));
    std::string came;
    while (came.size() < text.size()) {
      std::array<char, 20'000> room;
      const ssize_t size = ::recv(near_, room.data(), room.size(), 0);
      if (size > 0) came.append(room.data(), static_cast<std::size_t>(size));
      if (size < 0 && errno == EIO && take_record()) continue;
      if (size <= 0) break;
    }
    return came;
  }

  // Whether the client gets to its end in order, with nothing before it.
  bool ends() {
    while (client().state() == tls::Engine::State::open) {
      if (!read_client().empty()) return false;
    }
    return client().state() == tls::Engine::State::ended;
  }

  static const bool changes_keys;
  int received_updates = 0;

 private:
  ring::Socket socket() const { return static_cast<ring::Socket>(near_); }

  void connect() {
    const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
    auto where = *SocketAddress::parse("127.0.0.1", 0);
    REQUIRE(::bind(listening, where.get(), where.size()) == 0);
    REQUIRE(::listen(listening, 1) == 0);
    where = ring_->local_address(static_cast<ring::Socket>(listening));
    far_ = ::socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(::connect(far_, where.get(), where.size()) == 0);
    near_ = ::accept(listening, nullptr, nullptr);
    REQUIRE(near_ >= 0);
    ::close(listening);
  }

  std::string read_client() {
    Bytes cipher(20'000);
    const ssize_t size = ::recv(far_, cipher.data(), cipher.size(), 0);
    REQUIRE(size > 0);
    std::string came;
    auto rest = std::span<const std::byte>(cipher).first(static_cast<std::size_t>(size));
    while (!rest.empty() || client().has_plain()) {
      Bytes room(20'000);
      const auto fed = client().feed(rest, room);
      came.append(reinterpret_cast<const char*>(room.data()), fed.made);
      rest = rest.subspan(fed.taken);
      if (fed.taken + fed.made == 0) break;
    }
    return came;
  }

  bool take_record() {
    std::array<std::byte, tls::record_plain_max> room;
    std::uint8_t type = 0;
    const int size = ring_->receive_tls_record(socket(), room, type);
    REQUIRE(size >= 0);
    const auto content = std::span(room).first(static_cast<std::size_t>(size));
    server().handle_record(static_cast<RecordType>(type), content);
    const auto key = server().changed_receive_key();
    if (!key) return false;
    REQUIRE(give_key(false, *key) == 0);
    ++received_updates;
    return true;
  }

  std::unique_ptr<ring::Ring> ring_;
  tls::Pair pair_;
  int near_ = -1;
  int far_ = -1;
};

const bool Connection::changes_keys = ring::probe_kernel_tls().changes_keys;

std::string text_of(std::size_t size, int round) {
  std::string text(size, 'x');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + static_cast<std::size_t>(round));
  return text;
}

TEST_CASE("a key that the kernel has sent its share with is followed by another, or ends the connection") {
  for (const std::string suite : suites) {
    CAPTURE(suite);
    Connection connection(suite, 3);  // "hello" is one record
    int updates = 0;
    for (int round = 0; round < 10; ++round) {
      CAPTURE(round);
      const std::string text = text_of(tls::record_plain_max, round);
      REQUIRE(connection.to_client(text) == text);
      updates += connection.send_own_records();
      if (connection.changes_keys) {
        REQUIRE(updates == (round + 2) / 3);
      } else {
        REQUIRE(connection.server().key_used_up() == (round >= 1));
      }
    }
    CHECK(updates == (connection.changes_keys ? 3 : 0));
    connection.server().close();
    connection.send_own_records();
    CHECK(connection.ends());
  }
}

TEST_CASE("the other side's new keys are given to the kernel, or what follows is not read") {
  for (const std::string suite : suites) {
    CAPTURE(suite);
    Connection connection(suite, tls::records_per_key_max, 2);
    REQUIRE(connection.to_server("before") == "before");
    for (int round = 0; round < 5; ++round) {
      const std::string text = text_of(3 * tls::record_plain_max, round);
      const std::string came = connection.to_server(text);
      if (!connection.changes_keys) {
        CHECK(connection.server().receive_lost());
        CHECK(text.starts_with(came));
        break;
      }
      REQUIRE(came == text);
    }
    CHECK(connection.received_updates == (connection.changes_keys ? 7 : 0));
  }
}

}  // namespace
}  // namespace kferry::connection
