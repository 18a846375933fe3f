#include "config/validate_tls.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("every variable of TLS arrives in the structs") {
  const Loaded loaded =
      with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD", "store-pw"},
                {"GATEWAY_SSL_KEY_PASSWORD_FILE", "/tls/key-pw"},
                {"GATEWAY_SSL_KEY_TYPE", "pkcs12"},
                {"GATEWAY_SSL_TRUST_STORE_PATH", "/tls/clients.jks"},
                {"GATEWAY_SSL_TRUST_STORE_PASSWORD", "trust-pw"},
                {"GATEWAY_SSL_TRUST_STORE_TYPE", "JKS"},
                {"GATEWAY_SSL_CRL_PATH", "/tls/crl.pem"},
                {"GATEWAY_SSL_REQUIRED_SUBJECTS", "CN=app-*,O=Example; CN=ops,*"},
                {"GATEWAY_SSL_CLIENT_AUTH", "REQUIRE"},
                {"GATEWAY_SSL_ENABLED_PROTOCOLS", "TLSv1.3"},
                {"GATEWAY_SSL_CIPHER_SUITES", "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"},
                {"GATEWAY_SSL_CURVES", "X25519:P-256"},
                {"GATEWAY_SSL_UPDATE_CONTEXT_INTERVAL_MINUTES", "7"},
                {"KAFKA_SSL_TRUSTSTORE_LOCATION", "/tls/brokers.p12"},
                {"KAFKA_SSL_TRUSTSTORE_PASSWORD", "brokers-pw"},
                {"KAFKA_SSL_KEYSTORE_LOCATION", "/tls/me.p12"},
                {"KAFKA_SSL_KEYSTORE_PASSWORD", "me-pw"},
                {"KAFKA_SSL_KEY_PASSWORD", "my-key-pw"},
                {"KAFKA_SSL_CRL_LOCATION", "/tls/brokers.crl"},
                {"KAFKA_SSL_ENABLED_PROTOCOLS", "TLSv1.2"},
                {"KAFKA_SSL_CIPHER_SUITES", "ECDHE-RSA-AES128-GCM-SHA256"},
                {"KAFKA_SSL_CURVES", "P-384"}},
               {{"/tls/key-pw", "key-pw\n"}});
  CHECK(all_text(loaded) == "");
  const ListenerTls& listener = listener_tls(loaded);
  CHECK(listener.identity.certificates.path == "/tls/server.p12");
  CHECK(listener.identity.certificates.where == "GATEWAY_SSL_KEY_STORE_PATH");
  CHECK(listener.identity.certificates.password == "store-pw");
  CHECK(listener.identity.certificates.password_name == "GATEWAY_SSL_KEY_STORE_PASSWORD");
  CHECK_FALSE(listener.identity.key);
  CHECK(listener.identity.key_password == "key-pw");
  CHECK(listener.client_auth == ClientAuth::require);
  CHECK(listener.client_authorities->path == "/tls/clients.jks");
  CHECK(listener.client_authorities->password == "trust-pw");
  CHECK(listener.revocations->path == "/tls/crl.pem");
  CHECK(listener.required_subjects == std::vector<std::string>{"CN=app-*,O=Example", "CN=ops,*"});
  CHECK(listener.offer.lowest == TlsVersion::tls_1_3);
  CHECK(listener.offer.ciphers.text == "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384");
  CHECK(listener.offer.curves.text == "X25519:P-256");
  CHECK(loaded.config.tls.update_interval_minutes == 7);
  const UpstreamTls& upstream = upstream_tls(loaded);
  CHECK(upstream.authorities->path == "/tls/brokers.p12");
  CHECK(upstream.authorities->password_name == "KAFKA_SSL_TRUSTSTORE_PASSWORD");
  CHECK(upstream.identity->certificates.path == "/tls/me.p12");
  CHECK(upstream.identity->key_password == "my-key-pw");
  CHECK(upstream.revocations->path == "/tls/brokers.crl");
  CHECK(upstream.offer.highest == TlsVersion::tls_1_2);
  CHECK(upstream.offer.ciphers.where == "KAFKA_SSL_CIPHER_SUITES");
  CHECK(upstream.verify_host_name);
}

