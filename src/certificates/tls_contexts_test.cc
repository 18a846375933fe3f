#include "certificates/tls_contexts.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "certificates/tls_fixture_test.h"
#include "tls/engine_pair_test.h"

using namespace kferry;
using namespace kferry::certificates;

namespace {

// The problems as lines.
std::string text(const std::vector<config::Problem>& problems) {
  std::string all;
  for (const config::Problem& problem : problems) all += to_string(problem) + "\n";
  return all;
}

bool reported(const std::vector<config::Problem>& problems, const std::string& where,
              const std::string& part) {
  const bool found = std::ranges::any_of(problems, [&](const config::Problem& problem) {
    return problem.where == where && problem.what.find(part) != std::string::npos;
  });
  if (!found) MESSAGE(text(problems));
  return found;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "every listener and upstream with TLS has a context, and the others have none") {
  variables["GATEWAY_LISTENER_NAMES"] = "external,inside";
  variables["GATEWAY_LISTENER_INSIDE_PORTS"] = "7000";
  variables["GATEWAY_LISTENER_INSIDE_BIND_ADDRESS"] = "127.0.0.1";
  variables["GATEWAY_LISTENER_INSIDE_SECURITY_PROTOCOL"] = "PLAINTEXT";
  TlsContexts contexts = this->contexts();
  CHECK(contexts.any());
  REQUIRE(contexts.snapshot()->clusters.size() == 1);
  CHECK(contexts.snapshot()->version == 0);
  CHECK_FALSE(contexts.snapshot()->upstream("default").context);
  CHECK(text(contexts.load()) == "");
  const auto snapshot = contexts.snapshot();
  CHECK(snapshot->version == 1);
  CHECK(contexts.version() == 1);
  CHECK(snapshot->upstream("default").context);
  REQUIRE(snapshot->clusters.at("default").listeners.size() == 2);
  CHECK(snapshot->listener("default", "external").context);
  CHECK_FALSE(snapshot->listener("default", "inside").context);
  CHECK(contexts.files() == std::vector<std::string>{folder / "server.p12", folder / "ca.crt"});
  const auto certificates = contexts.certificates();
  REQUIRE(certificates.size() == 1);
  CHECK(certificates[0].certificate.names.subject == "CN=one.example");
  CHECK(certificates[0].certificate.names.dns_names ==
        std::vector<std::string>{"one.example", "*.k.example"});
  CHECK(certificates[0].file == folder / "server.p12");
  CHECK(certificates[0].where == "GATEWAY_SSL_KEY_STORE_PATH");
  CHECK(certificates[0].listener == "external");
  CHECK(log.size() == 0);
}

TEST_CASE_FIXTURE(Fixture,
                  "all problems are reported together, each with the file, the variable and the remedy") {
  const std::string store = "GATEWAY_SSL_KEY_STORE_PATH";
  SUBCASE("a wrong password, and an upstream's missing file") {
    variables["GATEWAY_SSL_KEY_STORE_PASSWORD"] = "s3cr3t";
    variables["KAFKA_SSL_TRUSTSTORE_LOCATION"] = folder / "none.pem";
    const auto problems = contexts().load();
    CHECK(problems.size() == 2);
    CHECK(reported(problems, store,
                   (folder / "server.p12") +
                       ": does not open with this password: correct GATEWAY_SSL_KEY_STORE_PASSWORD"));
    CHECK(reported(problems, "KAFKA_SSL_TRUSTSTORE_LOCATION",
                   (folder / "none.pem") + ": there is no such file"));
    CHECK(text(problems).find("s3cr3t") == std::string::npos);
  }
  SUBCASE("no password") {
    variables.erase("GATEWAY_SSL_KEY_STORE_PASSWORD");
    CHECK(reported(contexts().load(), store, "set GATEWAY_SSL_KEY_STORE_PASSWORD"));
  }
  SUBCASE("an expired certificate") {
    pem("old", "server.p12");
    CHECK(reported(contexts().load(), store, "CN=old.example expired at 2021-01-01"));
  }
  SUBCASE("a key of another certificate") {
    folder.write("server.p12", made().text("one.crt") + made().text("two.key"));
    CHECK(reported(contexts().load(), store, "does not belong to the certificate of CN=one.example"));
  }
  SUBCASE("a certificate without a key") {
    copy("one.crt", "server.p12");
    CHECK(reported(contexts().load(), store, "no private key"));
  }
  SUBCASE("a folder") {
    variables[store] = folder.path().string();
    CHECK(reported(contexts().load(), store, "name the file within it"));
  }
  SUBCASE("a file that may not be read") {
    if (geteuid() == 0) return;  // root may read everything
    REQUIRE(chmod((folder / "server.p12").c_str(), 0) == 0);
    CHECK(reported(contexts().load(), store, "let kferry's user read the file"));
  }
  SUBCASE("an unknown cipher and an unknown curve, each where it is written") {
    variables["GATEWAY_SSL_CIPHER_SUITES"] = "TLS_AES_512_GCM";
    variables["KAFKA_SSL_CURVES"] = "P-255";
    const auto problems = contexts().load();
    CHECK(reported(problems, "GATEWAY_SSL_CIPHER_SUITES", "TLS_AES_512_GCM"));
    CHECK(reported(problems, "KAFKA_SSL_CURVES", "P-255"));
  }
  SUBCASE("files that are not a trust store or a revocation list") {
    variables["GATEWAY_SSL_CLIENT_AUTH"] = "REQUIRE";
    variables["GATEWAY_SSL_TRUST_STORE_PATH"] = folder / "garbage";
    variables["GATEWAY_SSL_CRL_PATH"] = folder / "ca.crt";
    folder.write("garbage", "garbage");
    const auto problems = contexts().load();
    CHECK(reported(problems, "GATEWAY_SSL_TRUST_STORE_PATH", "neither PEM, PKCS12 nor JKS"));
    CHECK(reported(problems, "GATEWAY_SSL_CRL_PATH", "no revocation list"));
  }
}

TEST_CASE_FIXTURE(Fixture, "a broken store of two listeners is reported once") {
  variables["GATEWAY_LISTENER_NAMES"] = "external,second";
  variables["GATEWAY_LISTENER_SECOND_PORTS"] = "7000";
  variables["GATEWAY_LISTENER_SECOND_ADVERTISED_HOST"] = "one.example";
  variables["GATEWAY_LISTENER_SECOND_SECURITY_PROTOCOL"] = "SSL";
  folder.write("server.p12", "garbage");
  CHECK(contexts().load().size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a reload renews what has changed and keeps the rest") {
  TlsContexts contexts = this->contexts();
  REQUIRE(contexts.load().empty());
  const auto before = contexts.snapshot();
  contexts.reload();
  CHECK(contexts.snapshot() == before);
  CHECK(log.size() == 0);

  pem("two", "server.p12");
  contexts.reload();
  const auto after = contexts.snapshot();
  CHECK(after->version == 2);
  CHECK(after->listener("default", "external").context != before->listener("default", "external").context);
  CHECK(after->upstream("default").context == before->upstream("default").context);
  CHECK(contexts.certificates().at(0).certificate.names.subject == "CN=two.example");
  CHECK(log.has("tls_renewed", "CN=two.example, valid until "));
  CHECK(log.size() == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "a broken file leaves the last good context, says so once, and says when it is well") {
  TlsContexts contexts = this->contexts();
  REQUIRE(contexts.load().empty());
  const auto good = contexts.snapshot();
  for (const char* content : {"garbage", ""}) {
    folder.write("server.p12", content);
    contexts.reload();
    contexts.reload();
  }
  CHECK(contexts.snapshot() == good);
  CHECK(contexts.certificates().at(0).certificate.names.subject == "CN=one.example");
  CHECK(log.size() == 2);
  CHECK(
      log.has("tls_renewal_failed", "neither PEM, PKCS12 nor JKS; what was read before continues to serve"));
  CHECK(log.has("tls_renewal_failed", "is empty"));
  CHECK_FALSE(log.has("tls_renewal_well", ""));

  copy("one.p12", "server.p12");
  contexts.reload();
  CHECK(contexts.snapshot() == good);
  CHECK(log.has("tls_renewal_well", ""));
}

TEST_CASE_FIXTURE(Fixture, "a password that changes with its store is read again") {
  variables.erase("GATEWAY_SSL_KEY_STORE_PASSWORD");
  variables["GATEWAY_SSL_KEY_STORE_PASSWORD_FILE"] = folder / "password";
  folder.write("password", "store-pw\n");
  TlsContexts contexts = this->contexts();
  CHECK(text(contexts.load()) == "");
  CHECK(std::ranges::count(contexts.files(), folder / "password") == 1);
  copy("two.crt", "two.crt");
  copy("two.key", "two.key");
  folder.run("openssl pkcs12 -export -inkey two.key -in two.crt -out server.p12 -passout pass:another");
  contexts.reload();
  CHECK(log.has("tls_renewal_failed", "correct GATEWAY_SSL_KEY_STORE_PASSWORD"));
  folder.write("password", "another\n");
  contexts.reload();
  CHECK(contexts.certificates().at(0).certificate.names.subject == "CN=two.example");
}

TEST_CASE_FIXTURE(Fixture, "a certificate that expires while it serves is reported once") {
  static std::int64_t now_s = 0;
  now_s = TlsContexts::system_time();
  static_cast<void>(this->contexts());
  pem("brief", "server.p12");
  TlsContexts contexts(config, log, Instant{}, [] { return now_s; });
  REQUIRE(contexts.load().empty());
  CHECK(contexts.next_change_s() == contexts.certificates().at(0).certificate.not_after_s + 1);
  now_s = contexts.certificates().at(0).certificate.not_after_s + 1;
  contexts.reload();
  contexts.reload();
  CHECK(log.size() == 1);
  CHECK(log.has("tls_renewal_failed", "CN=brief.example expired at"));
  pem("two", "server.p12");
  contexts.reload();
  CHECK(log.has("tls_renewed", "CN=two.example"));
}

TEST_CASE_FIXTURE(Fixture, "a certificate that is not valid yet is used once it is") {
  static std::int64_t now_s = 0;
  now_s = TlsContexts::system_time();
  static_cast<void>(this->contexts());
  pem("later", "server.p12");
  TlsContexts contexts(config, log, Instant{}, [] { return now_s; });
  const auto found = contexts.load();
  REQUIRE(found.size() == 1);
  CHECK_FALSE(found.front().warning);
  CHECK(found.front().what.find("is not valid before") != std::string::npos);
  CHECK(contexts.can_serve());
  const auto listener = contexts.snapshot()->listener("default", "external");
  CHECK(listener.context == nullptr);
  CHECK(listener.why_not.find("CN=later.example") != std::string::npos);
  const std::int64_t begins_s = contexts.next_change_s();
  CHECK(begins_s > now_s);
  CHECK(begins_s <= now_s + 86400);
  now_s = begins_s - 1;
  contexts.reload();
  CHECK(contexts.snapshot()->listener("default", "external").context == nullptr);
  now_s = begins_s;
  contexts.reload();
  CHECK(contexts.snapshot()->listener("default", "external").context != nullptr);
  CHECK(contexts.snapshot()->listener("default", "external").why_not.empty());
  CHECK(log.has("tls_renewed", "CN=later.example"));
}

TEST_CASE_FIXTURE(Fixture, "an authority that expires while it serves is reported, and stops vouching") {
  static std::int64_t now_s = 0;
  now_s = TlsContexts::system_time();
  static_cast<void>(this->contexts());
  TlsContexts contexts(config, log, Instant{}, [] { return now_s; });
  REQUIRE(contexts.load().empty());
  CHECK(contexts.can_serve());
  const auto before = contexts.snapshot()->upstream("default").context;
  now_s += 40 * 86400;
  contexts.reload();
  CHECK(log.has("tls_part_left_out", "CN=Kferry Test CA expired at"));
  CHECK(log.has("tls_renewal_failed", "no certificate in it vouches for anything now"));
  // Its stored sessions are gone, too.
  CHECK(contexts.snapshot()->upstream("default").context != before);
  CHECK_FALSE(contexts.can_serve());
}

TEST_CASE_FIXTURE(Fixture, "a listener with an unusable certificate does not stop the others") {
  variables["GATEWAY_LISTENER_NAMES"] = "external,other";
  variables["GATEWAY_LISTENER_OTHER_PORTS"] = "7969-7971";
  variables["GATEWAY_LISTENER_OTHER_ADVERTISED_HOST"] = "one.example";
  variables["GATEWAY_LISTENER_OTHER_SECURITY_PROTOCOL"] = "PLAINTEXT";
  pem("old", "server.p12");
  TlsContexts contexts = this->contexts();
  const auto found = contexts.load();
  REQUIRE(found.size() == 1);
  CHECK(found.front().what.find("CN=old.example expired at") != std::string::npos);
  CHECK(contexts.can_serve());
  variables["GATEWAY_LISTENER_NAMES"] = "external";
  for (const char* name : {"GATEWAY_LISTENER_OTHER_PORTS", "GATEWAY_LISTENER_OTHER_ADVERTISED_HOST",
                           "GATEWAY_LISTENER_OTHER_SECURITY_PROTOCOL"})
    variables.erase(name);
  TlsContexts alone = this->contexts();
  CHECK(alone.load().size() == 1);
  CHECK_FALSE(alone.can_serve());
}

TEST_CASE_FIXTURE(Fixture, "an unusable part of a bundle is named, and the rest serves") {
  folder.write("ca.crt", made().text("ca.crt") + made().text("old.crt"));
  TlsContexts contexts = this->contexts();
  const auto found = contexts.load();
  CHECK(std::ranges::all_of(found, &config::Problem::warning));
  CHECK(text(found).find("CN=old.example expired at") != std::string::npos);
  CHECK(text(found).find("ca.crt") != std::string::npos);
  CHECK(contexts.can_serve());
}

TEST_CASE_FIXTURE(Fixture, "one broken part does not keep another from being renewed") {
  TlsContexts contexts = this->contexts();
  REQUIRE(contexts.load().empty());
  const auto before = contexts.snapshot();
  folder.write("ca.crt", "garbage");
  pem("two", "server.p12");
  contexts.reload();
  CHECK(contexts.snapshot()->listener("default", "external").context !=
        before->listener("default", "external").context);
  CHECK(contexts.snapshot()->upstream("default").context == before->upstream("default").context);
}

TEST_CASE_FIXTURE(Fixture,
                  "a certificate and its key may be in two files, and PEM in the configuration itself") {
  copy("two.crt", "server.p12");
  copy("two.key", "key");
  config::Sources sources;
  sources.toml = config::Toml{
      "k.toml",
      "[cluster.a.upstream]\nbootstrap_servers = \"k:1\"\nsecurity_protocol = \"SSL\"\nlend_identity = true\n"
      "ssl_truststore_certificates = '''\n" +
          made().text("ca.crt") + "'''\nssl_keystore_key = '''\n" + made().text("one.key") +
          "'''\nssl_keystore_certificate_chain = '''\n" + made().text("one.crt") +
          "'''\n[cluster.a.listener.x]\nports = 1\nadvertised_host = \"h\"\nsecurity_protocol = \"SSL\"\n"
          "tls = { certificate = '" +
          (folder / "server.p12") + "', key = '" + (folder / "key") + "' }\n"};
  config::Loaded loaded = config::load(sources);
  REQUIRE(text(loaded.problems) == "");
  TlsContexts contexts(std::make_shared<const config::Config>(std::move(loaded.config)), log, Instant{});
  CHECK(text(contexts.load()) == "");
  CHECK(contexts.snapshot()->upstream("a").context->has_identity());
  CHECK(contexts.certificates().size() == 2);
  CHECK(contexts.files() == std::vector<std::string>{folder / "server.p12", folder / "key"});

  copy("one.key", "key");
  CHECK(reported(contexts.load(), "k.toml:" + std::to_string(std::ranges::count(sources.toml->text, '\n')),
                 (folder / "key") + ": the private key does not belong"));
}

TEST_CASE_FIXTURE(Fixture,
                  "clients resume across a change of the configuration that takes the ticket keys over") {
  TlsContexts first = contexts();
  CHECK(text(first.load()) == "");
  const auto client = first.snapshot()->upstream("default").context;
  REQUIRE(client);
  const auto resumes_at = [&](TlsContexts& at) {
    tls::Pair pair;
    pair.server = tls::Engine::server(tls::always(at.snapshot()->listener("default", "external").context));
    pair.client = tls::Engine::client(client, "one.example", 9092);
    pair.run();
    pair.say(*pair.server, "the ticket comes before this");
    CHECK(pair.at_client == "the ticket comes before this");
    return pair.client->negotiated().resumed;
  };
  CHECK_FALSE(resumes_at(first));
  CHECK(resumes_at(first));
  TlsContexts next(config, log, Instant{}, TlsContexts::system_time, &first);
  CHECK(text(next.load()) == "");
  CHECK(resumes_at(next));
  TlsContexts stranger(config, log, Instant{});
  CHECK(text(stranger.load()) == "");
  CHECK_FALSE(resumes_at(stranger));
}
