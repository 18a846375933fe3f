// The verdict on certificates in real handshakes of both versions and on both sides. wolfSSL's own opinion never admits
// a chain, and never refuses one with a good path.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tls/engine_pair_test.h"
#include "x509/maker_test.h"

namespace kferry::tls {
namespace {

using namespace x509;

std::vector<Bytes> ders(const std::vector<const Made*>& all) {
  std::vector<Bytes> result;
  for (const Made* const one : all) result.push_back(one->der);
  return result;
}

Identity identity_of(const Made& leaf, const std::vector<const Made*>& rest) {
  return leaf.identity(ders(rest));
}

// The cause at the side that judges, empty if it accepts, and the alert that the other side received.
struct Told {
  std::string cause;
  std::string text;
  std::string alert;
};

Told told(Pair pair, bool server_judges) {
  pair.run();
  const Engine& judge = server_judges ? *pair.server : *pair.client;
  const Engine& other = server_judges ? *pair.client : *pair.server;
  Told told;
  if (judge.state() == Engine::State::failed)
    told = {std::string(judge.failure().cause), judge.failure().text, {}};
  if (other.state() == Engine::State::failed) told.alert = other.failure().text;
  return told;
}

struct Case {
  std::vector<const Made*> trusted;
  const Made* leaf = nullptr;
  std::vector<const Made*> rest{};
  std::vector<Bytes> lists{};
};

// kferry judges on one side, in one version.
Told handshake(const Case& given, bool server_judges, Version version) {
  ServerSettings server;
  ClientSettings client;
  server.offer.highest = client.offer.highest = version;
  const Identity identity = identity_of(*given.leaf, given.rest);
  if (server_judges) {
    server.identity = certificates().ec;
    server.client_auth = ClientAuth::require;
    server.client_cas = ders(given.trusted);
    server.crls = given.lists;
    client.identity = identity;
    client.cas = {certificates().authority.certificate()};
  } else {
    server.identity = identity;
    client.cas = ders(given.trusted);
    client.crls = given.lists;
  }
  Pair pair;
  pair.server = Engine::server(always(server_context(server)));
  pair.client = Engine::client(client_context(client), "localhost", 1);
  return told(std::move(pair), server_judges);
}

// Expects success, or a refusal with this cause and alert, on either side and in either version.
void expect(const Case& given, const std::string& cause, const std::string& alert = {}) {
  for (const bool server_judges : {true, false}) {
    for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
      CAPTURE(server_judges);
      CAPTURE(static_cast<int>(version));
      const Told said = handshake(given, server_judges, version);
      CAPTURE(said.text);
      CAPTURE(said.alert);
      CHECK(said.cause == cause);
      if (!alert.empty()) CHECK(said.alert.find(alert) != std::string::npos);
    }
  }
}

Wanted with(std::vector<Extension> extensions, std::int64_t from_s = -day_s, std::int64_t to_s = 30 * day_s) {
  Wanted wanted;
  wanted.extensions = std::move(extensions);
  wanted.from_s = from_s;
  wanted.to_s = to_s;
  return wanted;
}

TEST_CASE("a trusted certificate that is not an authority cannot sign others") {
  const Made root = make_authority("Root");
  const Made alone = make_leaf("pinned", nullptr), issued = make_leaf("issued", &root);
  for (const Made* const pinned : {&alone, &issued}) {
    const Made forged = make_leaf("admin", pinned);
    expect({{pinned}, pinned}, "");
    expect({{pinned}, &forged}, "certificate_untrusted", "unknown_ca");
    expect({{pinned}, &forged, {pinned}}, "certificate_untrusted", "unknown_ca");
  }
}

TEST_CASE("each refusal gives its reason, also to the other side") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root),
             leaf = make_leaf("x", &middle);
  expect({{&root}, &leaf, {&middle}}, "");
  expect({{&root}, &leaf}, "certificate_untrusted", "unknown_ca");
  Wanted old = with(leaf_extensions(), -9 * day_s, -60);
  const Made late = make_leaf("late", &root, std::move(old));
  const Made old_middle = make_authority("Old", &root, with(authority_extensions(), -9 * day_s, -60));
  const Made below = make_leaf("below", &old_middle);
  expect({{&root}, &below, {&old_middle}}, "certificate_expired", "certificate_expired");
  expect({{&root}, &leaf, {&middle}, {make_list(root, {&middle}), make_list(middle, {})}},
         "certificate_revoked", "certificate_revoked");
  expect({{&root}, &leaf, {&middle}, {make_list(middle, {})}}, "revocations_missing", "certificate_unknown");
  const Made mail = make_leaf(
      "mail", &root, with({{NID_ext_key_usage, "emailProtection"}, {NID_subject_alt_name, "DNS:localhost"}}));
  expect({{&root}, &mail}, "certificate_purpose", "unsupported_certificate");
  const Made mute =
      make_leaf("mute", &root,
                with({{NID_key_usage, "critical,keyAgreement"}, {NID_subject_alt_name, "DNS:localhost"}}));
  expect({{&root}, &mute}, "certificate_purpose", "unsupported_certificate");
}

