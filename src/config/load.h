// From what an operator wrote (a TOML file, environment variables, files that they name) to a Config, or to
// everything that is wrong with it at once. Accesses the host only through Sources, so a test needs neither
// files nor setenv.
//
//   TOML text ─▶ toml_file ─┐
//                           ├─▶ draft: settings as text, each with its place ─▶ validation ─▶ Config
//   variables ─▶ environment┘    (variables override [cluster.default] key by key)
//
// A TOML syntax error is reported alone, because the parser stops there. No message shows a secret.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/written_settings.h"

namespace kferry::config {

// The file that is read if no other is named and it exists.
inline constexpr const char* default_path = "/etc/kferry/kferry.toml";

struct Toml {
  std::string name;  // as messages show it: the path
  std::string text;
};

struct Sources {
  std::optional<Toml> toml;
  std::map<std::string, std::string> environment;
  // Returns the text of a file that the configuration names (GATEWAY_ENV_FILE, *_FILE, *_file), or why it
  // cannot be read. Empty: no file can be read.
  std::function<std::expected<std::string, std::string>(const std::string& path)> read_file;
  // The kernel's ephemeral ports (net.ipv4.ip_local_port_range), first and last. nullopt: not compared.
  std::optional<std::pair<std::uint16_t, std::uint16_t>> ephemeral_ports;
};

// One problem: where ("kferry.toml:12", "GATEWAY_LISTENER_EXTERNAL_PORTS"), what is wrong, and the remedy.
struct Problem {
  std::string where;
  std::string what;
  std::string remedy;
  bool warning = false;
};
// "where: what: remedy", one line.
std::string to_string(const Problem& problem);

struct Loaded {
  Config config;                  // valid only when ok()
  std::vector<Problem> problems;  // errors, in the order of the file, then of the variables' names
  std::vector<Problem> warnings;
  std::optional<std::string> file;       // that was read, as messages name it
  std::vector<WrittenSetting> settings;  // what was written, to compare with another configuration
  bool ok() const { return problems.empty(); }
};

Loaded load(const Sources& sources);

// The sources of this process: its environment, the file at `path` (without one, default_path if it exists),
// and the kernel's ephemeral range. The error says why the file cannot be read.
std::expected<Sources, Problem> system_sources(const std::optional<std::string>& path);

}  // namespace kferry::config
