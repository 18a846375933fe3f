#include "config/validate_tls.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

namespace {

Environment tls_variables() {
  Environment environment = plain();
  environment["GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL"] = "SSL";
  environment["KAFKA_SECURITY_PROTOCOL"] = "SSL";
  environment["GATEWAY_SSL_KEY_STORE_PATH"] = "/tls/server.p12";
  return environment;
}

Loaded with_tls(const Environment& changes, const std::map<std::string, std::string>& files = {}) {
  Environment environment = tls_variables();
  for (const auto& [name, value] : changes) environment[name] = value;
  return load_variables(environment, files);
}

Environment sni_variables() {
  Environment environment = tls_variables();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST");
  environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "9092";
  environment["GATEWAY_LISTENER_EXTERNAL_ROUTING"] = "SNI";
  environment["GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN"] = "Broker-{{nodeId}}.k.example";
  return environment;
}

Loaded with_sni(const Environment& changes) {
  Environment environment = sni_variables();
  for (const auto& [name, value] : changes) environment[name] = value;
  return load_variables(environment);
}

const ListenerTls& listener_tls(const Loaded& loaded) {
  REQUIRE(loaded.config.clusters.size() == 1);
  REQUIRE(loaded.config.clusters[0].listeners.at(0).tls);
  return *loaded.config.clusters[0].listeners[0].tls;
}
const ListenerTls& listener_tls_of(const Loaded& loaded, std::string_view cluster) {
  for (const Cluster& one : loaded.config.clusters) {
    if (one.name == cluster) return *one.listeners.at(0).tls;
  }
  FAIL("no such cluster");
  return listener_tls(loaded);
}
const UpstreamTls& upstream_tls(const Loaded& loaded) {
  REQUIRE(loaded.config.clusters.size() == 1);
  REQUIRE(loaded.config.clusters[0].upstream.tls);
  return *loaded.config.clusters[0].upstream.tls;
}

const std::string toml_upstream = R"(
[cluster.a.upstream]
bootstrap_servers = "k1:9092"
security_protocol = "SSL"
)";
const std::string toml_listener = R"(
[cluster.a.listener.x]
ports = "7000"
advertised_host = "gw.example.com"
security_protocol = "SSL"
)";

}  // namespace

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