TEST_CASE("strays, expired copies, duplicates and any order are tolerated") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root),
             leaf = make_leaf("x", &middle);
  const auto copy = [&](const Made& of, const char* name, const Made* issuer) {
    Wanted wanted = with(authority_extensions(), -900 * day_s, -day_s);
    wanted.key = of.key.get();
    return make_authority(name, issuer, std::move(wanted));
  };
  const Made old_root = copy(root, "Root", nullptr), old_middle = copy(middle, "Int", &root);
  const Made stray = make_leaf("stray", nullptr);
  const std::vector<std::vector<const Made*>> chains{
      {&middle, &old_root},
      {&middle, &old_middle},
      {&old_middle, &middle},
      {&middle, &stray},
      {&old_root, &old_middle, &stray, &middle},
      {&root, &middle, &middle, &leaf},
  };
  for (std::size_t i = 0; i < chains.size(); ++i) {
    CAPTURE(i);
    expect({{&root}, &leaf, chains[i]}, "");
    expect({{&old_root, &root}, &leaf, chains[i]}, "");
  }
  // An expired copy alone is not enough.
  expect({{&root}, &leaf, {&old_middle}}, "certificate_expired");
}

TEST_CASE("version 1 leaves work, also with an expired copy of their issuer") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  Wanted wanted;
  wanted.version = X509_VERSION_1;
  const Made client = make_leaf("localhost", &middle, std::move(wanted));
  Wanted expired = with(authority_extensions(), -900 * day_s, -day_s);
  expired.key = middle.key.get();
  const Made old_middle = make_authority("Int", &root, std::move(expired));
  expect({{&root}, &client, {&middle}}, "");
  expect({{&root}, &client, {&middle, &old_middle}}, "");
  expect({{&root}, &client, {&old_middle}}, "certificate_expired");
}

TEST_CASE("connections do not influence each other's verdicts") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root),
             leaf = make_leaf("x", &middle);
  Wanted again = with(authority_extensions());
  again.key = middle.key.get();
  const Made twin = make_authority("Int G2", &root, std::move(again));
  const Made other = make_leaf("y", &twin);
  Wanted late = with(authority_extensions(), -900 * day_s, -day_s);
  late.key = middle.key.get();
  const Made old_middle = make_authority("Int", &root, std::move(late));
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    CAPTURE(static_cast<int>(version));
    ServerSettings settings = serving(certificates().ec);
    settings.offer.highest = version;
    settings.client_auth = ClientAuth::require;
    settings.client_cas = {root.der};
    const auto context = server_context(settings);  // shared by all
    const auto dial = [&](const Made& who, const std::vector<const Made*>& rest) {
      Pair pair;
      pair.server = Engine::server(always(context));
      pair.client = Engine::client(client_context({.identity = identity_of(who, rest)}), "localhost", 1);
      return told(std::move(pair), true).cause;
    };
    for (int round = 0; round < 3; ++round) {
      CHECK(dial(leaf, {}) == "certificate_untrusted");
      CHECK(dial(leaf, {&middle}) == "");
      CHECK(dial(other, {&twin}) == "");
      CHECK(dial(other, {}) == "certificate_untrusted");
      CHECK(dial(leaf, {&old_middle, &middle}) == "");
      CHECK(dial(leaf, {&old_middle}) == "certificate_expired");
    }
  }
}

std::int64_t shown_time_s = 0;  // 0: the system's

std::int64_t shown_time() {
  return shown_time_s != 0 ? shown_time_s : system_time();
}

TEST_CASE("an authority that expires while a context serves stops vouching, also for tickets") {
  const Made root = make_authority("Root", nullptr, with(authority_extensions(), -day_s, 3600));
  const Made leaf = make_leaf("localhost", &root);
  ServerSettings server;
  server.identity = leaf.identity();
  const auto keys = std::make_shared<TicketKeys>(Instant{});
  const auto serves = server_context(server, keys);
  const auto dials = client_context({.cas = {root.der}, .wall_clock = shown_time});
  const auto dial = [&] {
    Pair pair;
    pair.server = Engine::server(always(serves));
    pair.client = Engine::client(dials, "localhost", 1);
    pair.run();
    if (pair.server->state() == Engine::State::open) pair.say(*pair.server, "x");  // tickets precede data
    pair.run();
    return pair.client->state() == Engine::State::failed ? std::string(pair.client->failure().cause)
           : pair.client->negotiated().resumed           ? "resumed"
                                                         : "full";
  };
  shown_time_s = 0;
  CHECK(dial() == "full");
  CHECK(dial() == "resumed");
  CHECK(dial() == "resumed");
  shown_time_s = system_time() + 3601;
  CHECK(dial() == "certificate_expired");
  shown_time_s = 0;
  CHECK(dial() == "full");  // the session ended with the verdict
}

}  // namespace
}  // namespace kferry::tls
