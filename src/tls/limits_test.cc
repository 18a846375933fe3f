// kferry accepts what other TLS libraries accept, on both sides and in both versions: long certificates and hellos,
// many names and certificates, large keys, and any split of a handshake into records. What exceeds a limit is refused
// with an alert, and the message names the limit.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "tls/engine_pair_test.h"
#include "x509/key_maker_test.h"
#include "x509/maker_test.h"

namespace kferry::tls {
namespace {

using namespace x509;

struct Ended {
  std::string judge;  // the cause at the side that reads the certificates; empty if it is open
  std::string text;
  std::string other;  // the text of the side that sent them
};

struct Shaken {
  Bytes trusted;
  Identity identity;
};

Ended shake(
    const Shaken& given, bool server_judges, Version version,
    const std::function<void(Pair&)>& run = [](Pair& pair) { pair.run(); }) {
  ServerSettings server;
  ClientSettings client;
  server.offer.lowest = client.offer.lowest = version;
  server.offer.highest = client.offer.highest = version;
  if (server_judges) {
    server.identity = certificates().ec;
    server.client_auth = ClientAuth::require;
    server.client_cas = {given.trusted};
    client.identity = given.identity;
    client.cas = {certificates().authority.certificate()};
  } else {
    server.identity = given.identity;
    client.cas = {given.trusted};
  }
  Pair pair;
  pair.server = Engine::server(always(server_context(server)));
  pair.client = Engine::client(client_context(client), "localhost", 1);
  run(pair);
  const Engine& judge = server_judges ? *pair.server : *pair.client;
  const Engine& other = server_judges ? *pair.client : *pair.server;
  Ended ended;
  if (judge.state() != Engine::State::open) ended.judge = judge.failure().cause;
  if (judge.state() == Engine::State::handshaking) ended.judge = "still shaking hands";
  ended.text = judge.failure().text;
  ended.other = other.failure().text;
  return ended;
}

// Expects success, or a refusal with these words and this alert, on both sides and in both versions.
void expect(const Shaken& given, const std::string& words = "", const std::string& alert = "") {
  for (const bool server_judges : {true, false}) {
    for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
      CAPTURE(server_judges);
      CAPTURE(static_cast<int>(version));
      const Ended ended = shake(given, server_judges, version);
      CAPTURE(ended.judge);
      CAPTURE(ended.text);
      CAPTURE(ended.other);
      CHECK(ended.judge.empty() == words.empty());
      CHECK(ended.text.find(words) != std::string::npos);
      CHECK(ended.other.find(alert) != std::string::npos);
    }
  }
}

Wanted named(std::size_t names, std::size_t size = 40) {
  std::string all = "DNS:localhost";
  for (std::size_t i = 0; i < names; ++i) {
    const std::string number = std::to_string(i);
    all += ",DNS:b" + number + "." + std::string(size - number.size() - 6, 'x') + ".test";
  }
  Wanted wanted;
  wanted.extensions = std::vector<Extension>{{NID_ext_key_usage, "serverAuth,clientAuth"},
                                             {NID_subject_alt_name, std::move(all)}};
  return wanted;
}

const Made& root() {
  static const Made made = make_authority("Root");
  return made;
}

TEST_CASE("certificates with many names work, up to 64 KB") {
  for (const std::size_t names : {600UL, 1500UL}) {
    const Made leaf = make_leaf("localhost", &root(), named(names));
    CAPTURE(leaf.der.size());
    CHECK(leaf.der.size() > names * 40);
    expect({root().der, leaf.identity()});
  }
  const Made beyond = make_leaf("localhost", &root(), named(1700));
  CHECK(beyond.der.size() > 65'536);
  expect({root().der, beyond.identity()}, "more than 65536 bytes", "alert");
}

TEST_CASE("chains of 16 certificates and a few more work, and longer ones do not") {
  std::vector<Made> all;
  all.push_back(make_authority("Root 0"));
  for (int i = 1; i < 21; ++i) all.push_back(make_authority("CA " + std::to_string(i), &all.back()));
  for (const std::size_t size : {16UL, 17UL, 20UL, 21UL}) {
    CAPTURE(size);
    const Made leaf = make_leaf("localhost", &all[size - 1]);
    std::vector<Bytes> rest;
    for (std::size_t i = size; i-- > 1;) rest.push_back(all[i].der);
    const bool taken = size <= 20;
    expect({all[0].der, leaf.identity(rest)}, taken ? "" : "more than 20 certificates", taken ? "" : "alert");
  }
}

TEST_CASE("RSA keys of 8192 bits work, in a leaf and in its issuer") {
  const KeyPtr key = make_rsa_key(8192);
  Wanted wanted;
  wanted.key = key.get();
  const Made big_root = make_authority("Big root", nullptr, std::move(wanted));
  wanted = {};
  wanted.key = key.get();
  const Made leaf = make_leaf("localhost", &big_root, std::move(wanted));
  expect({big_root.der, leaf.identity()});
}

TEST_CASE("longer RSA keys in a leaf are refused, and the message names the limit") {
  const KeyPtr key = make_rsa_key(16'384);
  Wanted wanted;
  wanted.key = key.get();
  const Made big_root = make_authority("Bigger root", nullptr, std::move(wanted));
  expect({big_root.der, make_leaf("localhost", &big_root).identity()});
  wanted = {};
  wanted.key = key.get();
  const Made leaf = make_leaf("localhost", &root(), std::move(wanted));
  const auto served = ServerContext::make(serving(leaf.identity()), nullptr);
  REQUIRE_FALSE(served);
  CHECK(served.error().text.find("has a key of 16384 bits: at most 8192") != std::string::npos);
}

TEST_CASE("RSASSA-PSS keys and their signatures work") {
  const KeyPtr of_root = make_key_of_type("RSA-PSS", 2048), of_leaf = make_key_of_type("RSA-PSS", 2048);
  Wanted wanted;
  wanted.key = of_root.get();
  const Made pss_root = make_authority("PSS root", nullptr, std::move(wanted));
  wanted = {};
  wanted.key = of_leaf.get();
  const Made leaf = make_leaf("localhost", &pss_root, std::move(wanted));
  expect({pss_root.der, leaf.identity()});
}

TEST_CASE("every other kind of key with a TLS 1.3 signature works") {
  for (const char* group : {"P-256", "P-384", "P-521"}) {
    CAPTURE(group);
    const KeyPtr key = make_key(group);
    Wanted wanted;
    wanted.key = key.get();
    expect({root().der, make_leaf("localhost", &root(), std::move(wanted)).identity()});
  }
  for (const char* type : {"ED25519"}) {
    CAPTURE(type);
    const KeyPtr key = make_key_of_type(type);
    Wanted wanted;
    wanted.key = key.get();
    expect({root().der, make_leaf("localhost", &root(), std::move(wanted)).identity()});
  }
}

TEST_CASE("subjects with many, multi-valued, long and empty parts work") {
  Wanted wanted;
  for (int i = 0; i < 60; ++i) wanted.subject.emplace_back("OU", "Unit " + std::to_string(i));
  wanted.subject.emplace_back("CN", "localhost");
  wanted.issuer = &root();
  expect({root().der, make(wanted).identity()});
  wanted.subject = {{"O", "T"}, {"CN", "localhost"}, {"+UID", "7"}, {"+OU", std::string(64, 'u')}};
  for (int i = 0; i < 9; ++i) wanted.subject.emplace_back("DC", std::string(63, 'd'));
  wanted.subject.emplace_back("description", std::string(1000, 'x'));
  wanted.subject.emplace_back("title", "");
  expect({root().der, make(wanted).identity()});
}

// Returns `stream` with every plaintext handshake record split into records of `size` bytes. `sealed`: there has been a
// TLS 1.2 ChangeCipherSpec in this direction.
std::string cut_records(std::string_view stream, std::size_t size, bool& sealed) {
  std::string result;
  while (!stream.empty()) {
    const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(stream[3])) << 8 |
                               static_cast<unsigned char>(stream[4]);
    const std::string_view record = stream.substr(0, 5 + length), body = record.substr(5);
    stream.remove_prefix(record.size());
    if (record[0] == '\x14') sealed = true;
    if (record[0] != '\x16' || sealed) {
      result += record;
      continue;
    }
    for (std::size_t at = 0; at < body.size(); at += size) {
      const std::string_view part = body.substr(at, size);
      result += record.substr(0, 3);
      result += static_cast<char>(part.size() >> 8);
      result += static_cast<char>(part.size());
      result += part;
    }
  }
  return result;
}

TEST_CASE("handshakes in records of one byte and of a few work") {
  const Made leaf = make_leaf("localhost", &root(), named(20));
  for (const std::size_t size : {1UL, 3UL, 5UL, 700UL}) {
    for (const bool server_judges : {true, false}) {
      for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
        CAPTURE(size);
        CAPTURE(server_judges);
        CAPTURE(static_cast<int>(version));
        const Ended ended = shake({root().der, leaf.identity()}, server_judges, version, [&](Pair& pair) {
          bool sealed[2]{};
          for (bool moved = true; moved;) {
            moved = false;
            for (Engine* const from : {pair.client.get(), pair.server.get()}) {
              Engine& to = from == pair.client.get() ? *pair.server : *pair.client;
              const std::string flight(text_of(from->to_send()));
              from->sent(flight.size());
              bool& one_way = sealed[from == pair.client.get() ? 0 : 1];
              const std::string cut = cut_records(flight, size, one_way);
              Bytes room(1000);
              moved = to.feed(bytes_of(cut), room).taken > 0 || moved;
            }
          }
        });
        CAPTURE(ended.text);
        CHECK(ended.judge == "");
        CHECK(ended.other == "");
      }
    }
  }
}

// A client's first flight, with unknown suites before its own.
std::string hello_with_suites(Version version, std::size_t suites) {
  ClientSettings settings;
  settings.offer.highest = version;
  const auto client = Engine::client(client_context(settings), "localhost", 1);
  std::string hello(text_of(client->to_send()));
  const auto number = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(hello[at])) << 8 |
           static_cast<unsigned char>(hello[at + 1]);
  };
  const std::size_t suites_at = 5 + 4 + 34 + 1 + static_cast<unsigned char>(hello[5 + 4 + 34]);
  std::string more;
  for (std::size_t i = number(suites_at) / 2; i < suites; ++i) more += {'\x5A', static_cast<char>(i)};
  const auto grow = [&](std::size_t at) {
    const std::size_t grown = number(at) + more.size();
    hello[at] = static_cast<char>(grown >> 8);
    hello[at + 1] = static_cast<char>(grown);
  };
  for (const std::size_t at : {std::size_t{3}, std::size_t{7}, suites_at}) grow(at);
  hello.insert(suites_at + 2, more);
  return hello;
}

