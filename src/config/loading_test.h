// What the loader's tests share: configurations to start from, and searches in the result.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.h"

namespace kferry::config {

using Environment = std::map<std::string, std::string>;

inline constexpr const char* jaas =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" "
    "password=\"s3cr3t-Pw\";";

inline Environment quick_start(const std::string& protocol) {
  return {{"KAFKA_BOOTSTRAP_SERVERS", "kafka1:9092,kafka2:9092,kafka3:9092"},
          {"KAFKA_SECURITY_PROTOCOL", protocol},
          {"KAFKA_SASL_MECHANISM", "PLAIN"},
          {"KAFKA_SASL_JAAS_CONFIG", jaas},
          {"GATEWAY_LISTENER_NAMES", "external"},
          {"GATEWAY_LISTENER_EXTERNAL_PORTS", "6969-6971"},
          {"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "gateway.example.com"},
          {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", protocol},
          {"GATEWAY_SECURITY_MODE", "KAFKA_MANAGED"},
          {"GATEWAY_ACL_ENABLED", "false"},
          {"GATEWAY_LICENSE_KEY", "licence-0815"}};
}

inline Environment plain() {
  return {{"KAFKA_BOOTSTRAP_SERVERS", "kafka1:9092"},
          {"GATEWAY_LISTENER_NAMES", "external"},
          {"GATEWAY_LISTENER_EXTERNAL_PORTS", "6969-6971"},
          {"GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST", "gateway.example.com"},
          {"GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL", "PLAINTEXT"}};
}

inline Loaded load_variables(Environment environment, std::map<std::string, std::string> files = {}) {
  Sources sources;
  sources.environment = std::move(environment);
  sources.read_file = [files](const std::string& path) -> std::expected<std::string, std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::unexpected(std::string("No such file or directory"));
    return found->second;
  };
  return load(sources);
}

inline Loaded load_text(std::string text, Environment environment = {}) {
  Sources sources;
  sources.toml = Toml{"k.toml", std::move(text)};
  sources.environment = std::move(environment);
  return load(sources);
}

inline std::string all_text(const Loaded& loaded) {
  std::string text;
  for (const Problem& problem : loaded.problems) text += to_string(problem) + "\n";
  for (const Problem& problem : loaded.warnings) text += to_string(problem) + "\n";
  return text;
}

inline bool holds(const std::vector<Problem>& problems, const std::string& where, const std::string& part) {
  return std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) {
    return problem.where == where && to_string(problem).find(part) != std::string::npos;
  });
}

// A plain environment with one variable changed.
inline Loaded with(const std::string& name, const std::string& value) {
  Environment environment = plain();
  environment[name] = value;
  return load_variables(environment);
}

inline const std::string toml_plain = R"(
[cluster.orders.upstream]
bootstrap_servers = ["kafka1:9092", "kafka2:9092"]

[cluster.orders.listener.external]
ports = "6969-6971"
advertised_host = "gateway.example.com"
security_protocol = "PLAINTEXT"
)";

inline Environment tls_variables() {
  Environment environment = plain();
  environment["GATEWAY_LISTENER_EXTERNAL_SECURITY_PROTOCOL"] = "SSL";
  environment["KAFKA_SECURITY_PROTOCOL"] = "SSL";
  environment["GATEWAY_SSL_KEY_STORE_PATH"] = "/tls/server.p12";
  return environment;
}

inline Loaded with_tls(const Environment& changes, const std::map<std::string, std::string>& files = {}) {
  Environment environment = tls_variables();
  for (const auto& [name, value] : changes) environment[name] = value;
  return load_variables(environment, files);
}

inline Environment sni_variables() {
  Environment environment = tls_variables();
  environment.erase("GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST");
  environment["GATEWAY_LISTENER_EXTERNAL_PORTS"] = "9092";
  environment["GATEWAY_LISTENER_EXTERNAL_ROUTING"] = "SNI";
  environment["GATEWAY_LISTENER_EXTERNAL_ADVERTISED_HOST_PATTERN"] = "Broker-{{nodeId}}.k.example";
  return environment;
}

inline Loaded with_sni(const Environment& changes) {
  Environment environment = sni_variables();
  for (const auto& [name, value] : changes) environment[name] = value;
  return load_variables(environment);
}

inline const ListenerTls& listener_tls(const Loaded& loaded) {
  REQUIRE(loaded.config.clusters.size() == 1);
  REQUIRE(loaded.config.clusters[0].listeners.at(0).tls);
  return *loaded.config.clusters[0].listeners[0].tls;
}
inline const ListenerTls& listener_tls_of(const Loaded& loaded, std::string_view cluster) {
  for (const Cluster& one : loaded.config.clusters) {
    if (one.name == cluster) return *one.listeners.at(0).tls;
  }
  FAIL("no such cluster");
  return listener_tls(loaded);
}
inline const UpstreamTls& upstream_tls(const Loaded& loaded) {
  REQUIRE(loaded.config.clusters.size() == 1);
  REQUIRE(loaded.config.clusters[0].upstream.tls);
  return *loaded.config.clusters[0].upstream.tls;
}

inline const std::string toml_upstream = R"(
[cluster.a.upstream]
bootstrap_servers = "k1:9092"
security_protocol = "SSL"
)";
inline const std::string toml_listener = R"(
[cluster.a.listener.x]
ports = "7000"
advertised_host = "gw.example.com"
security_protocol = "SSL"
)";

}  // namespace kferry::config
