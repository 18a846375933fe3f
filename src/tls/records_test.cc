// tls/record/records.h after real handshakes: what an Engine and its Records do together.
#include "tls/record/records.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tls/engine_pair_test.h"

namespace kferry::tls {
namespace {

using namespace std::string_view_literals;
using State = Engine::State;

constexpr std::array suites{"TLS_AES_128_GCM_SHA256",        "TLS_AES_256_GCM_SHA384",
                            "TLS_CHACHA20_POLY1305_SHA256",  "ECDHE-ECDSA-AES128-GCM-SHA256",
                            "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"};

bool is_tls_1_3(std::string_view suite) {
  return suite.starts_with("TLS_");
}

// Two ends that have freed wolfSSL's state.
Pair open_pair(const std::string& suite, std::uint64_t server_records_per_key = records_per_key_max,
               std::uint64_t client_records_per_key = records_per_key_max) {
  ServerSettings settings = serving(certificates().ec);
  settings.records_per_key = server_records_per_key;
  settings.offer.ciphers = suite;
  if (!is_tls_1_3(suite)) settings.offer.highest = Version::tls_1_2;
  Pair pair = pair_of(settings, {.records_per_key = client_records_per_key});
  pair.run();
  pair.say(*pair.server, "hello");
  REQUIRE(pair.server->records() != nullptr);
  REQUIRE(pair.client->records() != nullptr);
  return pair;
}

// Protects records of any type and content like `from` does.
class Forger {
 public:
  explicit Forger(const Engine& from) : protection_(from.records()->keys().send) {}
  Bytes record(RecordType type, std::span<const std::byte> content) {
    Bytes made(content.size() + protection_.overhead());
    protection_.seal(type, content, made);
    return made;
  }

