// From what an operator wrote (a TOML file, environment variables, files they point at) to a Config, or to
// everything that is wrong with it at once. Touches the machine through Sources alone, so a test needs
// neither files nor setenv.
//
//   TOML text ─▶ toml_file ─┐
//                           ├─▶ draft: settings as text, each with its place ─▶ validation ─▶ Config
//   variables ─▶ environment┘    (variables override [cluster.default] key by key)
//
// A TOML syntax error is reported alone: the parser stops there. No text made here shows a secret.
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

namespace kferry::config {

// Where the configuration is read from when nobody says, if it exists.
inline constexpr const char* default_path = "/etc/kferry/kferry.toml";

struct Toml {
  std::string name;  // as it stands in messages: the path
  std::string text;
};

struct Sources {
  std::optional<Toml> toml;
  std::map<std::string, std::string> environment;
  // The text of a file that the configuration names (GATEWAY_ENV_FILE, *_FILE, *_file), or why it cannot be
  // read. Empty: no file can be read.
  std::function<std::expected<std::string, std::string>(const std::string& path)> read_file;
  // The kernel's ephemeral ports (net.ipv4.ip_local_port_range), first and last. None: not compared.
  std::optional<std::pair<std::uint16_t, std::uint16_t>> ephemeral_ports;
};

// One thing wrong: where ("kferry.toml:12", "GATEWAY_LISTENER_EXTERNAL_PORTS"), what, and what to do about
// it.
struct Problem {
  std::string where;
  std::string what;
  std::string remedy;
  bool warning = false;
};
// "where: what: remedy", one line.
std::string to_string(const Problem& problem);

struct Loaded {
  Config config;                  // to be used only when ok()
  std::vector<Problem> problems;  // errors, in the order of the file, then of the variables' names
  std::vector<Problem> warnings;
  bool ok() const { return problems.empty(); }
};

Loaded load(const Sources& sources);

// The process's own: its environment, the file at `path` (default_path when nothing is named, if it exists),
// the kernel's ephemeral range. The error says why the named file cannot be read.
std::expected<Sources, Problem> system_sources(const std::optional<std::string>& path);

}  // namespace kferry::config
