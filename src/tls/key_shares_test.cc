// Key shares that are not points on their curves (RFC 8446 §4.2.8.2, RFC 8422 §5.4 and §5.11): wolfSSL refuses to
// import them, and each is answered with illegal_parameter.
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

// Whether a point of a TLS 1.2 message begins here: in a ServerKeyExchange it follows named_curve(3) and the curve, in
// a ClientKeyExchange the header. Two bytes alone would also occur in certificates by chance.
bool after_key_exchange(std::span<const std::byte> before) {
  const std::size_t size = before.size();
  return (size >= 3 && before[size - 3] == std::byte{3} && before[size - 2] == std::byte{}) ||
         (size >= 4 && before[size - 4] == std::byte{16} && before[size - 3] == std::byte{});
}

// The end of an uncompressed point of this size, after its length in `length_size` bytes; 0 if there is none.
std::size_t end_of_point(std::span<const std::byte> bytes, std::size_t size, std::size_t length_size) {
  for (std::size_t at = 0; at + length_size + size <= bytes.size(); ++at) {
    const bool high = length_size == 1 ? after_key_exchange(bytes.first(at)) : bytes[at] == std::byte{};
    const bool low = bytes[at + length_size - 1] == static_cast<std::byte>(size);
    if (high && low && bytes[at + length_size] == std::byte{4}) return at + length_size + size;
  }
  return 0;
}