TEST_CASE("a listener's own table, and what the file alone says") {
  const Loaded loaded = load_text(toml_upstream + "ssl_truststore_location = \"/b.pem\"\n" + toml_listener +
                                  R"(ssl_client_auth = "optional"
tls = { certificate = "/t.crt", key = "/t.key", key_password = "k", password = "s", client_cas = "/ca.pem",
        crl = "/crl.pem", required_subjects = ["CN=a,O=E", "CN=b"], enabled_protocols = ["TLSv1.2", "TLSv1.3"],
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

TEST_CASE("a listener's own table goes before GATEWAY_SSL, which is for the default cluster alone") {
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

TEST_CASE("what a TLS listener lacks is named as its operator would write it") {
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

TEST_CASE("a fault in what listeners share is told once") {
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

TEST_CASE("a rule that would not hold is an error") {
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

TEST_CASE("PEM in place, and nothing given twice") {
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

TEST_CASE("host name verification is on unless it is switched off, aloud") {
  const Loaded off = with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", ""}});
  CHECK(holds(off.warnings, "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "switched off"));
  CHECK_FALSE(upstream_tls(off).verify_host_name);
  CHECK(upstream_tls(with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "HTTPS"}})).verify_host_name);
  CHECK(holds(with_tls({{"KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "http"}}).problems,
              "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "use https"));
}

TEST_CASE("what is set for TLS where there is none is a warning, once") {
  Environment environment = plain();
  environment["KAFKA_SSL_TRUSTSTORE_LOCATION"] = "/t";
  environment["KAFKA_SSL_PROTOCOL"] = "TLS";
  const Loaded loaded = load_variables(environment);
  CHECK(loaded.ok());
  CHECK(loaded.warnings.size() == 1);
  CHECK(holds(loaded.warnings, "KAFKA_SSL_PROTOCOL",
              "KAFKA_SSL_PROTOCOL, KAFKA_SSL_TRUSTSTORE_LOCATION are ignored"));
}

TEST_CASE("a client certificate is not lent unless asked, and a listener without TLS requires none") {
  const Environment store{{"KAFKA_SSL_KEYSTORE_LOCATION", "/k.p12"}, {"GATEWAY_SSL_TRUST_STORE_PATH", "/ca"}};
  const auto lent = [&](Environment changes) {
    changes.insert(store.begin(), store.end());
    return holds(with_tls(changes).problems, "KAFKA_SSL_KEYSTORE_LOCATION", "kferry's principal");
  };
  CHECK(lent({}));
  CHECK(lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "OPTIONAL"}}));
  CHECK(
      lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "NONE"}, {"GATEWAY_SSL_CLIENT_AUTH", "REQUIRE"}}));
  CHECK(lent({{"GATEWAY_SSL_CLIENT_AUTH", "REQUIRE"},
              {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "PLAINTEXT"}}));
  CHECK_FALSE(lent({{"GATEWAY_LISTENER_EXTERNAL_SSL_CLIENT_AUTH", "REQUIRE"}}));
  CHECK_FALSE(lent({{"GATEWAY_SSL_CLIENT_AUTH", "require"}}));
  CHECK_FALSE(lent({{"KAFKA_LEND_IDENTITY", "true"}}));
}

TEST_CASE("routing by SNI takes one port and a pattern, needs TLS, and derives the bootstrap name") {
  const Loaded loaded = load_variables(sni_variables());
  CHECK(all_text(loaded) == "");
  const Listener& listener = loaded.config.clusters.at(0).listeners.at(0);
  REQUIRE(listener.sni);
  CHECK(listener.sni->host_of(NodeId{3}) == "broker-3.k.example");
  CHECK(listener.sni->bootstrap == "broker.k.example");
  CHECK(listener.advertised_host == "broker.k.example");

  const Loaded named = with_sni({{"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "gw.example"}});
  CHECK(holds(named.warnings, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST",
              "clients begin with broker.k.example"));

  Environment environment = plain();
  environment["GATEWAY_LISTENER_EXTERNAL_ROUTING"] = "SNI";
  const Loaded wrong = load_variables(environment);
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_PORTS", "exactly one port"));
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_ROUTING", "set its security protocol to SSL"));
  CHECK(holds(wrong.problems, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN", "is missing"));
}

TEST_CASE("patterns that cannot serve say why") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  CHECK(holds(with_sni({{pattern, "k.example"}}).problems, pattern, "does not contain {{nodeId}}"));
  CHECK(holds(with_sni({{pattern, "{{nodeId}}-"}}).problems, pattern, "leaves no name for clients"));
  CHECK(holds(with_sni({{pattern, "{{nodeId}}-1.2"}}).problems, pattern, "leaves '1.2' for clients"));
  CHECK(holds(with_sni({{bootstrap, "b-{{nodeId}}.x"}}).problems, bootstrap, "contains {{nodeId}}"));
  CHECK(holds(with_sni({{bootstrap, "b-{{ nodeId }}.x"}}).problems, bootstrap, "contains {{ nodeId }}"));
  CHECK(holds(with_sni({{bootstrap, "broker-7.k.example"}}).problems, bootstrap, "name of a broker too"));
  CHECK(with_sni({{bootstrap, "Kafka.Example"}}).config.clusters.at(0).listeners.at(0).sni->bootstrap ==
        "kafka.example");
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN", "b{{nodeId}}").warnings, pattern,
              "means nothing to routing by port"));
}

TEST_CASE("names that no client sends are errors with the remedy") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  for (const char* text : {"10.0.0.{{nodeId}}", "1{{nodeId}}.0.0.1", "{{nodeId}}", "{{nodeId}}.10",
                           "fd00::{{nodeId}}", "[fd00::{{nodeId}}]", "::ffff:10.0.0.{{nodeId}}"}) {
    CAPTURE(text);
    const Loaded loaded = with_sni({{pattern, text}, {bootstrap, "broker.k.example"}});
    CHECK(holds(loaded.problems, pattern, "no client sends an address as a server name"));
    CHECK(holds(loaded.problems, pattern, "write host names such as broker-{{nodeId}}.kafka.example.com"));
    CHECK(holds(load_text(toml_upstream +
                          "[cluster.a.listener.x]\nports = \"9092\"\nrouting = \"sni\"\n"
                          "security_protocol = \"SSL\"\ntls = { certificate = \"/c\", key = \"/k\" }\n"
                          "advertised_host_pattern = \"" +
                          std::string(text) + "\"\n")
                    .problems,
                "k.toml:10", "no client sends an address as a server name"));
  }
  for (const char* text : {"192.0.2.1", "fd00::1", "[fd00::1]", "10.5", "7"}) {
    CAPTURE(text);
    CHECK(holds(with_sni({{bootstrap, text}}).problems, bootstrap, "no client sends it as a server name"));
  }
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"b-{{nodeId}}.k.example.", "remove the final dot"},
           {"b-{{nodeId}}..k.example", "nothing between two dots"},
           {"b-{{nodeId}}." + std::string(64, 'a') + ".example", "more than 63 characters"},
           {"b-{{nodeId}}.k.example:9092", "without protocol and port"},
           {"kafka://b-{{nodeId}}.k.example", "without protocol and port"},
           {"b\xC3\xB6-{{nodeId}}.k.example", "xn--"},
           {"b-{{nodeId}}" + std::string(4, '.') + "x", "nothing between two dots"}}) {
    CAPTURE(text);
    CHECK(holds(with_sni({{pattern, text}}).problems, pattern, part));
  }
  CHECK(holds(with_sni({{bootstrap, "k.example."}}).problems, bootstrap, "remove the final dot"));
  CHECK(holds(with_sni({{bootstrap, std::string(64, 'a') + ".x"}}).problems, bootstrap, "more than 63"));
  CHECK(holds(with_sni({{bootstrap, "b\xC3\xB6.k.example"}}).problems, bootstrap, "xn--"));
}

TEST_CASE("names that Java's clients do not send are warnings that name Java") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  const std::string bootstrap = "GATEWAY_LISTENER_EXTERNAL_BOOTSTRAP_HOST_PATTERN";
  const auto warned = [](const Loaded& loaded, const std::string& where, const std::string& part) {
    CHECK(loaded.ok());
    CHECK(loaded.warnings.size() == 1);
    CHECK(holds(loaded.warnings, where, "Java clients send no server name (SNI) for "));
    CHECK(holds(loaded.warnings, where,
                "kferry refuses their connections, because the server name is missing"));
    CHECK(holds(loaded.warnings, where, part));
  };
  warned(with_sni({{pattern, "broker-{{nodeId}}"}}), pattern, "broker-0 (it has only one label");
  warned(with_sni({{pattern, "broker_{{nodeId}}.k.example"}}), pattern, "it contains an underscore");
  warned(with_sni({{pattern, "b{{nodeId}}.kafka_1.example"}}), pattern, "it contains an underscore");
  warned(with_sni({{pattern, "broker-{{nodeId}}-.k.example"}}), pattern, "ends with a hyphen");
  warned(with_sni({{pattern, "b{{nodeId}}.-k.example"}}), pattern, "begins with a hyphen");
  // The bootstrap name has a line of its own where the pattern is not to blame.
  warned(with_sni({{pattern, "{{nodeId}}.example"}}), pattern, "SNI) for example (it has only one label");
  warned(with_sni({{bootstrap, "gateway"}}), bootstrap, "SNI) for gateway (it has only one label");
  warned(with_sni({{bootstrap, "_k.example"}}), bootstrap, "it contains an underscore");
  for (const char* text :
       {"broker-{{nodeId}}.k.example", "{{nodeId}}.k.example", "Broker--{{nodeId}}.K.example", "k.{{nodeId}}",
        "xn--brker-jua-{{nodeId}}.k.example", "256.x.{{nodeId}}"}) {
    CAPTURE(text);
    CHECK(all_text(with_sni({{pattern, text}, {bootstrap, "boot.k.example"}})) == "");
  }
}

TEST_CASE("a {{nodeId}} that is written otherwise is recognised") {
  const std::string pattern = "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN";
  for (const char* form :
       {"{{ nodeId }}",  "{{nodeid}}", "{nodeId}",      "${nodeId}",   "{{node_id}}",   "{{NodeID}}",
        "{{nodeId}",     "{nodeId}}",  "$(nodeId)",     "{{.nodeId}}", "{{ .NodeID }}", "{{brokerId}}",
        "{{broker.id}}", "{{id}}",     "<nodeId>",      "$nodeId",     "%nodeId%",      "{{ node-id }}",
        "nodeId",        "${{nodeId}", "{{{node_id}}}", "[broker_id]"}) {
    CAPTURE(form);
    const Loaded loaded = with_sni({{pattern, "broker-" + std::string(form) + ".k.example"}});
    CHECK(holds(loaded.problems, pattern, "'" + std::string(form) + "' is not replaced by the broker's id"));
    CHECK(holds(loaded.problems, pattern, "did you mean {{nodeId}}? Write broker-{{nodeId}}.k.example"));
    CHECK(loaded.problems.size() == 1);
  }
  // A Kafka user's hosts are not placeholders.
  for (const char* plain :
       {"broker-id.k.example", "node-0.k.example", "idle.k.example", "$nodes.k.example"}) {
    CAPTURE(plain);
    CHECK(holds(with_sni({{pattern, plain}}).problems, pattern, "does not contain {{nodeId}}"));
  }
  const auto in_file = [](const std::string& text) {
    return load_text(toml_upstream +
                     "[cluster.a.listener.x]\nports = \"9092\"\nrouting = \"sni\"\n"
                     "security_protocol = \"SSL\"\ntls = { certificate = \"/c\", key = \"/k\" }\n"
                     "advertised_host_pattern = \"" +
                     text + "\"\n")
        .problems;
  };
  for (const char* form : {"{{ nodeId }}", "{{nodeid}}", "{nodeId}", "${nodeId}", "${node_id}", "${ nodeId }",
                           "${{nodeId}}", "$${nodeId}", "{{node_id}}"}) {
    CAPTURE(form);
    CHECK(holds(in_file("b-" + std::string(form) + ".k.example"), "k.toml:10", "did you mean {{nodeId}}?"));
  }
  // In the place of one host for every broker.
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "b-{{nodeId}}.k.example").problems,
              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "set routing to sni"));
}