TEST_CASE("a listener's own tls table, and what only the file can say") {
  const Loaded loaded = load_text(toml_upstream + "ssl_truststore_location = \"/b.pem\"\n" + toml_listener +
                                  R"(ssl_client_auth = "optional"
tls = { certificate = "/t.crt", key = "/t.key", key_password = "k", password = "s", client_cas = "/ca.pem",
        crl = "/crl.pem", required_subjects = ["CN=a,O=E", "CN=b"],
        enabled_protocols = ["TLSv1.2", "TLSv1.3"],
        cipher_suites = ["TLS_AES_128_GCM_SHA256"], curves = "X25519" }
[tls]
kernel_receive = "off"
update_interval_minutes = 1
[limits]
tls_handshake_timeout_ms = 2000
)");
  // toml++ takes no line ends within an inline table: the same in long form.
  CHECK_FALSE(loaded.ok());
  const Loaded long_form =
      load_text(toml_upstream + "ssl_truststore_location = \"/b.pem\"\n" + toml_listener +
                R"(ssl_client_auth = "optional"
[cluster.a.listener.x.tls]
certificate = "/t.crt"
key = "/t.key"
key_password = "k"
password = "s"
client_cas = "/ca.pem"
crl = "/crl.pem"
required_subjects = ["CN=a,O=E", "CN=b"]
enabled_protocols = ["TLSv1.2", "TLSv1.3"]
cipher_suites = ["TLS_AES_128_GCM_SHA256"]
curves = "X25519"
[tls]
kernel_receive = "off"
update_interval_minutes = 1
[limits]
tls_handshake_timeout_ms = 2000
)");
  CHECK(all_text(long_form) == "");
  const ListenerTls& tls = listener_tls(long_form);
  CHECK(tls.identity.certificates.path == "/t.crt");
  CHECK(tls.identity.certificates.where == "k.toml:13");
  CHECK(tls.identity.key->path == "/t.key");
  CHECK(tls.identity.key_password == "k");
  CHECK(tls.identity.key_password_name == "key_password in [cluster.a.listener.x.tls]");
  CHECK(tls.client_auth == ClientAuth::optional);
  CHECK(tls.required_subjects == std::vector<std::string>{"CN=a,O=E", "CN=b"});
  CHECK(tls.offer.lowest == TlsVersion::tls_1_2);
  CHECK(tls.offer.highest == TlsVersion::tls_1_3);
  CHECK_FALSE(long_form.config.tls.kernel_receive);
  CHECK(long_form.config.tls.kernel_send);
  CHECK(long_form.config.tls.update_interval_minutes == 1);
  CHECK(long_form.config.limits.tls_handshake_timeout_ms == 2000);
  CHECK(upstream_tls(long_form).authorities->password_name ==
        "ssl_truststore_password in [cluster.a.upstream]");
}

TEST_CASE("a listener's own tls table overrides GATEWAY_SSL, which applies to the default cluster alone") {
  std::string text =
      toml_upstream + toml_listener + "tls = { certificate = \"/own.crt\", key = \"/own.key\" }\n";
  std::string other = text;
  for (std::size_t at = 0; (at = text.find("cluster.a", at)) != std::string::npos; at += 9)
    text.replace(at, 9, "cluster.default");
  const Environment shared{{"GATEWAY_SSL_KEY_STORE_PATH", "/shared.p12"}, {"GATEWAY_SSL_CURVES", "P-256"}};
  CHECK(listener_tls(load_text(text, shared)).identity.certificates.path == "/own.crt");
  CHECK(listener_tls(load_text(text, shared)).offer.curves.text == "P-256");
  CHECK(listener_tls(load_text(other, shared)).offer.curves.text.empty());
}

TEST_CASE("what a TLS listener lacks is named in the form its operator uses") {
  CHECK(holds(load_text(toml_upstream + toml_listener).problems, "k.toml:6", "has no tls.certificate"));
  CHECK(holds(load_text(toml_upstream + toml_listener + "tls = { key = \"/k\" }\n").problems, "k.toml:10",
              "has a key, but no certificate"));
  CHECK(holds(with_tls({{"GATEWAY_SSL_CLIENT_AUTH", "OPTIONAL"}}).problems, "GATEWAY_SSL_TRUST_STORE_PATH",
              "asks for client certificates"));
  CHECK(holds(load_text(toml_upstream + toml_listener +
                        "ssl_client_auth = \"REQUIRE\"\ntls = { certificate = \"/t\" }\n")
                  .problems,
              "k.toml:6", "client_cas in [cluster.a.listener.x.tls] is missing"));
}

