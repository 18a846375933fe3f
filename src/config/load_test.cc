#include "config/load.h"

#include <doctest/doctest.h>

#include "config/foreign_variables.h"
#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

namespace {

const std::string toml_plain = R"(
[cluster.orders.upstream]
bootstrap_servers = ["kafka1:9092", "kafka2:9092"]

[cluster.orders.listener.external]
ports = "6969-6971"
advertised_host = "gateway.example.com"
security_protocol = "PLAINTEXT"
)";

}  // namespace

TEST_CASE("the quick start over SASL_PLAINTEXT loads without a word") {
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

TEST_CASE("the quick start verbatim names exactly what SASL_SSL lacks") {
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

TEST_CASE("a listener without its required variables names each of them") {
  const Loaded loaded =
      load_variables({{"KAFKA_BOOTSTRAP_SERVERS", "k:1"}, {"GATEWAY_LISTENER_NAMES", "Internal"}});
  CHECK(loaded.problems.size() == 3);
  for (const char* suffix : {"SECURITY_PROTOCOL", "PORTS", "ADVERTISED_HOST"}) {
    const std::string name = std::string("GATEWAY_LISTENER_INTERNAL_") + suffix;
    CHECK(holds(loaded.problems, name, name + " is missing"));
  }
}

TEST_CASE("listener names") {
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "my_one").problems, "GATEWAY_LISTENER_NAMES",
              "contains an underscore"));
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "external,1st").problems, "GATEWAY_LISTENER_NAMES", "'1st'"));
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "external,External").problems, "GATEWAY_LISTENER_NAMES",
              "named twice"));
  CHECK(holds(with("GATEWAY_LISTENER_OTHER_PORTS", "1").warnings, "GATEWAY_LISTENER_OTHER_PORTS",
              "add it to GATEWAY_LISTENER_NAMES"));
}

TEST_CASE("the advertised host may be left out with one concrete bind address") {
  Environment environment = plain();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST");
  CHECK_FALSE(load_variables(environment).ok());
  environment["GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS"] = "[2001:db8::1]";
  const Loaded loaded = load_variables(environment);
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).listeners.at(0).advertised_host == "2001:db8::1");
  environment["GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS"] = "eth0";
  CHECK(holds(load_variables(environment).problems, "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS",
              "is not a valid IP address"));
}

TEST_CASE("HOST is the old name of ADVERTISED_HOST") {
  Environment environment = plain();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST");
  environment["GATEWAY_LISTENER_EXTERNAL_HOST"] = "old.example.com";
  CHECK(load_variables(environment).config.clusters.at(0).listeners.at(0).advertised_host ==
        "old.example.com");
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "kafka://x:9").problems,
              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "without protocol and port"));
}

TEST_CASE("ids are packed and may not outnumber the ports") {
  const Loaded loaded = with("GATEWAY_LISTENER_EXTERNAL_IDS", "100-101,200");
  CHECK(loaded.ok());
  CHECK(loaded.config.clusters.at(0).listeners.at(0).ids == std::vector<std::int32_t>{100, 101, 200});
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_IDS", "1-4").problems, "GATEWAY_LISTENER_EXTERNAL_IDS",
              "4 ids for 3 ports"));
  CHECK(with("GATEWAY_MIN_BROKERID", "1").config.clusters.at(0).listeners.at(0).min_broker_id == 1);
  CHECK(holds(with("GATEWAY_MIN_BROKERID", "-1").problems, "GATEWAY_MIN_BROKERID", "whole number"));
}

TEST_CASE("old single-listener variables are answered with their replacement, filled in") {
  const Loaded loaded = load_variables({{"KAFKA_BOOTSTRAP_SERVERS", "k:9092"},
                                        {"GATEWAY_ADVERTISED_HOST", "gw.example.com"},
                                        {"GATEWAY_PORT_START", "7000"},
                                        {"GATEWAY_PORT_COUNT", "4"},
                                        {"GATEWAY_BIND_HOST", "10.0.0.1"},
                                        {"GATEWAY_SECURITY_PROTOCOL", "DELEGATED_SASL_PLAINTEXT"}});
  CHECK(all_text(loaded).find("remove them and set GATEWAY_LISTENER_NAMES=external "
                              "GATEWAY_LISTENER_EXTERNAL_PORTS=7000-7003 "
                              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST=gw.example.com "
                              "GATEWAY_LISTENER_EXTERNAL_BIND_ADDRESS=10.0.0.1 "
                              "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL=SASL_PLAINTEXT") !=
        std::string::npos);
}

