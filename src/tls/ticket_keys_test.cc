#include "tls/ticket_keys.h"

#include <doctest/doctest.h>

#include <chrono>

#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

using Opened = TicketKeys::Opened;
using std::chrono::hours;

struct Ticket {
  Bytes bytes;
  TicketKeys::Sealed sealed;
};

constexpr std::string_view state = "the session's state";

Ticket seal(TicketKeys& keys, std::string_view bound_to) {
  const auto plain = bytes_of(state);
  Ticket ticket{{plain.begin(), plain.end()}, {}};
  ticket.sealed = keys.seal(ticket.bytes, bytes_of(bound_to));
  return ticket;
}

Opened open(TicketKeys& keys, Ticket ticket, std::string_view bound_to) {
  const Opened opened = keys.open(ticket.bytes, ticket.sealed, bytes_of(bound_to));
  if (opened != Opened::no) CHECK(std::ranges::equal(ticket.bytes, bytes_of(state)));
  return opened;
}

TEST_CASE("a ticket opens while its key lives, and only for what it is bound to") {
  TicketKeys keys(Instant{});
  const Ticket ticket = seal(keys, "a certificate");
  CHECK_FALSE(std::ranges::equal(ticket.bytes, bytes_of(state)));
  CHECK(open(keys, ticket, "a certificate") == Opened::yes);
  CHECK(open(keys, ticket, "another") == Opened::no);
  TicketKeys others(Instant{});
  CHECK(open(others, ticket, "a certificate") == Opened::no);
  keys.advance(Instant{} + hours(1) - std::chrono::seconds(1));
  CHECK(open(keys, ticket, "a certificate") == Opened::yes);
  keys.advance(Instant{} + hours(1));
  CHECK(open(keys, ticket, "a certificate") == Opened::yes_renew);
  for (int hour = 2; hour < 13; ++hour) {
    keys.advance(Instant{} + hours(hour));
    CHECK(open(keys, ticket, "a certificate") == Opened::yes_renew);
    CHECK(keys.size() <= ticket_keys_max);
  }
  keys.advance(Instant{} + hours(13));
  CHECK(open(keys, ticket, "a certificate") == Opened::no);
  CHECK(keys.size() == ticket_keys_max);
  // After a night without handshakes at most the newest two are left.
  keys.advance(Instant{} + hours(100));
  CHECK(keys.size() <= 2);
}

TEST_CASE("a successor opens the tickets of its predecessor for as long as they live") {
  TicketKeys former(Instant{});
  const Ticket older = seal(former, "a certificate");
  former.advance(Instant{} + hours(2));
  const Ticket newer = seal(former, "a certificate");
  TicketKeys keys(Instant{} + hours(100));  // its own clock says something else
  keys.take_over(former.hand_over(Instant{} + hours(3)), Instant{} + hours(100));
  CHECK(keys.size() == 2);
  CHECK(open(keys, newer, "a certificate") == Opened::yes);
  CHECK(open(keys, older, "a certificate") == Opened::yes_renew);
  keys.advance(Instant{} + hours(112));
  CHECK(open(keys, older, "a certificate") == Opened::no);
  CHECK(open(keys, newer, "a certificate") == Opened::yes_renew);
}

TEST_CASE("a successor takes over no key that is none") {
  TicketKeys keys(Instant{});
  const Ticket ticket = seal(keys, "a certificate");
  keys.take_over({}, Instant{});
  std::vector<TicketKeys::Handed> bad(3);
  bad[0].key = Secret(Bytes(31));
  bad[1].key = Secret(Bytes(32));
  bad[1].age = hours(13);
  bad[2].key = Secret(Bytes(32));
  bad[2].age = -hours(1);
  keys.take_over(std::move(bad), Instant{});
  CHECK(open(keys, ticket, "a certificate") == Opened::yes);
}

TEST_CASE("a modified ticket is refused") {
  TicketKeys keys(Instant{});
  const Ticket ticket = seal(keys, "x");
  for (std::size_t i = 0; i < ticket.bytes.size(); ++i) {
    Ticket changed = ticket;
    changed.bytes[i] ^= std::byte{1};
    CHECK(open(keys, changed, "x") == Opened::no);
  }
}

TEST_CASE("a client resumes while the keys live and the certificate stays the same") {
  const auto keys = std::make_shared<TicketKeys>(Instant{});
  const auto server = server_context(serving(certificates().ec), keys);
  const auto client = client_context({});
  const auto dial = [&](const std::shared_ptr<const ServerContext>& to) {
    Pair pair;
    pair.server = Engine::server(always(to));
    pair.client = Engine::client(client, "localhost", 9092);
    pair.run();
    CAPTURE(pair.server->failure().text);
    CAPTURE(pair.client->failure().text);
    REQUIRE(pair.server->state() == Engine::State::open);
    REQUIRE(pair.client->state() == Engine::State::open);
    pair.say(*pair.server, "word");
    pair.say(*pair.client, "word");
    CHECK(pair.at_client == "word");
    CHECK(pair.server->negotiated().resumed == pair.client->negotiated().resumed);
    CHECK(client->sessions()->size() == 1);
    return pair.server->negotiated().resumed;
  };
  CHECK_FALSE(dial(server));
  CHECK(dial(server));
  CHECK(dial(server));
  keys->advance(Instant{} + hours(2));
  CHECK(dial(server));
  CHECK(dial(server));
  // Twice: the last key is kept until the next one is as old as a ticket may be.
  keys->advance(Instant{} + hours(30));
  keys->advance(Instant{} + hours(60));
  CHECK_FALSE(dial(server));
  CHECK(dial(server));
  const auto renewed = server_context(serving(certificates().authority.issue("renewed", {})), keys);
  CHECK_FALSE(dial(renewed));
  CHECK(dial(renewed));
}

TEST_CASE("over TLS 1.2 a client never resumes, so that a broker without the session costs no dial") {
  const auto keys = std::make_shared<TicketKeys>(Instant{});
  ServerSettings settings = serving(certificates().ec);
  settings.offer.highest = Version::tls_1_2;
  const auto client = client_context({});
  const auto server = server_context(settings, keys);
  for (int i = 0; i < 2; ++i) {
    Pair pair;
    pair.server = Engine::server(always(server));
    pair.client = Engine::client(client, "localhost", 9092);
    pair.run();
    CHECK(pair.server->state() == Engine::State::open);
    CHECK_FALSE(pair.client->negotiated().resumed);
  }
}

TEST_CASE("sessions with client certificates are never resumed") {
  const auto keys = std::make_shared<TicketKeys>(Instant{});
  ServerSettings settings = serving(certificates().ec);
  settings.client_auth = ClientAuth::require;
  settings.client_cas = {certificates().authority.certificate()};
  const auto server = server_context(settings, keys);
  const auto client = client_context({.identity = certificates().client});
  for (int i = 0; i < 2; ++i) {
    Pair pair;
    pair.server = Engine::server(always(server));
    pair.client = Engine::client(client, "localhost", 9092);
    pair.run();
    pair.say(*pair.server, "word");
    CHECK_FALSE(pair.server->negotiated().resumed);
    CHECK(client->sessions()->size() == 0);
  }
}

}  // namespace
}  // namespace kferry::tls
