#include "tls/context.h"

#include <doctest/doctest.h>

#include <ctime>
#include <memory>
#include <string>

#include "tls/cipher_names.h"
#include "tls/engine_pair_test.h"
#include "x509/authority_test.h"

namespace kferry::tls {
namespace {

using State = Engine::State;

// What each side reports about a handshake that cannot succeed.
struct Outcome {
  std::string server;
  std::string client;
  std::string server_text;
  std::string client_text;
};

Outcome outcome(Pair& pair) {
  pair.run();
  // In TLS 1.3 the client's handshake is done before the server has checked its certificate.
  if (pair.client->state() == State::open && pair.server->state() == State::open) {
    pair.say(*pair.client, "x");
    pair.run();
  }
  const auto cause = [](const Engine& engine) {
    return engine.state() == State::failed ? std::string(engine.failure().cause) : std::string();
  };
  const auto text = [](const Engine& engine) {
    return engine.state() == State::failed ? engine.failure().text : std::string();
  };
  return {cause(*pair.server), cause(*pair.client), text(*pair.server), text(*pair.client)};
}

std::string failure_of(const ServerSettings& settings) {
  const auto made = ServerContext::make(settings, nullptr);
  return made ? "" : std::string(made.error().cause);
}

TEST_CASE("the failure says why an identity cannot serve") {
  ServerSettings none;
  CHECK(failure_of(none) == "certificate_missing");
  ServerSettings keyless = serving(certificates().ec);
  keyless.identity.key = {};
  CHECK(failure_of(keyless) == "key_missing");
  ServerSettings crossed = serving(certificates().ec);
  crossed.identity.key = certificates().client.key;
  CHECK(failure_of(crossed) == "key_mismatch");
  for (const std::string kind : {"ec -pkeyopt ec_paramgen_curve:P-521", "rsa:2048", "ed25519"}) {
    CAPTURE(kind);
    const auto& authority = certificates().authority;
    ServerSettings own = serving(authority.issue("one", {.key = kind}));
    CHECK(failure_of(own) == "");
    own.identity.key = authority.issue("another", {.key = kind}).key;
    CHECK(failure_of(own) == "key_mismatch");
  }
  ServerSettings other_kind = serving(certificates().ec);
  other_kind.identity.key = certificates().rsa.key;
  CHECK_FALSE(failure_of(other_kind).empty());
  ServerSettings broken = serving(certificates().ec);
  broken.identity.chain[0].resize(100);
  CHECK(failure_of(broken) == "certificate_malformed");
  ServerSettings noise = serving(certificates().ec);
  noise.identity.key = Secret(bytes_of("not a key at all"));
  CHECK(failure_of(noise) == "key_malformed");
  const auto& authority = certificates().authority;
  const auto expired = ServerContext::make(
      serving(authority.issue("expired", {.dates = "-startdate 20200101000000Z -enddate 20210101000000Z"})),
      nullptr);
  REQUIRE_FALSE(expired.has_value());
  CHECK(expired.error().cause == "certificate_not_valid_now");
  CHECK(expired.error().text.find("2021-01-01 00:00 UTC") != std::string::npos);
  const auto early = ServerContext::make(
      serving(authority.issue("early", {.dates = "-startdate 20990101000000Z -enddate 21000101000000Z"})),
      nullptr);
  REQUIRE_FALSE(early.has_value());
  CHECK(early.error().cause == "certificate_not_valid_now");
  ServerSettings asking = serving(certificates().ec);
  asking.client_auth = ClientAuth::require;
  CHECK(failure_of(asking) == "client_authorities_missing");
  ServerSettings words = serving(certificates().ec);
  words.offer.ciphers = "TLS_AES_128_GCM_SHA256:RC4-MD5";
  CHECK(failure_of(words) == "cipher_unknown");
  words.offer.ciphers.clear();
  words.offer.curves = "P-256:sect163k1";
  CHECK(failure_of(words) == "curve_unknown");
  words.offer = {.lowest = Version::tls_1_3, .highest = Version::tls_1_2, .ciphers = {}, .curves = {}};
  CHECK(failure_of(words) == "versions_empty");
}

TEST_CASE("RSA and EC certificates work with every offered version and cipher") {
  for (const Identity* identity : {&certificates().ec, &certificates().rsa}) {
    const bool rsa = identity == &certificates().rsa;
    for (const CipherName& cipher : cipher_names()) {
      const bool tls_1_3 = cipher.openssl.starts_with("TLS_");
      if (!tls_1_3 && (cipher.openssl.find("RSA") != std::string_view::npos) != rsa) continue;
      for (const std::string_view name : {cipher.openssl, cipher.iana}) {
        CAPTURE(name);
        ServerSettings settings = serving(*identity);
        settings.offer.ciphers = name;
        settings.offer.highest = tls_1_3 ? Version::tls_1_3 : Version::tls_1_2;
        ClientSettings client;
        client.offer.ciphers = name;
        Pair pair = pair_of(settings, client);
        pair.run();
        REQUIRE(pair.server->state() == State::open);
        REQUIRE(pair.client->state() == State::open);
        CHECK(pair.server->negotiated().cipher == cipher.openssl);
        pair.say(*pair.client, "hello");
        CHECK(pair.at_server == "hello");
      }
    }
  }
}

TEST_CASE("every offered curve works, in TLS 1.2 and 1.3") {
  for (const CurveName& curve : curve_names()) {
    for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
      CAPTURE(curve.openssl);
      ServerSettings settings = serving(certificates().rsa);
      settings.offer = {
          .lowest = version, .highest = version, .ciphers = {}, .curves = std::string(curve.iana)};
      Pair pair = pair_of(settings);
      pair.run();
      CHECK(pair.server->state() == State::open);
      CHECK(pair.client->state() == State::open);
    }
  }
}

TEST_CASE("sides without a common version fail") {
  ServerSettings settings = serving(certificates().ec);
  settings.offer.lowest = Version::tls_1_3;
  ClientSettings old;
  old.offer.highest = Version::tls_1_2;
  Pair pair = pair_of(settings, old);
  const Outcome said = outcome(pair);
  CAPTURE(said.server_text);
  CAPTURE(said.client_text);
  CHECK(said.server == "no_common_version");
  CHECK(said.client == "no_common_version");
}

TEST_CASE("a broker with another name, or of an untrusted authority, is refused") {
  {
    Pair pair = pair_of(serving(certificates().ec), {}, "elsewhere.example");
    const Outcome said = outcome(pair);
    CHECK(said.client == "certificate_not_allowed");
    CHECK(said.client_text.find("elsewhere.example") != std::string::npos);
    CHECK(said.server == "certificate_refused");
  }
  {
    Pair pair = pair_of(serving(certificates().ec), {.verify_host_name = false}, "elsewhere.example");
    const Outcome said = outcome(pair);
    CHECK(said.client == "");
    CHECK(said.server == "");
  }
  for (const std::string host : {"127.0.0.1", "::1", "LOCALHOST", "localhost."}) {
    CAPTURE(host);
    Pair pair = pair_of(serving(certificates().ec), {}, host);
    CHECK(outcome(pair).client == "");
  }
  {
    Pair pair = pair_of(serving(certificates().ec), {}, "127.0.0.2");
    CHECK(outcome(pair).client == "certificate_not_allowed");
  }
  {
    ClientSettings settings;
    settings.cas.push_back(certificates().stranger.certificate());
    Pair pair = pair_of(serving(certificates().ec), settings);
    const Outcome said = outcome(pair);
    CHECK(said.client == "certificate_untrusted");
    CHECK(said.server == "certificate_refused");
  }
}

TEST_CASE("client certificates may be optional or required, and need the right authority and subject") {
  const auto& all = certificates();
  ServerSettings asking = serving(all.ec);
  asking.client_cas.push_back(all.authority.certificate());
  const Identity foreign = all.stranger.issue("foreign", {.subject = "/CN=foreign"});
  for (const Version version : {Version::tls_1_2, Version::tls_1_3}) {
    CAPTURE(static_cast<int>(version));
    asking.offer.highest = version;
    asking.required_subjects.clear();
    asking.client_auth = ClientAuth::optional;
    {
      Pair pair = pair_of(asking);
      CHECK(outcome(pair).server == "");
      CHECK(pair.server->peer_subject() == "");
    }
    asking.client_auth = ClientAuth::require;
    {
      Pair pair = pair_of(asking);
      const Outcome said = outcome(pair);
      CHECK(said.server == "client_certificate_missing");
      CAPTURE(said.client_text);
      CHECK_FALSE(said.client.empty());
    }
    {
      Pair pair = pair_of(asking, {.identity = all.client});
      CHECK(outcome(pair).server == "");
      CHECK(pair.server->peer_subject() == "CN=app-1,OU=Apps,O=Example");
    }
    {
      Pair pair = pair_of(asking, {.identity = foreign});
      const Outcome said = outcome(pair);
      CHECK(said.server == "certificate_untrusted");
      CHECK(said.client == "client_certificate_refused");
    }
    asking.required_subjects = {"CN=app-*,OU=Apps,O=Example"};
    {
      Pair pair = pair_of(asking, {.identity = all.client});
      CHECK(outcome(pair).server == "");
    }
    asking.required_subjects = {"CN=app-2,OU=*,O=*", "CN=app-*,O=Example"};
    {
      Pair pair = pair_of(asking, {.identity = all.client});
      const Outcome said = outcome(pair);
      CHECK(said.server == "certificate_not_allowed");
      CHECK(said.server_text.find("CN=app-1") != std::string::npos);
    }
  }
}

TEST_CASE("a revoked client certificate is refused, and so is one without a list") {
  const Authority authority("Revoking CA");
  const Identity server = authority.issue("server", {});
  const Identity good = authority.issue("good", {.subject = "/CN=good"});
  const Identity bad = authority.issue("bad", {.subject = "/CN=bad"});
  authority.revoke("bad");
  ServerSettings settings = serving(server);
  settings.client_auth = ClientAuth::require;
  settings.client_cas = {authority.certificate(), certificates().authority.certificate()};
  settings.crls = {authority.revocations()};
  ClientSettings client{.cas = {authority.certificate()}};
  client.identity = good;
  {
    Pair pair = pair_of(settings, client);
    CHECK(outcome(pair).server == "");
  }
  client.identity = bad;
  {
    Pair pair = pair_of(settings, client);
    CHECK(outcome(pair).server == "certificate_revoked");
  }
  client.identity = certificates().client;
  {
    Pair pair = pair_of(settings, client);
    CHECK(outcome(pair).server == "revocations_missing");
  }
  // A list of a foreign authority is reported and has no other effect.
  settings.client_cas = {certificates().authority.certificate()};
  const auto foreign = server_context(settings);
  const auto notes = foreign->notes();
  CHECK(std::ranges::any_of(notes,
                            [](const ContextNote& one) { return one.note.cause == "revocations_foreign"; }));
  CHECK(std::ranges::any_of(notes,
                            [](const ContextNote& one) { return one.note.cause == "revocations_missing"; }));
}

TEST_CASE("an expired broker certificate is named") {
  // A server refuses to load an expired certificate. So this uses one that is not valid yet in the client's eyes.
  const Identity soon = certificates().authority.issue("soon", {.usage = "clientAuth"});
  Pair pair = pair_of(serving(soon));
  const Outcome said = outcome(pair);
  CHECK(said.client == "certificate_purpose");
}

TEST_CASE("the client's server name chooses the context") {
  const auto first = server_context(serving(certificates().ec));
  const auto second = server_context(serving(certificates().rsa));
  std::string asked;
  const Engine::Choose choose = [&](std::string_view name) -> std::shared_ptr<const ServerContext> {
    asked = name;
    if (name == "localhost") return second;
    if (name == "broker-1.example") return first;
    return nullptr;
  };
  const auto dial = [&](const std::string& host) {
    Pair pair;
    pair.server = Engine::server(choose);
    pair.client = Engine::client(client_context({.verify_host_name = false}), host, 1);
    pair.run();
    return pair;
  };
  {
    Pair pair = dial("LocalHost.");
    CHECK(asked == "localhost");
    CHECK(pair.client->state() == State::open);
    CHECK(pair.server->negotiated().server_name == "localhost");
  }
  CHECK(dial("broker-1.example").client->state() == State::open);
  {
    Pair pair = dial("broker-9.example");
    CHECK(pair.server->failure().cause == "server_name_unknown");
    CHECK(pair.server->failure().text.find("broker-9.example") != std::string::npos);
    CHECK(pair.client->failure().cause == "server_name_refused");
  }
  {
    Pair pair = dial("127.0.0.1");
    CHECK(asked == "");
    CHECK(pair.server->failure().cause == "server_name_unknown");
  }
}

TEST_CASE("the system's authorities do not vouch for the test's certificates") {
  const auto made = ClientContext::make({});
  if (!made) {
    CHECK(made.error().cause == "authorities_missing");
    return;
  }
  Pair pair;
  pair.server = Engine::server(always(server_context(serving(certificates().ec))));
  pair.client = Engine::client(*made, "localhost", 1);
  CHECK(outcome(pair).client == "certificate_untrusted");
}

}  // namespace
}  // namespace kferry::tls