 private:
  RecordProtection protection_;
};

// Feeds all of it, and returns the plaintext.
std::string feed(Engine& engine, std::span<const std::byte> bytes) {
  std::string plain;
  Bytes room(20'000);
  while (!bytes.empty()) {
    const auto fed = engine.feed(bytes, room);
    plain.append(reinterpret_cast<const char*>(room.data()), fed.made);
    bytes = bytes.subspan(fed.taken);
    if (fed.taken + fed.made == 0) break;
  }
  return plain;
}

TEST_CASE("content of every critical size round-trips in every suite") {
  for (const std::string suite : suites) {
    CAPTURE(suite);
    Pair pair = open_pair(suite);
    for (const std::size_t size : {1UL, 15UL, 16UL, 17UL, 255UL, 16383UL, 16384UL, 16385UL, 50'000UL}) {
      CAPTURE(size);
      for (const std::size_t room : {1UL, 17UL, 16384UL, 16385UL, 70'000UL}) {
        if (room == 1 && size > 300) continue;
        pair.room = room;
        pair.at_client.clear();
        std::string text(size, 'x');
        for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7);
        pair.say(*pair.server, text);
        CHECK(pair.at_client == text);
      }
    }
    CHECK(pair.client->held_size() == 0);
  }
}

TEST_CASE("changing any byte of a record is detected") {
  for (const std::string suite : suites) {
    CAPTURE(suite);
    const Pair model = open_pair(suite);
    const Bytes good = Forger(*model.server).record(RecordType::data, bytes_of("sixteen bytes.."));
    std::size_t refused = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
      // TLS 1.3 ignores the version in the outer header, but authenticates it. A length may demand more bytes.
      RecordProtection opening(model.client->records()->keys().receive);
      Bytes bad = good;
      bad[at] ^= std::byte{1};
      const std::size_t size = opening.record_size(std::span(bad).first<record_header_size>());
      Bytes room(bad.size());
      if (size != bad.size() || !opening.open(bad, room)) ++refused;
    }
    CHECK(refused == good.size());
    RecordProtection opening(model.client->records()->keys().receive);
    Bytes room(good.size());
    REQUIRE(opening.open(good, room).has_value());
    // Repeating it is a replay.
    CHECK_FALSE(opening.open(good, room).has_value());
  }
}

struct Hostile {
  const char* name;
  RecordType type;
  std::string_view content;
  bool in_1_3;
  bool in_1_2;
  const char* alert;  // the alert for the other side; null if there is none
};

TEST_CASE("records that are not allowed end the connection with an alert") {
  const std::string large(record_plain_max, '\0');
  const std::array cases{
      Hostile{"change_cipher_spec", RecordType::change_cipher_spec, "\1"sv, true, true, "unexpected_message"},
      Hostile{"type 24", static_cast<RecordType>(24), "\1\0\0"sv, true, true, "unexpected_message"},
      Hostile{"no type at all", RecordType{}, ""sv, true, false, "unexpected_message"},
      Hostile{"a short alert", RecordType::alert, "\2"sv, true, true, "decode_error"},
      Hostile{"two alerts", RecordType::alert, "\1\0\1\0"sv, true, true, "decode_error"},
      Hostile{"an empty handshake record", RecordType::handshake, ""sv, true, true, "unexpected_message"},
      Hostile{"a ClientHello in 1.3", RecordType::handshake, "\1\0\0\2ab"sv, true, false,
              "unexpected_message"},
      Hostile{"a Certificate", RecordType::handshake, "\x0B\0\0\0"sv, true, true, "unexpected_message"},
      Hostile{"a ticket from a client", RecordType::handshake, "\4\0\0\2ab"sv, true, true,
              "unexpected_message"},
      Hostile{"a KeyUpdate of 2", RecordType::handshake, "\x18\0\0\1\2"sv, true, false, "illegal_parameter"},
      Hostile{"a KeyUpdate without content", RecordType::handshake, "\x18\0\0\0"sv, true, false,
              "decode_error"},
      Hostile{"a KeyUpdate with more behind", RecordType::handshake, "\x18\0\0\1\0\x18"sv, true, false,
              "illegal_parameter"},
      Hostile{"a message without end", RecordType::handshake, "\x18\xFF\xFF\xFF\0"sv, true, false,
              "decode_error"},
      Hostile{"a fatal alert", RecordType::alert, "\2\x50"sv, true, true, nullptr},
  };
  for (const std::string suite : {suites[0], suites[3]}) {
    for (const Hostile& one : cases) {
      if (is_tls_1_3(suite) ? !one.in_1_3 : !one.in_1_2) continue;
      CAPTURE(suite);
      CAPTURE(one.name);
      Pair pair = open_pair(suite);
      Forger forger(*pair.client);
      CHECK(feed(*pair.server, forger.record(one.type, bytes_of(one.content))) == "");
      REQUIRE(pair.server->state() == State::failed);
      CAPTURE(pair.server->failure().text);
      CHECK(pair.server->failure().text.find('\n') == std::string::npos);
      CHECK(pair.server->to_send().empty() == (one.alert == nullptr));
      pair.run();
      if (one.alert == nullptr) continue;
      REQUIRE(pair.client->state() == State::failed);
      CHECK(pair.client->failure().text.find(one.alert) != std::string::npos);
    }
  }
}

TEST_CASE("an invalid record length is refused at once") {
  for (const std::string suite : suites) {
    for (const unsigned size : {0U, 1U, 15U, 16'384U + 257U, 0xFFFFU}) {
      CAPTURE(suite);
      CAPTURE(size);
      Pair pair = open_pair(suite);
      const Bytes header{std::byte{23}, std::byte{3}, std::byte{3}, static_cast<std::byte>(size >> 8),
                         static_cast<std::byte>(size)};
      for (const std::byte& byte : header) feed(*pair.server, std::span(&byte, 1));
      REQUIRE(pair.server->state() == State::failed);
      CHECK(pair.server->failure().cause == "record_malformed");
      pair.run();
      CHECK(pair.client->failure().text.find("record_overflow") != std::string::npos);
    }
  }
}

TEST_CASE("an unprotected record is refused in TLS 1.3") {
  Pair pair = open_pair(suites[0]);
  feed(*pair.server, bytes_of("\x15\3\3\0\2\1\0"sv));
  REQUIRE(pair.server->state() == State::failed);
  CHECK(pair.server->failure().cause == "record_malformed");
}

TEST_CASE("an alert about certificates names kferry's certificate only if there is one") {
  const auto failure_of = [](Engine& client, std::span<const std::byte> alert) {
    feed(client, alert);
    CHECK(client.state() == State::failed);
    return client.failure().cause;
  };
  for (const bool has_identity : {true, false}) {
    CAPTURE(has_identity);
    const std::string_view expected =
        has_identity ? "client_certificate_refused" : "client_certificate_required";
    ClientSettings settings;
    if (has_identity) settings.identity = certificates().client;
    // During the handshake, in plaintext.
    Pair shaking = pair_of(serving(certificates().ec), settings);
    CHECK(failure_of(*shaking.client, bytes_of("\x15\3\3\0\2\2\x2A"sv)) == expected);
    // After it: in TLS 1.3 a broker checks the client's certificate after the client's handshake is done.
    Pair open = pair_of(serving(certificates().ec), settings);
    open.run();
    open.say(*open.server, "hello");
    REQUIRE(open.client->records() != nullptr);
    CHECK(failure_of(*open.client, Forger(*open.server).record(RecordType::alert, bytes_of("\2\x2A"sv))) ==
          expected);
  }
}

TEST_CASE("tickets, HelloRequests, warnings and empty records are ignored, but not without limit") {
  Pair in_1_3 = open_pair(suites[0]);
  Forger server(*in_1_3.server);
  // Two tickets in three records, split within a header and within a body.
  for (const auto part : {"\4\0\0\6ticket\4\0"sv, "\0\4tic"sv, "k"sv})
    CHECK(feed(*in_1_3.client, server.record(RecordType::handshake, bytes_of(part))) == "");
  CHECK(feed(*in_1_3.client, server.record(RecordType::data, bytes_of("data"))) == "data");
  CHECK(in_1_3.client->state() == State::open);
  // Data must not interrupt a message.
  feed(*in_1_3.client, server.record(RecordType::handshake, bytes_of("\4\0\0\6tick"sv)));
  CHECK(feed(*in_1_3.client, server.record(RecordType::data, bytes_of("data"))) == "");
  CHECK(in_1_3.client->state() == State::failed);

  Pair in_1_2 = open_pair(suites[3]);
  Forger broker(*in_1_2.server);
  CHECK(feed(*in_1_2.client, broker.record(RecordType::handshake, bytes_of("\0\0\0\0"sv))) == "");
  CHECK(feed(*in_1_2.client, broker.record(RecordType::alert, bytes_of("\1\x64"sv))) == "");
  CHECK(feed(*in_1_2.client, broker.record(RecordType::data, bytes_of("data"))) == "data");
  // A client that asks for renegotiation is refused, and may continue.
  Forger client(*in_1_2.client);
  CHECK(feed(*in_1_2.server, client.record(RecordType::handshake, bytes_of("\1\0\0\2hi"sv))) == "");
  CHECK(in_1_2.server->state() == State::open);
  CHECK_FALSE(in_1_2.server->to_send().empty());
  CHECK(feed(*in_1_2.server, client.record(RecordType::data, bytes_of("data"))) == "data");

  for (const std::string suite : {suites[0], suites[3]}) {
    Pair pair = open_pair(suite);
    Forger forger(*pair.client);
    int empty = 0;
    while (pair.server->state() == State::open && empty < 1000) {
      feed(*pair.server, forger.record(RecordType::data, {}));
      ++empty;
    }
    CHECK(pair.server->state() == State::failed);
    CHECK(empty == 33);
  }
}

TEST_CASE("keys change when the other side asks for it, at any point") {
  for (const std::string suite : {suites[0], suites[1], suites[2]}) {
    CAPTURE(suite);
    Pair pair = open_pair(suite, 3, 2);
    std::string up, down;
    for (int i = 0; i < 20; ++i) {
      const std::string text(static_cast<std::size_t>(i) * 3000, static_cast<char>('a' + i));
      pair.say(*pair.client, text);
      pair.say(*pair.server, text);
      pair.run();
      up += text;
      down += text;
    }
    CHECK(pair.at_server == up);
    CHECK(pair.at_client == "hello" + down);
    CHECK_FALSE(pair.server->key_used_up());

    // If asked for ours, the answer precedes the next data, which uses the new key.
    Pair asked = open_pair(suite);
    Forger forger(*asked.client);
    const TrafficKeys before = asked.server->records()->keys();
    feed(*asked.server, forger.record(RecordType::handshake, bytes_of("\x18\0\0\1\1"sv)));
    CHECK(asked.server->records()->keys().receive.key != before.receive.key);
    CHECK(asked.server->records()->keys().send.key != before.send.key);
    asked.run();
    asked.say(*asked.server, "under another key");
    CHECK(asked.at_client == "hellounder another key");
  }
}

TEST_CASE("in TLS 1.2 an exhausted key cannot be renewed") {
  Pair pair = open_pair(suites[3], 2);
  for (int i = 0; i < 3; ++i) {
    pair.say(*pair.server, "words");
    CHECK(pair.server->key_used_up() == (i >= 1));
  }
  CHECK(pair.at_client == "hellowordswordswords");
}

TEST_CASE("once the kernel sends, our own records wait for it") {
  Pair pair = open_pair(suites[0]);
  Forger forger(*pair.client);
  Engine& server = *pair.server;
  server.hand_over(true, true);
  CHECK_FALSE(server.control_record().has_value());
  feed(server, forger.record(RecordType::handshake, bytes_of("\x18\0\0\1\1"sv)));
  auto record = server.control_record();
  REQUIRE(record.has_value());
  CHECK(record->type == RecordType::handshake);
  CHECK(std::ranges::equal(record->content(), bytes_of("\x18\0\0\1\0"sv)));
  CHECK(server.control_record_sent().has_value());
  CHECK_FALSE(server.control_record().has_value());
  server.close();
  record = server.control_record();
  REQUIRE(record.has_value());
  CHECK(record->type == RecordType::alert);
  CHECK(std::ranges::equal(record->content(), bytes_of("\1\0"sv)));
  CHECK_FALSE(server.control_record_sent().has_value());
  CHECK(server.to_send().empty());
}

TEST_CASE("once the kernel receives, non-data records are handled, and its key is changed or lost") {
  for (const bool changes_keys : {true, false}) {
    Pair pair = open_pair(suites[0]);
    Engine& server = *pair.server;
    server.hand_over(false, changes_keys);
    server.handle_record(RecordType::handshake, bytes_of("\x18\0\0\1\0"sv));
    CHECK(server.receive_lost() == !changes_keys);
    CHECK(server.changed_receive_key().has_value() == changes_keys);
    CHECK_FALSE(server.changed_receive_key().has_value());
    CHECK(server.state() == State::open);
    server.handle_record(RecordType::alert, bytes_of("\1\0"sv));
    CHECK(server.state() == State::ended);
  }
  // A KeyUpdate in two records, and a record within another message that begins like one: only the kernel is misled.
  {
    Pair pair = open_pair(suites[0]);
    Engine& client = *pair.client;
    client.hand_over(false, true);
    for (const std::string_view part : {"\x18"sv, "\0\0\1"sv}) {
      client.handle_record(RecordType::handshake, bytes_of(part));
      CHECK(client.receive_waits() == (part.size() == 1));
      CHECK_FALSE(client.changed_receive_key().has_value());
    }
    client.handle_record(RecordType::handshake, bytes_of("\0"sv));
    CHECK_FALSE(client.receive_waits());
    CHECK(client.changed_receive_key().has_value());
    client.handle_record(RecordType::handshake, bytes_of("\4\0\0\2"sv));
    CHECK_FALSE(client.receive_waits());
    client.handle_record(RecordType::handshake, bytes_of("\x18\x18"sv));
    CHECK(client.receive_waits());
    client.handle_record(RecordType::alert, bytes_of("\1\0"sv));
    CHECK_FALSE(client.receive_waits());
    CHECK(client.state() == State::ended);
  }
  // If asked for another send key without having one, the connection has to be closed in order.
  Pair pair = open_pair(suites[0]);
  pair.server->hand_over(true, false);
  feed(*pair.server, Forger(*pair.client).record(RecordType::handshake, bytes_of("\x18\0\0\1\1"sv)));
  CHECK(pair.server->key_used_up());
  CHECK_FALSE(pair.server->control_record().has_value());
  CHECK(pair.server->state() == State::open);
}

}  // namespace
}  // namespace kferry::tls