TEST_CASE("what Kubernetes injects is ignored in silence") {
  Environment environment = plain();
  for (const auto& [name, value] : Environment{{"KAFKA_SERVICE_HOST", "10.0.0.1"},
                                               {"KAFKA_SERVICE_PORT", "9092"},
                                               {"KAFKA_SERVICE_PORT_TCP_CLIENT", "9092"},
                                               {"KAFKA_PORT", "tcp://10.0.0.1:9092"},
                                               {"KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"},
                                               {"KAFKA_PORT_9092_TCP_PROTO", "tcp"},
                                               {"KAFKA_PORT_9092_TCP_PORT", "9092"},
                                               {"KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"},
                                               {"GATEWAY_PORT", "tcp://10.0.0.2:6969"},
                                               {"GATEWAY_HTTP_PORT", "tcp://10.0.0.3:80"},
                                               {"GATEWAY_SERVICE_HOST", "10.0.0.2"}}) {
    environment[name] = value;
  }
  const Loaded loaded = load_variables(environment);
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.operations.port == 8888);
  CHECK_FALSE(injected_by_kubernetes("GATEWAY_PORT_START", "6969"));
  CHECK_FALSE(injected_by_kubernetes("GATEWAY_HTTP_PORT", "8888"));
}

TEST_CASE("the full gateway's variables and unknown ones are one warning line each") {
  const Loaded loaded = with("GATEWAY_USER_POOL_SECRET_KEY", "x");
  CHECK(loaded.ok());
  CHECK(loaded.warnings.size() == 1);
  CHECK(holds(loaded.warnings, "GATEWAY_USER_POOL_SECRET_KEY", "belongs to the full gateway"));
  CHECK(
      holds(with("GATEWAY_HTPP_PORT", "1").warnings, "GATEWAY_HTPP_PORT", "did you mean GATEWAY_HTTP_PORT?"));
  CHECK(holds(with("KAFKA_SASL_MECHANISMS", "PLAIN").warnings, "KAFKA_SASL_MECHANISMS",
              "did you mean KAFKA_SASL_MECHANISM?"));
}

TEST_CASE("SASL on one side only is an error") {
  Environment environment = quick_start("SASL_PLAINTEXT");
  environment["GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL"] = "PLAINTEXT";
  CHECK(holds(load_variables(environment).problems, "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL",
              "use SASL on both sides or on neither"));
}

TEST_CASE("secrets come from files too, but not twice") {
  Environment environment = quick_start("SASL_PLAINTEXT");
  environment.erase("KAFKA_SASL_JAAS_CONFIG");
  environment["KAFKA_SASL_JAAS_CONFIG_FILE"] = "/run/jaas";
  const Loaded loaded = load_variables(environment, {{"/run/jaas", std::string(jaas) + "\n"}});
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).upstream.sasl->password == "s3cr3t-Pw");
  CHECK(
      holds(load_variables(environment).problems, "KAFKA_SASL_JAAS_CONFIG_FILE", "cannot read '/run/jaas'"));
  environment["KAFKA_SASL_JAAS_CONFIG"] = jaas;
  CHECK(holds(load_variables(environment, {{"/run/jaas", jaas}}).problems, "KAFKA_SASL_JAAS_CONFIG_FILE",
              "given twice"));
}

TEST_CASE("an environment file stands below the environment itself") {
  Environment environment = plain();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_PORTS");
  environment["GATEWAY_ENV_FILE"] = "/e";
  const Loaded loaded = load_variables(
      environment, {{"/e",
                     "\xEF\xBB\xBF# ports\nexport\tGATEWAY_LISTENER_EXTERNAL_PORTS=7000-7002\n\n"
                     "KAFKA_BOOTSTRAP_SERVERS='other:1'\r\nGATEWAY_HTTP_PORT=\"9999\"\n"}});
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).listeners.at(0).ports.at(0).local == 7000);
  CHECK(loaded.config.clusters.at(0).upstream.bootstrap_servers.at(0).host == "kafka1");
  CHECK(loaded.config.operations.port == 9999);
  CHECK(holds(load_variables(environment, {{"/e", "a\n=s3cr3t\n"}}).problems, "/e:2", "not NAME=value"));
  CHECK(holds(load_variables(environment, {{"/e", "GATEWAY_LISTENER_EXTERNAL_PORTS=x"}}).problems,
              "GATEWAY_LISTENER_EXTERNAL_PORTS (/e:1)", "not a valid port or range"));
  CHECK(holds(load_variables(environment).problems, "GATEWAY_ENV_FILE", "cannot read '/e'"));
}