TEST_CASE("listeners that route by SNI share a socket where their names cannot meet") {
  const auto two = [](const std::string& a, const std::string& b, const std::string& bind,
                      const std::string& more = "") {
    const auto listener = [](const std::string& name, const std::string& pattern,
                             const std::string& address) {
      return "[cluster.a.listener." + name +
             "]\nports = \"9092\"\nrouting = \"sni\"\nsecurity_protocol = \"SSL\"\n"
             "advertised_host_pattern = \"" +
             pattern + "\"\nbind_address = \"" + address + "\"\n";
    };
    const std::string table = "tls = { certificate = \"/c\", key = \"/k\" }\n";
    return load_text(toml_upstream + listener("x", a, "0.0.0.0") + table + listener("y", b, bind) + more +
                     table);
  };
  CHECK(all_text(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "0.0.0.0")) == "");
  CHECK(holds(two("x-{{nodeId}}.k", "X-{{nodeId}}.K", "0.0.0.0").problems, "k.toml:13",
              "one name answers to both"));
  CHECK(
      holds(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "0.0.0.0", "bootstrap_host_pattern = \"x.k\"\n").problems,
            "k.toml:13", "one name answers to both"));
  CHECK(holds(two("x-{{nodeId}}.k", "y-{{nodeId}}.k", "127.0.0.1").problems, "k.toml:13",
              "the same bind address"));
}

