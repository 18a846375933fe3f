// What the loader's tests share: configurations to begin with, and looking through what comes out.
#pragma once

#include <algorithm>
#include <map>
#include <string>
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

}  // namespace kferry::config