TEST_CASE("a file of TOML with many clusters") {
  const Loaded loaded = load_text(toml_plain + R"(
[cluster.billing]
pass_api_keys = [95]
[cluster.billing.upstream]
bootstrap_servers = "b1:9092, [2001:db8::2]:9093"
[cluster.billing.listener.Internal]
ports = [7000, "7001-7002"]
ids = "5,7"
min_broker_id = 2
bind_address = "127.0.0.1"
security_protocol = "plaintext"
[operations]
bind = "[::1]:9000"
audit = "/var/log/kferry/audit.jsonl"
[engine]
workers = 2
backend = "io_uring"
splice_threshold_bytes = 65536
pin_workers = "on"
receive_buffers = 100
standing_receive_bytes = 0
look_ahead_bytes = 4096
[tls]
kernel_send = "off"
[limits]
first_byte_timeout_ms = 1000
unanswered_requests = 64
)");
  CHECK(loaded.problems.empty());
  REQUIRE(loaded.config.clusters.size() == 2);
  CHECK(loaded.config.clusters[0].name == "orders");
  const Cluster& billing = loaded.config.clusters[1];
  CHECK(billing.pass_api_keys == std::vector<std::int16_t>{95});
  CHECK(billing.upstream.bootstrap_servers.at(1) == HostPort{"2001:db8::2", 9093});
  CHECK(billing.listeners.at(0).name == "internal");
  CHECK(billing.listeners.at(0).ports.size() == 3);
  CHECK(loaded.config.operations.bind_host == "::1");
  CHECK(loaded.config.operations.port == 9000);
  CHECK(loaded.config.engine.workers == 2);
  CHECK(loaded.config.engine.backend == Backend::io_uring);
  CHECK(loaded.config.engine.splice_threshold_bytes == 65536);
  CHECK(loaded.config.engine.pin_workers);
  CHECK(loaded.config.engine.receive_buffers == 128);
  CHECK(loaded.config.engine.standing_receive_bytes == 0);
  CHECK(loaded.config.engine.look_ahead_bytes == 4096);
  CHECK(loaded.config.limits.first_byte_timeout_ms == 1000);
  CHECK(loaded.config.limits.unanswered_requests == 64);
}

TEST_CASE("the backend is one that there is") {
  const Loaded loaded = load_text(toml_plain + "[engine]\nbackend = \"epoll\"\n");
  CHECK(loaded.problems.empty());
  CHECK(loaded.config.engine.backend == Backend::epoll);
  CHECK(load_text(toml_plain).config.engine.backend == Backend::automatic);
  CHECK(holds(load_text(toml_plain + "[engine]\nbackend = \"kqueue\"\n").problems, "k.toml:10", "io_uring"));
}

TEST_CASE("a syntax error is reported alone, with its line") {
  const Loaded loaded = load_text("[cluster.a\nx = 1\nunknown = 2\n", {{"GATEWAY_ACL_ENABLED", "true"}});
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].where.starts_with("k.toml:1:"));
  CHECK(loaded.problems[0].what.starts_with("TOML syntax error: "));
}

TEST_CASE("what toml++ asserts or calls unreachable is a syntax error") {
  for (const char* text :
       {"[= \"x\"\n", "[[[a]]]\n", "[a\xC3\xA9]\n", "\xC3\xA9 = 1\n", "x = 1\xE3\x80\x81\n"}) {
    CAPTURE(text);
    const Loaded loaded = load_text(text);
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].where.starts_with("k.toml:1:"));
  }
  // Outside ASCII after a line continuation, which is valid.
  CHECK(holds(load_text("x = \"\"\"\\\n  \xC3\xA9\"\"\"\n").problems, "k.toml:1", "unknown key 'x'"));
}

TEST_CASE("a control character is a syntax error with its line") {
  const Loaded loaded = load_text("\n[\x01operations]\n");
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].where == "k.toml:2");
}

TEST_CASE("unknown keys name the nearest known one, each with its line") {
  const Loaded loaded =
      load_text(toml_plain + "port = 1\ntls = { certifcate = \"x\" }\n[limit]\n[engine]\nworker = 1\n");
  CHECK(loaded.problems.size() == 4);
  CHECK(holds(loaded.problems, "k.toml:9", "did you mean ports?"));
  CHECK(holds(loaded.problems, "k.toml:10", "did you mean certificate?"));
  CHECK(holds(loaded.problems, "k.toml:11", "did you mean limits?"));
  CHECK(holds(loaded.problems, "k.toml:13", "did you mean workers?"));
}