TEST_CASE("a fault in a setting that listeners share is reported once") {
  Environment environment = tls_variables();
  environment["GATEWAY_LISTENER_NAMES"] = "external,second";
  for (const char* suffix : {"PORTS", "ADVERTISED_HOST", "SECURITY_PROTOCOL"}) {
    environment[std::string("GATEWAY_LISTENER_SECOND_") + suffix] =
        environment[std::string("GATEWAY_LISTENER_EXTERNAL_") + suffix];
  }
  environment["GATEWAY_LISTENER_SECOND_PORTS"] = "7000";
  environment["GATEWAY_SSL_CLIENT_AUTH"] = "maybe";
  environment["GATEWAY_SSL_ENABLED_PROTOCOLS"] = "SSLv3";
  CHECK(load_variables(environment).problems.size() == 2);
}

TEST_CASE("a rule that would not be enforced is an error") {
  CHECK(holds(with_tls({{"GATEWAY_SSL_REQUIRED_SUBJECTS", "CN=a"}}).problems, "GATEWAY_SSL_REQUIRED_SUBJECTS",
              "asks for none"));
  CHECK(holds(with_tls({{"GATEWAY_SSL_REQUIRED_SUBJECTS", "alice"}}).problems,
              "GATEWAY_SSL_REQUIRED_SUBJECTS", "is not a subject"));
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "REQUIRE").problems,
              "GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "has no TLS"));
  CHECK(holds(with_tls({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "REQUIRED"}}).problems,
              "GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "did you mean REQUIRE?"));
}

TEST_CASE("versions of TLS by Java's names") {
  CHECK(holds(with_tls({{"GATEWAY_SSL_ENABLED_PROTOCOLS", "TLSv1.1,TLSv1.2"}}).problems,
              "GATEWAY_SSL_ENABLED_PROTOCOLS", "older than TLS 1.2"));
  CHECK(holds(with_tls({{"KAFKA_SSL_ENABLED_PROTOCOLS", "TLS13"}}).problems, "KAFKA_SSL_ENABLED_PROTOCOLS",
              "not a version of TLS"));
  CHECK(upstream_tls(with_tls({{"KAFKA_SSL_PROTOCOL", "TLSv1.2"}})).offer.highest == TlsVersion::tls_1_2);
  CHECK(upstream_tls(with_tls({{"KAFKA_SSL_PROTOCOL", "TLS"}})).offer.highest == TlsVersion::tls_1_3);
  CHECK(holds(with_tls({{"KAFKA_SSL_PROTOCOL", "SSLv3"}}).problems, "KAFKA_SSL_PROTOCOL", "use TLSv1.3"));
}

TEST_CASE("PEM inline, and nothing given twice") {
  const Loaded loaded =
      with_tls({{"KAFKA_SSL_TRUSTSTORE_CERTIFICATES", "-----BEGIN A-----\\nb\\n-----END A-----"},
                {"KAFKA_SSL_KEYSTORE_KEY", "key"},
                {"KAFKA_SSL_KEYSTORE_CERTIFICATE_CHAIN", "chain"},
                {"KAFKA_LEND_IDENTITY", "true"}});
  CHECK(all_text(loaded) == "");
  CHECK(upstream_tls(loaded).authorities->text == "-----BEGIN A-----\nb\n-----END A-----");
  CHECK(upstream_tls(loaded).identity->key->text == "key");
  CHECK(holds(with_tls({{"KAFKA_SSL_KEYSTORE_KEY", "key"}, {"KAFKA_LEND_IDENTITY", "true"}}).problems,
              "KAFKA_SSL_KEYSTORE_KEY", "KAFKA_SSL_KEYSTORE_CERTIFICATE_CHAIN is missing"));
  CHECK(holds(with_tls({{"KAFKA_SSL_TRUSTSTORE_CERTIFICATES", "a"}, {"KAFKA_SSL_TRUSTSTORE_LOCATION", "/a"}})
                  .problems,
              "KAFKA_SSL_TRUSTSTORE_CERTIFICATES", "given twice"));
  CHECK(holds(with_tls({{"KAFKA_SSL_KEYSTORE_KEY", "key"}, {"KAFKA_SSL_KEYSTORE_LOCATION", "/a"}}).problems,
              "KAFKA_SSL_KEYSTORE_KEY", "given twice"));
}

