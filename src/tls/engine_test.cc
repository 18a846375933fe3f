#include "tls/engine.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

using State = Engine::State;

std::string random_text(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TEST_CASE("a handshake, bytes both ways, and a close from each side") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    CAPTURE(static_cast<int>(version));
    ServerSettings settings = serving(certificates().ec);
    settings.offer.highest = version;
    Pair pair = pair_of(settings);
    CHECK(pair.server->state() == State::handshaking);
    pair.run();
    REQUIRE(pair.server->state() == State::open);
    REQUIRE(pair.client->state() == State::open);
    CHECK(pair.server->negotiated().version == version);
    CHECK(pair.client->negotiated().version == version);
    CHECK(pair.server->negotiated().cipher == pair.client->negotiated().cipher);
    CHECK(pair.server->negotiated().server_name == "localhost");
    CHECK(pair.client->peer_subject() == "CN=localhost,O=Example");
    CHECK(pair.server->held_size() == 0);

    const std::string up = random_text(100'000, 1), down = random_text(70'000, 2);
    pair.say(*pair.client, up);
    pair.say(*pair.server, down);
    CHECK(pair.at_server == up);
    CHECK(pair.at_client == down);

    pair.client->close();
    pair.run();
    CHECK(pair.server->state() == State::ended);
    CHECK(pair.client->state() == State::open);
    // Half closed: the other direction continues.
    pair.say(*pair.server, "the last words");
    CHECK(pair.at_client == down + "the last words");
    pair.server->close();
    pair.run();
    CHECK(pair.client->state() == State::ended);
    pair.client->end_of_input();
    pair.server->end_of_input();
    CHECK(pair.client->state() == State::ended);
    CHECK(pair.server->state() == State::ended);
  }
}

TEST_CASE("every split of the bytes gives the same result") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    for (const std::size_t cut : {1UL, 2UL, 3UL, 4UL, 5UL, 6UL, 7UL, 11UL, 64UL, 500UL, 16389UL}) {
      for (const std::size_t room : {1UL, 100UL, 20'000UL}) {
        CAPTURE(cut);
        CAPTURE(room);
        ServerSettings settings = serving(certificates().ec);
        settings.offer.highest = version;
        Pair pair = pair_of(settings);
        pair.cut = cut;
        pair.room = room;
        pair.run();
        REQUIRE(pair.server->state() == State::open);
        REQUIRE(pair.client->state() == State::open);
        const std::string up = random_text(room == 1 ? 300 : 40'000, 3);
        pair.say(*pair.client, up);
        pair.say(*pair.server, up);
        CHECK(pair.at_server == up);
        CHECK(pair.at_client == up);
        CHECK(pair.server->record_rest() == 0);
        CHECK(pair.client->record_rest() == 0);
      }
    }
  }
}

TEST_CASE("the client's first flight may be split anywhere") {
  const auto server = server_context(serving(certificates().ec));
  const auto client = client_context({});
  auto measured = Engine::client(client, "localhost", 1);
  const std::size_t size = measured->to_send().size();
  REQUIRE(size > 100);
  for (std::size_t at = 1; at < size; at += 7) {
    Pair pair;
    pair.server = Engine::server(always(server));
    pair.client = Engine::client(client, "localhost", 1);
    Bytes room(100);
    CHECK(pair.server->feed(pair.client->to_send().first(at), room).taken == at);
    pair.client->sent(at);
    CHECK(pair.server->to_send().empty());
    CHECK(pair.server->state() == State::handshaking);
    pair.run();
    CHECK(pair.server->state() == State::open);
  }
}

TEST_CASE("a truncated stream is not a clean end") {
  Pair pair = pair_of(serving(certificates().ec));
  pair.run();
  pair.say(*pair.client, "some words");
  pair.server->end_of_input();
  CHECK(pair.server->state() == State::failed);
  CHECK(pair.server->failure().cause == "truncated");
}

TEST_CASE("a truncated handshake is reported as such, on each side") {
  Pair pair = pair_of(serving(certificates().ec));
  Bytes room(100);
  pair.server->feed(pair.client->to_send().first(20), room);
  CHECK(pair.server->handshake_state().find("20 bytes") != std::string::npos);
  pair.server->end_of_input();
  CHECK(pair.server->failure().cause == "handshake_cut");
  pair.client->end_of_input();
  CHECK(pair.client->failure().cause == "no_tls_answer");
}

TEST_CASE("the protocol of plaintext on a TLS port is named") {
  struct Case {
    std::string_view bytes;
    std::string_view cause;
  };
  using namespace std::string_view_literals;
  const auto server = server_context(serving(certificates().ec));
  const auto client = client_context({});
  for (const Case& one :
       {Case{"\0\0\0\x2A\0\x12\0\3"sv, "plaintext_on_tls"}, Case{"GET / HTTP/1.1\r\n"sv, "http_on_tls"},
        Case{"SSH-2.0-x"sv, "ssh_on_tls"}, Case{"PROXY TCP4"sv, "proxy_protocol_on_tls"},
        Case{"\x80\x2E\1\3\1"sv, "no_common_version"}, Case{"zebra"sv, "not_tls"}}) {
    CAPTURE(one.cause);
    for (const std::size_t cut : {1UL, 100UL}) {
      auto engine = Engine::server(always(server));
      auto rest = bytes_of(one.bytes);
      while (!rest.empty() && engine->state() == State::handshaking) {
        const auto part = rest.first(std::min<std::size_t>(rest.size(), cut));
        CHECK(engine->feed(part, {}).taken == part.size());
        rest = rest.subspan(part.size());
      }
      REQUIRE(engine->state() == State::failed);
      CHECK(engine->failure().cause == one.cause);
    }
  }
  for (const Case& one :
       {Case{"\0\0\0\x2A\0\0\0\3"sv, "plaintext_on_tls"}, Case{"HTTP/1.1 400"sv, "http_on_tls"}}) {
    for (const std::size_t cut : {1UL, 100UL}) {
      auto engine = Engine::client(client, "localhost", 1);
      auto rest = bytes_of(one.bytes);
      while (!rest.empty() && engine->state() == State::handshaking) {
        const auto part = rest.first(std::min<std::size_t>(rest.size(), cut));
        engine->feed(part, {});
        rest = rest.subspan(part.size());
      }
      REQUIRE(engine->state() == State::failed);
      CHECK(engine->failure().cause == one.cause);
    }
  }
  auto engine = Engine::server(always(server));
  engine->feed(bytes_of("\0"sv), {});
  CHECK(engine->state() == State::handshaking);
  engine->end_of_input();
  CHECK(engine->failure().cause == "plaintext_on_tls");
}

TEST_CASE("a damaged record ends the connection") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    ServerSettings settings = serving(certificates().ec);
    settings.offer.highest = version;
    Pair pair = pair_of(settings);
    pair.run();
    Bytes cipher(1000), room(1000);
    const auto wrote = pair.client->write(bytes_of("words"), cipher);
    cipher[wrote.made - 1] ^= std::byte{1};
    const auto fed = pair.server->feed(std::span(cipher).first(wrote.made), room);
    CHECK(fed.made == 0);
    REQUIRE(pair.server->state() == State::failed);
    CAPTURE(pair.server->failure().text);
    CHECK(pair.server->failure().cause == "record_forged");
    CHECK_FALSE(pair.server->to_send().empty());
    pair.run();
    REQUIRE(pair.client->state() == State::failed);
    CHECK(pair.client->failure().text.find("bad_record_mac") != std::string::npos);
  }
}

}  // namespace
}  // namespace kferry::tls