TEST_CASE("a value of the wrong type says what to write") {
  CHECK(holds(load_text(toml_plain + "min_broker_id = 1.5\n").problems, "k.toml:9", "write a whole number"));
  CHECK(holds(load_text(toml_plain + "routing = 1\n").problems, "k.toml:9", "write a string"));
  CHECK(holds(load_text("cluster = 3\n").problems, "k.toml:1", "is not a table"));
}

TEST_CASE("a value that is wrong is told once, not as missing too") {
  std::string text = toml_plain;
  text.replace(text.find("\"6969-6971\""), 11, "69.71");
  CHECK(load_text(text).problems.size() == 1);
  text = toml_plain;
  text.replace(text.find("\"gateway.example.com\""), 21, "7");
  CHECK(load_text(text).problems.size() == 1);
  text = toml_plain;
  text.replace(text.find("gateway.example.com"), 19, "${UNSET}");
  CHECK(load_text(text).problems.size() == 1);
}

TEST_CASE("files from other systems: a byte order mark, CRLF") {
  std::string text = toml_plain;
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2)
    text.replace(at, 1, "\r\n");
  CHECK(all_text(load_text("\xEF\xBB\xBF" + text)) == "");
}

TEST_CASE("variables override the cluster named default key by key, beside the others") {
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

TEST_CASE("${NAME} comes from the environment, and an unset one is an error") {
  std::string text = toml_plain;
  text.replace(text.find("gateway.example.com"), 19, "${HOST_IP}");
  const Loaded loaded = load_text(text, {{"HOST_IP", "10.1.2.3"}});
  CHECK(all_text(loaded) == "");
  CHECK(loaded.config.clusters.at(0).listeners.at(0).advertised_host == "10.1.2.3");
  CHECK(holds(load_text(text).problems, "k.toml:7", "${HOST_IP} is not set"));
}

TEST_CASE("ports shared between listeners, and with HTTP, are errors") {
  const auto two = [](const std::string& first, const std::string& second, const std::string& bind) {
    return load_text(
        "[cluster.a.upstream]\nbootstrap_servers = \"k:1\"\n[cluster.a.listener.x]\nports = \"" + first +
        "\"\nadvertised_host = \"h\"\nsecurity_protocol = \"PLAINTEXT\"\n[cluster.a.listener.y]\nports = \"" +
        second + "\"\nbind_address = \"" + bind +
        "\"\nadvertised_host = \"g\"\nsecurity_protocol = \"PLAINTEXT\"\n");
  };
  CHECK(two("7000-7002", "7003", "0.0.0.0").ok());
  CHECK(holds(two("7000-7002", "7002-7005", "127.0.0.1").problems, "k.toml:8", "share local port 7002"));
  CHECK(holds(two("7000", "1:8888", "10.0.0.1").problems, "k.toml:8", "which is the HTTP port"));
  CHECK(holds(with("GATEWAY_HTTP_PORT", "6970").problems, "GATEWAY_LISTENER_EXTERNAL_PORTS",
              "takes port 6970"));
}

TEST_CASE("an upstream that is kferry itself is an error") {
  CHECK(holds(with("KAFKA_BOOTSTRAP_SERVERS", "gateway.example.com:6969").problems, "KAFKA_BOOTSTRAP_SERVERS",
              "kferry would dial itself"));
  CHECK(
      holds(with("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:6971").problems, "KAFKA_BOOTSTRAP_SERVERS", "itself"));
  CHECK(with("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092").ok());
}

TEST_CASE("warnings: port ranges, advertised host, fewer ports than servers, plaintext before TLS") {
  Sources sources;
  sources.environment = plain();
  sources.environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "32766-32769";
  sources.environment["GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST"] = "127.0.0.1";
  sources.ephemeral_ports = {std::uint16_t{32768}, std::uint16_t{60999}};
  Loaded loaded = load(sources);
  CHECK(loaded.ok());
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_PORTS", "ip_local_reserved_ports=32768-32769"));
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_PORTS", "port 32766-32767"));
  CHECK(holds(loaded.warnings, "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "only clients on this host"));
  CHECK(holds(with("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "0.0.0.0").warnings,
              "GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "no client can dial"));
  CHECK(holds(with("KAFKA_BOOTSTRAP_SERVERS", "a:1 , b:1,\n c:1,d:1").warnings,
              "GATEWAY_LISTENER_EXTERNAL_PORTS", "3 ports for 4 bootstrap servers"));
  CHECK(holds(with("KAFKA_SECURITY_PROTOCOL", "SSL").warnings, "GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL",
              "passwords cross in clear"));
}
