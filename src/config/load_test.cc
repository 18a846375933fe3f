#include "config/load.h"

#include <doctest/doctest.h>

#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("the quick start over SASL_PLAINTEXT loads without a problem or warning") {
  const Loaded loaded = load_variables(quick_start("SASL_PLAINTEXT"));
  CHECK(all_text(loaded) == "");
  REQUIRE(loaded.config.clusters.size() == 1);
  const Cluster& cluster = loaded.config.clusters[0];
  CHECK(cluster.name == "default");
  CHECK(cluster.upstream.bootstrap_servers.size() == 3);
  CHECK(cluster.upstream.bootstrap_servers[2] == HostPort{"kafka3", 9092});
  CHECK(cluster.upstream.security_protocol == SecurityProtocol::sasl_plaintext);
  REQUIRE(cluster.upstream.sasl);
  CHECK(cluster.upstream.sasl->username == "alice");
  CHECK(cluster.upstream.sasl->password == "s3cr3t-Pw");
  REQUIRE(cluster.listeners.size() == 1);
  CHECK(cluster.listeners[0].name == "external");
  CHECK(cluster.listeners[0].ports.size() == 3);
  CHECK(cluster.listeners[0].ports[2].local == 6971);
  CHECK(cluster.listeners[0].advertised_host == "gateway.example.com");
}

TEST_CASE("the quick start over SASL_SSL names exactly what it lacks") {
  const Loaded loaded = load_variables(quick_start("SASL_SSL"));
  CHECK(loaded.problems.size() == 1);
  CHECK(holds(loaded.problems, "GATEWAY_SSL_KEY_STORE_PATH", "GATEWAY_SSL_KEY_STORE_PATH is missing"));
  CHECK(loaded.warnings.empty());
}

TEST_CASE("no message shows a secret or the licence key, whatever is wrong") {
  std::vector<Environment> cases;
  for (const char* protocol : {"SASL_SSL", "SASL_PLAINTEXT", "PLAINTEXT", "wrong"}) {
    for (const char* text :
         {"s3cr3t-Pw", "a.PlainLoginModule required username=\"u\" password=s3cr3t-Pw\"x\";",
          "a.PlainLoginModule required username=\"u\" password=\"s3cr3t-Pw", "a.Plain s3cr3t-Pw",
          "a.ScramLoginModule required username=\"u\" password=\"s3cr3t-Pw\";",
          "a.PlainLoginModule required s3cr3t-Pw password=\"x\";", "${s3cr3t-Pw}"}) {
      Environment environment = quick_start(protocol);
      environment["KAFKA_SASL_JAAS_CONFIG"] = text;
      environment["KAFKA_SSL_KEYSTORE_PASSWORD"] = "s3cr3t-Pw";
      environment["GATEWAY_SSL_KEY_STORE_PASSWORD"] = "s3cr3t-Pw";
      environment["KAFKA_SASL_JAAS_CONFG"] = "s3cr3t-Pw";
      environment["GATEWAY_LICENSE_KEY_FILE"] = "/no/such/file";
      cases.push_back(environment);
    }
  }
  for (const Environment& environment : cases) {
    const std::string text = all_text(load_variables(environment));
    CHECK(text.find("s3cr3t") == std::string::npos);
    CHECK(text.find("0815") == std::string::npos);
  }
  for (const char* line : {"sasl_jaas_config = \"s3cr3t-Pw\\q\"", "sasl_jaas_config = s3cr3t-Pw",
                           "sasl_jaas_config = \"s3cr3t-Pw", "sasl_jaas_config = 's3cr3t-Pw' s3cr3t-Pw",
                           "sasl_jaas_config = \"${s3cr3t-Pw}\"", "sasl_jaas_config = [\"s3cr3t-Pw\"]",
                           "ssl_keystore_password = \"s3cr3t-Pw ${UNSET}\"",
                           "bootstrap_servers = \"alice:s3cr3t-Pw@kafka1:9092\""}) {
    const Loaded loaded = load_text(
        "[cluster.a.upstream]\nsecurity_protocol = \"SASL_PLAINTEXT\"\nsasl_mechanism = "
        "\"PLAIN\"\n" +
        std::string(line) + "\n");
    CHECK_FALSE(loaded.ok());
    CHECK_MESSAGE(all_text(loaded).find("s3cr3t") == std::string::npos, all_text(loaded));
  }
}

TEST_CASE("everything wrong is reported at once") {
  Environment environment = plain();
  environment["KAFKA_BOOTSTRAP_SERVERS"] = "kafka1";
  environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "1-2:5-9";
  environment["GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL"] = "PLAINTXT";
  environment["GATEWAY_LISTENER_EXTERNAL_PORTZ"] = "1";
  environment["GATEWAY_SECURITY_MODE"] = "GATEWAY_MANAGED";
  environment["GATEWAY_ACL_ENABLED"] = "true";
  environment["GATEWAY_HTTP_PORT"] = "0";
  const Loaded loaded = load_variables(environment);
  CHECK(loaded.problems.size() == 7);
  CHECK(holds(loaded.problems, "KAFKA_BOOTSTRAP_SERVERS", "write each server as host:port"));
  CHECK(holds(loaded.problems, "GATEWAY_LISTENER_EXTERNAL_PORTS", "give both ranges the same length"));
  CHECK(holds(loaded.problems, "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "did you mean PLAINTEXT?"));
  CHECK(holds(loaded.problems, "GATEWAY_LISTENER_EXTERNAL_PORTZ",
              "did you mean GATEWAY_LISTENER_EXTERNAL_PORTS?"));
  CHECK(holds(loaded.problems, "GATEWAY_SECURITY_MODE", "stores no credentials"));
  CHECK(holds(loaded.problems, "GATEWAY_ACL_ENABLED", "set GATEWAY_ACL_ENABLED=false"));
  CHECK(holds(loaded.problems, "GATEWAY_HTTP_PORT", "from 1 to 65535"));
}

TEST_CASE("nothing configured says what to set") {
  const Loaded loaded = load_variables({});
  REQUIRE(loaded.problems.size() == 1);
  CHECK(to_string(loaded.problems[0]).find("set KAFKA_BOOTSTRAP_SERVERS") != std::string::npos);
}

TEST_CASE("variables override the cluster named default key by key, beside the other clusters") {
  std::string text = toml_plain;
  const std::string both = text + R"(
[cluster.default.upstream]
bootstrap_servers = "file:9092"
[cluster.default.listener.edge]
ports = "7000-7002"
advertised_host = "file.example.com"
security_protocol = "PLAINTEXT"
)";
  const Loaded loaded =
      load_text(both, {{"GATEWAY_LISTENER_EDGE_PORTS", "7100-7102"}, {"GATEWAY_MIN_BROKERID", "3"}});
  CHECK(all_text(loaded) == "");
  REQUIRE(loaded.config.clusters.size() == 2);
  const Listener& edge = loaded.config.clusters[1].listeners.at(0);
  CHECK(edge.ports.at(0).local == 7100);
  CHECK(edge.advertised_host == "file.example.com");
  CHECK(edge.min_broker_id == 3);
  CHECK(loaded.config.clusters[0].listeners.at(0).min_broker_id == 0);
  CHECK(loaded.config.clusters[1].upstream.bootstrap_servers.at(0).host == "file");

  Environment environment = plain();
  environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "7200";
  CHECK(load_text(text, environment).config.clusters.size() == 2);
}