TEST_CASE("secrets of TLS come from files too, and show nowhere") {
  const Loaded loaded = with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD_FILE", "/p"},
                                  {"KAFKA_SSL_KEYSTORE_KEY_FILE", "/p"},
                                  {"KAFKA_SSL_KEY_PASSWORD", "s3cr3t-Pw"},
                                  {"KAFKA_SSL_TRUSTSTORE_PASSWORD", "s3cr3t-Pw"}},
                                 {{"/p", "s3cr3t-Pw\n"}});
  CHECK_FALSE(loaded.ok());
  CHECK(all_text(loaded).find("s3cr3t") == std::string::npos);
  CHECK(listener_tls(loaded).identity.certificates.password == "s3cr3t-Pw");
}

TEST_CASE("a secret is used as it was written; a file of one loses exactly one line end") {
  const auto password = [](const Loaded& loaded) {
    return listener_tls(loaded).identity.certificates.password->text;
  };
  for (const auto& [written, meant] :
       std::initializer_list<std::pair<std::string, std::string>>{{" pw ", " pw "},
                                                                  {"pw\n", "pw"},
                                                                  {"pw\r\n", "pw"},
                                                                  {"pw\n\n", "pw\n"},
                                                                  {"pw\r", "pw\r"},
                                                                  {"pw \t\n", "pw \t"},
                                                                  {"\n", ""}}) {
    CAPTURE(written);
    CHECK(password(with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD_FILE", " /p "}}, {{"/p", written}})) == meant);
  }
  const Loaded direct = with_tls({{"GATEWAY_SSL_KEY_STORE_PASSWORD", " pw\n"},
                                  {"GATEWAY_SSL_KEY_PASSWORD", "\tkey "},
                                  {"KAFKA_SSL_TRUSTSTORE_LOCATION", " /ca "},
                                  {"KAFKA_SSL_TRUSTSTORE_PASSWORD", " trust, or not "}});
  CHECK(password(direct) == " pw\n");
  CHECK(listener_tls(direct).identity.key_password == "\tkey ");
  CHECK(upstream_tls(direct).authorities->path == "/ca");
  CHECK(upstream_tls(direct).authorities->password == " trust, or not ");
  const auto from_file = [&](const std::string& line) {
    return password(with_tls({{"GATEWAY_ENV_FILE", "/e"}}, {{"/e", line}}));
  };
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD=pw \n") == "pw ");
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD= pw\r\n") == " pw");
  CHECK(from_file("  export GATEWAY_SSL_KEY_STORE_PASSWORD = pw") == "pw");
  CHECK(from_file("GATEWAY_SSL_KEY_STORE_PASSWORD=' pw ' ") == " pw ");
}

TEST_CASE("which key of a store of several: by the listener's hosts, or by an alias") {
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