TEST_CASE("host name verification is on unless switched off, with a warning") {
  const Loaded off = with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", ""}});
  CHECK(holds(off.warnings, "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "switched off"));
  CHECK_FALSE(upstream_tls(off).verify_host_name);
  CHECK(upstream_tls(with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "HTTPS"}})).verify_host_name);
  CHECK(holds(with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "http"}}).problems,
              "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "use https"));
}

TEST_CASE("settings for TLS without TLS get one warning") {
  Environment environment = plain();
  environment["KAFKA_SSL_TRUSTSTORE_LOCATION"] = "/t";
  environment["KAFKA_SSL_PROTOCOL"] = "TLS";
  const Loaded loaded = load_variables(environment);
  CHECK(loaded.ok());
  CHECK(loaded.warnings.size() == 1);
  CHECK(holds(loaded.warnings, "KAFKA_SSL_PROTOCOL",
              "KAFKA_SSL_PROTOCOL, KAFKA_SSL_TRUSTSTORE_LOCATION are ignored"));
}

TEST_CASE("the key of a store with several: by the host name or by an alias") {
  const auto listener = [](const Environment& changes) -> Identity {
    return listener_tls(with_tls(changes)).identity;
  };
  const Identity unset = listener({});
  CHECK(unset.key_alias.empty());
  CHECK(unset.key_alias_name == "GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS");
  CHECK(unset.hosts == std::vector<std::string>{"gateway.example.com"});
  const Identity shared = listener({{"GATEWAY_SSL_KEY_ALIAS", " all "}});
  CHECK(shared.key_alias == "all");
  CHECK(shared.key_alias_name == "GATEWAY_SSL_KEY_ALIAS");
  const Identity own =
      listener({{"GATEWAY_SSL_KEY_ALIAS", "all"}, {"GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS", "mine"}});
  CHECK(own.key_alias == "mine");
  CHECK(own.key_alias_name == "GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS");
  CHECK(listener_tls(with_sni({})).identity.hosts ==
        std::vector<std::string>{"broker.k.example", "broker-{{nodeId}}.k.example"});

  const Loaded upstream = with_tls({{"KAFKA_SSL_KEYSTORE_LOCATION", "/me"},
                                    {"KAFKA_SSL_KEY_ALIAS", "me"},
                                    {"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "REQUIRE"},
                                    {"GATEWAY_SSL_TRUST_STORE_PATH", "/ca"}});
  CHECK(all_text(upstream) == "");
  CHECK(upstream_tls(upstream).identity->key_alias == "me");
  CHECK(upstream_tls(upstream).identity->hosts.empty());

  // A store of its own is not what the shared alias is about.
  Environment environment = tls_variables();
  environment["GATEWAY_SSL_KEY_ALIAS"] = "all";
  const Loaded table = load_text(
      "[cluster.default.listener.external]\ntls = { certificate = \"/own\" }\n"
      "[cluster.a.upstream]\nbootstrap_servers = \"k:1\"\n[cluster.a.listener.x]\nports = "
      "7000\nadvertised_host = "
      "\"h\"\nsecurity_protocol = \"SSL\"\ntls = { certificate = \"/x\", key_alias = \"b\" }\n",
      environment);
  CHECK(all_text(table) == "");
  CHECK(listener_tls_of(table, "default").identity.key_alias.empty());
  CHECK(listener_tls_of(table, "a").identity.key_alias == "b");
  CHECK(holds(with_tls({{"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "PLAINTEXT"},
                        {"GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS", "x"}})
                  .warnings,
              "GATEWAY_LISTENER_EXTERNAL_SSL_KEY_ALIAS", "has a key alias, but no TLS"));
}