TEST_CASE("hellos with 160 suites, and with more than were ever defined, work") {
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    for (const std::size_t suites : {160UL, 512UL, 513UL}) {
      CAPTURE(static_cast<int>(version));
      CAPTURE(suites);
      const auto server = Engine::server(always(server_context(serving(certificates().ec))));
      Bytes room(1000);
      server->feed(bytes_of(hello_with_suites(version, suites)), room);
      CAPTURE(server->failure().text);
      REQUIRE_FALSE(server->to_send().empty());
      const bool taken = suites <= 512;
      CHECK((server->state() == Engine::State::handshaking) == taken);
      CHECK(text_of(server->to_send())[0] == (taken ? '\x16' : '\x15'));
    }
  }
}

TEST_CASE("an incomplete hello holds at most its maximum length") {
  const auto server = Engine::server(always(server_context(serving(certificates().ec))));
  // One byte per record: 384 KB in total.
  std::string start("\x01\x00\xFF\xFF", 4);
  start.resize(65'538, 'x');
  bool sealed = false;
  std::string whole;
  for (std::size_t at = 0; at < start.size(); at += 16'384) {
    const std::string part = start.substr(at, 16'384);
    whole += std::string("\x16\3\1", 3) + static_cast<char>(part.size() >> 8) +
             static_cast<char>(part.size()) + part;
  }
  const std::string stream = cut_records(whole, 1, sealed);
  Bytes room(1000);
  for (std::size_t at = 0; at < stream.size(); at += 1000) {
    server->feed(bytes_of(std::string_view(stream).substr(at, 1000)), room);
    REQUIRE(server->held_size() <= 64 * 1024 + 200);
  }
  CHECK(server->state() == Engine::State::handshaking);
}

}  // namespace
}  // namespace kferry::tls