// Runs a handshake, and changes the last byte of the first message from `liar` with a point. True if there was one.
bool shake(Pair& pair, Engine& liar, std::size_t point_size, std::size_t length_size, std::size_t cut) {
  bool lied = false;
  for (bool moved = true; moved;) {
    moved = false;
    for (Engine* from : {pair.client.get(), pair.server.get()}) {
      Engine& to = from == pair.client.get() ? *pair.server : *pair.client;
      Bytes flight(from->to_send().begin(), from->to_send().end());
      from->sent(flight.size());
      if (from == &liar && !lied) {
        const std::size_t end = end_of_point(flight, point_size, length_size);
        if (end > 0) {
          flight[end - 1] ^= std::byte{1};
          lied = true;
        }
      }
      auto rest = std::span<const std::byte>(flight);
      Bytes room(20'000);
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

Pair pair_on(const std::string& curve, bool tls_1_3) {
  ServerSettings server = serving(certificates().ec);
  ClientSettings client;
  server.offer.curves = client.offer.curves = curve;
  server.offer.lowest = client.offer.lowest = tls_1_3 ? Version::tls_1_3 : Version::tls_1_2;
  server.offer.highest = client.offer.highest = tls_1_3 ? Version::tls_1_3 : Version::tls_1_2;
  return pair_of(server, client);
}

TEST_CASE("a point off its curve ends the handshake with illegal_parameter, from either side") {
  for (const std::string curve : {"P-256", "P-384", "P-521"}) {
    for (const bool tls_1_3 : {true, false}) {
      for (const bool client_lies : {true, false}) {
        for (const std::size_t cut : {1UL, 7UL, 100'000UL}) {
          CAPTURE(curve);
          CAPTURE(tls_1_3);
          CAPTURE(client_lies);
          CAPTURE(cut);
          Pair pair = pair_on(curve, tls_1_3);
          Engine& liar = client_lies ? *pair.client : *pair.server;
          Engine& judge = client_lies ? *pair.server : *pair.client;
          REQUIRE(shake(pair, liar, size_of_point(curve), tls_1_3 ? 2 : 1, cut));
          CHECK(judge.state() == Engine::State::failed);
          CHECK(judge.failure().cause == "tls_point_off_curve");
          CHECK(liar.state() == Engine::State::failed);
          // A plaintext alert in place of encrypted records is recognized by its bytes, if they arrive together.
          if (cut > 1) CHECK(liar.failure().text.find("illegal_parameter") != std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("points on their curves are accepted, and so are shares without points") {
  for (const std::string curve : {"P-256", "P-384", "P-521", "X25519"}) {
    for (const bool tls_1_3 : {true, false}) {
      CAPTURE(curve);
      CAPTURE(tls_1_3);
      Pair pair = pair_on(curve, tls_1_3);
      pair.run();
      CHECK(pair.server->state() == Engine::State::open);
      CHECK(pair.client->state() == Engine::State::open);
    }
  }
}

// The server wants a group that the client has sent no share for, so that there is a second ClientHello.
TEST_CASE("the key share of a second ClientHello is checked, too") {
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

std::string counted(std::size_t length_size, std::string_view bytes) {
  std::string made;
  for (std::size_t i = length_size; i-- > 0;) made += static_cast<char>(bytes.size() >> (8 * i));
  return made + std::string(bytes);
}

// In records of at most 1,000 bytes.
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

constexpr std::string_view p_256 = "\0\x17"sv, p_384 = "\0\x18"sv, x25519 = "\0\x1D"sv;

std::string extension(std::string_view type, std::string_view body) {
  return std::string(type) + counted(2, body);
}

std::string client_hello(std::string_view shares) {
  const std::string extensions =
      extension("\0\x2B"sv, counted(1, "\3\4")) +  // supported_versions: TLS 1.3
      extension("\0\x0A"sv, counted(2, std::string(p_256) + std::string(p_384))) +  // supported_groups
      extension("\0\x0D"sv, counted(2, "\4\3\5\3")) +  // signature_algorithms: ECDSA with P-256 and P-384
      extension("\0\x33"sv, counted(2, shares));       // key_share
  return message(1, std::string("\3\3") + std::string(32, 'r') + counted(1, "") + counted(2, "\x13\1") +
                        counted(1, "\0"sv) + counted(2, extensions));
}

// A server that received only a ClientHello with these shares. With good ones its handshake is in progress.
std::unique_ptr<Engine> answered(std::string_view shares) {
  auto server = Engine::server(always(server_context(serving(certificates().ec))));
  const std::string hello = client_hello(shares);
  Bytes room(1000);
  server->feed(bytes_of(hello), room);
  return server;
}

// The fatal alert, in plaintext, with which the server answers these shares; 0 if it accepts them.
unsigned alert_for(std::string_view shares) {
  const auto server = answered(shares);
  if (server->state() == Engine::State::handshaking) return 0;
  const auto said = server->to_send();
  REQUIRE(said.size() == 7);
  CHECK(text_of(said.first(6)) == "\x15\3\3\0\2\2"sv);
  CHECK((server->failure().cause == "tls_point_off_curve") == (said[6] == std::byte{47}));
  return std::to_integer<unsigned>(said[6]);
}

TEST_CASE("a key share is checked against the group it is sent for") {
  constexpr unsigned illegal_parameter = 47, decode_error = 50;
  const std::string good(on_p_256), infinity(1, '\0'), origin = "\4" + std::string(64, '\0');
  std::string bad = good, hybrid = good;
  bad[64] ^= 1;
  hybrid[0] = 6;
  CHECK(alert_for(share(p_256, good)) == 0);
  CHECK(alert_for(share(x25519, std::string(32, 'x')) + share(p_256, good)) == 0);
  CHECK(alert_for(share("\x1A\x1A"s, "x") + share(p_256, good)) == 0);  // GREASE, RFC 8701
  CHECK(alert_for(share(p_256, "\3" + good.substr(1, 32))) == 0);
  CHECK(alert_for(share(p_256, "\3" + std::string(32, '\1'))) == illegal_parameter);
  CHECK(alert_for(share(p_256, bad)) == illegal_parameter);
  CHECK(alert_for(share(p_256, hybrid)) == illegal_parameter);
  CHECK(alert_for(share(p_256, infinity)) == illegal_parameter);
  CHECK(alert_for(share(p_256, origin)) == illegal_parameter);
  CHECK(alert_for(share(p_256, good.substr(0, 64))) == illegal_parameter);
  CHECK(alert_for(share(p_384, good)) == illegal_parameter);
  CHECK(alert_for(share(p_256, "")) == decode_error);
}

}  // namespace
}  // namespace kferry::tls
