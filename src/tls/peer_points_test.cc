#include "tls/peer_points.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "doctest/doctest.h"
#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

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

// Generator of P-256, uncompressed (SP 800-186 §3.2.1.3).
constexpr std::string_view on_p_256 =
    "\4\x6B\x17\xD1\xF2\xE1\x2C\x42\x47\xF8\xBC\xE6\xE5\x63\xA4\x40\xF2\x77\x03\x7D\x81\x2D\xEB\x33\xA0\xF4"
    "\xA1"
    "\x39\x45\xD8\x98\xC2\x96\x4F\xE3\x42\xE2\xFE\x1A\x7F\x9B\x8E\xE7\xEB\x4A\x7C\x0F\x9E\x16\x2B\xCE\x33\x57"
    "\x6B"
    "\x31\x5E\xCE\xCB\xB6\x40\x68\x37\xBF\x51\xF5"sv;

std::string counted(std::size_t length_size, std::string_view octets) {
  std::string made;
  for (std::size_t i = length_size; i-- > 0;) made += static_cast<char>(octets.size() >> (8 * i));
  return made + std::string(octets);
}

// In records of at most 1,000 octets.
std::string message(int type, std::string_view body) {
  const std::string all = static_cast<char>(type) + counted(3, body);
  std::string made;
  for (std::size_t at = 0; at < all.size(); at += 1000)
    made += "\x16\3\3" + counted(2, std::string_view(all).substr(at, 1000));
  return made;
}

std::string share(std::string_view group, std::string_view point) {
  return std::string(group) + counted(2, point);
}

std::string client_hello(std::string_view shares, std::string_view tail = "", std::size_t padding = 0) {
  const std::string extensions =
      "\0\x15"s + counted(2, std::string(padding, '\0')) + "\0\x33"s + counted(2, counted(2, shares));
  return message(1, std::string("\3\3") + std::string(32, 'r') + counted(1, "") + counted(2, "\x13\1") +
                        counted(1, "\0"sv) + counted(2, extensions) + std::string(tail));
}

std::string key_exchange_of_server(std::string_view group, std::string_view point) {
  return message(12, "\3" + std::string(group) + counted(1, point) + "signature");
}

using Verdict = PeerPoints::Verdict;

Verdict verdict(std::string_view stream, PeerPoints::Agreed agreed = {}) {
  Verdict whole = Verdict::good;
  for (const std::size_t cut : {std::size_t{1}, std::size_t{13}, stream.size()}) {
    PeerPoints points([agreed] { return agreed; });
    RecordFraming framing;
    Verdict first = Verdict::good;
    auto rest = octets(stream);
    while (!rest.empty() && first == Verdict::good) {
      const auto part = rest.first(std::min(rest.size(), cut));
      framing.note(part, [&](RecordType type, std::span<const std::byte> content) {
        if (first == Verdict::good) first = points.take(type, content);
      });
      rest = rest.subspan(part.size());
    }
    if (cut == 1) whole = first;
    CHECK(first == whole);
  }
  return whole;
}

TEST_CASE("a share is judged by its group, and of one form only") {
  const std::string good(on_p_256);
  std::string bad = good, padded = good, compressed = good.substr(0, 33);
  bad[64] ^= 1;
  padded.insert(33, 1, '\0').insert(1, 1, '\0');  // wolfSSL would import the same two numbers
  compressed[0] = 3;
  const std::string p_256 = "\0\x17"s, p_384 = "\0\x18"s, x25519 = "\0\x1D"s;
  CHECK(verdict(client_hello(share(p_256, good))) == Verdict::good);
  CHECK(verdict(client_hello(share(x25519, std::string(32, 'x')) + share(p_256, good))) == Verdict::good);
  CHECK(verdict(client_hello(share(p_256, bad))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share(x25519, std::string(32, 'x')) + share(p_256, bad))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share(p_256, padded))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share(p_256, compressed))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share(p_256, ""))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share(p_384, good))) == Verdict::off_curve);
  CHECK(verdict(client_hello(share("\x1A\x1A"s, good))) == Verdict::good);  // GREASE, RFC 8701
  // The octet before the curve's: wolfSSL passes it over.
  CHECK(verdict(key_exchange_of_server(p_256, good)) == Verdict::good);
  CHECK(verdict(key_exchange_of_server(p_256, bad)) == Verdict::off_curve);
  CHECK(verdict(key_exchange_of_server("\xFF\x17"s, bad)) == Verdict::off_curve);
  // A client's of TLS 1.2 is of the curve that was agreed upon.
  const std::string key_exchange = message(16, counted(1, good));
  CHECK(verdict(key_exchange, {false, 23}) == Verdict::good);
  CHECK(verdict(message(16, counted(1, bad)), {false, 23}) == Verdict::off_curve);
  CHECK(verdict(key_exchange, {false, 24}) == Verdict::off_curve);
  CHECK(verdict(message(16, counted(1, good) + "tail"), {false, 23}) == Verdict::malformed);
  CHECK(verdict(message(16, counted(1, std::string(32, 'x'))), {false, 0}) == Verdict::good);
}

TEST_CASE("nothing with points in it goes past, and what is encrypted is not read") {
  std::string bad(on_p_256);
  bad[64] ^= 1;
  const std::string good = share("\0\x17"s, on_p_256), lie = share("\0\x17"s, bad);
  CHECK(verdict(client_hello(good, client_hello(lie))) == Verdict::malformed);
  CHECK(verdict(client_hello(lie, "", 17'000)) == Verdict::malformed);
  CHECK(verdict(client_hello(good, "", 15'000)) == Verdict::good);
  // A second one, behind a ChangeCipherSpec as clients of TLS 1.3 send it before.
  const std::string spec = "\x14\3\3\0\1\1"s;
  CHECK(verdict(client_hello(good) + spec + client_hello(lie), {true, 0}) == Verdict::off_curve);
  // In TLS 1.2 what follows is encrypted, and may look like anything.
  CHECK(verdict(client_hello(good) + spec + client_hello(lie), {false, 0}) == Verdict::good);
  // Certificates are passed over, whatever their size.
  CHECK(verdict(message(11, std::string(100'000, 'c')) + client_hello(lie)) == Verdict::off_curve);
}

}  // namespace
}  // namespace kferry::tls
