#include "config/environment.h"

#include <doctest/doctest.h>

#include "config/foreign_variables.h"
#include "config/loading_test.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("listener names") {
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "my_one").problems, "GATEWAY_LISTENER_NAMES",
              "contains an underscore"));
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "external,1st").problems, "GATEWAY_LISTENER_NAMES", "'1st'"));
  CHECK(holds(with("GATEWAY_LISTENER_NAMES", "external,External").problems, "GATEWAY_LISTENER_NAMES",
              "named twice"));
  CHECK(holds(with("GATEWAY_LISTENER_OTHER_PORTS", "1").warnings, "GATEWAY_LISTENER_OTHER_PORTS",
              "add it to GATEWAY_LISTENER_NAMES"));
}

TEST_CASE("the log's variables and the full gateway's names of them") {
  const auto operations = [](const Environment& more) {
    Environment environment = plain();
    for (const auto& [name, value] : more) environment[name] = value;
    const Loaded loaded = load_variables(environment);
    CHECK(loaded.problems.empty());
    CHECK(loaded.warnings.empty());
    return loaded.config.operations;
  };
  CHECK(operations({}).log_format == LogFormat::text);
  CHECK(operations({}).log_level == LogLevel::info);
  CHECK(operations({{"GATEWAY_LOG_FORMAT", "json"}}).log_format == LogFormat::json);
  CHECK(operations({{"LOG4J2_APPENDER_LAYOUT", "json"}}).log_format == LogFormat::json);
  CHECK(operations({{"LOG4J2_APPENDER_LAYOUT", "pattern"}}).log_format == LogFormat::text);
  CHECK(operations({{"LOG4J2_APPENDER_LAYOUT", "json"}, {"GATEWAY_LOG_FORMAT", "text"}}).log_format ==
        LogFormat::text);
  for (const auto& [word, level] : std::map<std::string, LogLevel>{{"off", LogLevel::off},
                                                                   {"FATAL", LogLevel::error},
                                                                   {"error", LogLevel::error},
                                                                   {"WARN", LogLevel::warning},
                                                                   {"warning", LogLevel::warning},
                                                                   {"info", LogLevel::info},
                                                                   {"debug", LogLevel::debug},
                                                                   {"trace", LogLevel::debug},
                                                                   {"all", LogLevel::debug}}) {
    CHECK(operations({{"LOG4J2_ROOT_LEVEL", word}}).log_level == level);
    CHECK(operations({{"GATEWAY_LOG_LEVEL", word}}).log_level == level);
    CHECK(operations({{"GATEWAY_LOG_LEVEL", word}, {"LOG4J2_ROOT_LEVEL", "info"}}).log_level == level);
  }
  CHECK(holds(with("LOG4J2_ROOT_LEVEL", "chatty").problems, "LOG4J2_ROOT_LEVEL", "not a known value"));
  CHECK(holds(with("GATEWAY_LOG_FORMAT", "jsn").problems, "GATEWAY_LOG_FORMAT", "did you mean json?"));
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

TEST_CASE("old single-listener variables are errors that print their replacement, filled in") {
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

TEST_CASE("variables that Kubernetes injects are silently ignored") {
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

TEST_CASE("the full gateway's variables and unknown ones get one warning line each") {
  const Loaded loaded = with("GATEWAY_USER_POOL_SECRET_KEY", "x");
  CHECK(loaded.ok());
  CHECK(loaded.warnings.size() == 1);
  CHECK(holds(loaded.warnings, "GATEWAY_USER_POOL_SECRET_KEY", "belongs to the full gateway"));
  CHECK(
      holds(with("GATEWAY_HTPP_PORT", "1").warnings, "GATEWAY_HTPP_PORT", "did you mean GATEWAY_HTTP_PORT?"));
  CHECK(holds(with("KAFKA_SASL_MECHANISMS", "PLAIN").warnings, "KAFKA_SASL_MECHANISMS",
              "did you mean KAFKA_SASL_MECHANISM?"));
}

TEST_CASE("variables of the process override those of an environment file") {
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
