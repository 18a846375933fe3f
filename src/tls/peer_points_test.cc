#include "tls/peer_points.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "doctest/doctest.h"
#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

constexpr std::size_t size_of_point(std::string_view curve) {
  return curve == "P-256" ? 65 : curve == "P-384" ? 97 : 133;
}

// Where an uncompressed point of this size, with its length before it in `length_size` octets, ends; 0: nowhere.
std::size_t end_of_point(std::span<const std::byte> octets, std::size_t size, std::size_t length_size) {
  for (std::size_t at = 0; at + length_size + size <= octets.size(); ++at) {
    const bool high = length_size == 1 || octets[at] == std::byte{};
    const bool low = octets[at + length_size - 1] == static_cast<std::byte>(size);
    if (high && low && octets[at + length_size] == std::byte{4}) return at + length_size + size;
  }
  return 0;
}

// Shakes hands; the first message from `liar` that holds a point has its last octet changed. True: there was one.
bool shake(Pair& pair, Engine& liar, std::size_t point_size, std::size_t length_size, std::size_t cut) {
  bool lied = false;
  for (bool moved = true; moved;) {
    moved = false;
    for (Engine* from : {pair.client.get(), pair.server.get()}) {
      Engine& to = from == pair.client.get() ? *pair.server : *pair.client;
      Octets flight(from->to_send().begin(), from->to_send().end());
      from->sent(flight.size());
      if (from == &liar && !lied) {
        const std::size_t end = end_of_point(flight, point_size, length_size);
        if (end > 0) {
          flight[end - 1] ^= std::byte{1};
          lied = true;
        }
      }
      auto rest = std::span<const std::byte>(flight);
      Octets room(20'000);
      while (!rest.empty()) {
        const auto fed = to.feed(rest.first(std::min(rest.size(), cut)), room);
        if (fed.taken == 0) break;
        rest = rest.subspan(fed.taken);
        moved = true;
      }
    }
  }
  return lied;
}

Pair pair_on(const std::string& curve, bool newest) {
  ServerSettings server = serving(certificates().ec);
  ClientSettings client;
  server.offer.curves = client.offer.curves = curve;
  server.offer.lowest = client.offer.lowest = newest ? Version::tls_1_3 : Version::tls_1_2;
  server.offer.highest = client.offer.highest = newest ? Version::tls_1_3 : Version::tls_1_2;
  return pair_of(server, client);
}

TEST_CASE("a point that is not on its curve ends the handshake with illegal_parameter, whoever sends it") {
  for (const std::string curve : {"P-256", "P-384", "P-521"}) {
    for (const bool newest : {true, false}) {
      for (const bool client_lies : {true, false}) {
        for (const std::size_t cut : {1UL, 7UL, 100'000UL}) {
          CAPTURE(curve);
          CAPTURE(newest);
          CAPTURE(client_lies);
          CAPTURE(cut);
          Pair pair = pair_on(curve, newest);
          Engine& liar = client_lies ? *pair.client : *pair.server;
          Engine& judge = client_lies ? *pair.server : *pair.client;
          REQUIRE(shake(pair, liar, size_of_point(curve), newest ? 2 : 1, cut));
          CHECK(judge.state() == Engine::State::failed);
          CHECK(judge.failure().cause == "tls_point_off_curve");
          CHECK(liar.state() == Engine::State::failed);
          // An alert in clear where records are due is known by its octets, if they come together.
          if (cut > 1) CHECK(liar.failure().text.find("illegal_parameter") != std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("points that are on their curves pass, and so does what has none") {
  for (const std::string curve : {"P-256", "P-384", "P-521", "X25519"}) {
    for (const bool newest : {true, false}) {
      CAPTURE(curve);
      CAPTURE(newest);
      Pair pair = pair_on(curve, newest);
      pair.run();
      CHECK(pair.server->state() == Engine::State::open);
      CHECK(pair.client->state() == Engine::State::open);
    }
  }
}

// The server wants another group than the one the client has sent a share of: its second ClientHello is looked at, too.
TEST_CASE("a second ClientHello") {
  for (const bool lies : {false, true}) {
    CAPTURE(lies);
    ServerSettings server = serving(certificates().ec);
    ClientSettings client;
    server.offer.curves = "P-384";
    client.offer.curves = "X25519:P-384";
    Pair pair = pair_of(server, client);
    CHECK(shake(pair, *pair.client, lies ? size_of_point("P-384") : 1, 2, 100'000) == lies);
    CHECK((pair.server->state() == Engine::State::open) == !lies);
    if (lies) CHECK(pair.server->failure().cause == "tls_point_off_curve");
  }
}

TEST_CASE("what cannot be read is left to wolfSSL") {
  PeerPoints points;
  // A ClientHello that says it is larger than one may be, then anything.
  CHECK(points.take(octets("\x16\3\1\0\4\1\xFF\xFF\xFF\x16\3\1\0\5hello")));
  PeerPoints others;
  CHECK(others.take(octets("\x16\3\1\0\x08\1\0\0\4junk")));
  CHECK(
      others.take(octets("\x16\3\1\0\x08\x10\0\0\4\x03"
                         "abc")));
  CHECK(others.take(octets("\x17\3\3\xFF\xFF")));
}

}  // namespace
}  // namespace kferry::tls
