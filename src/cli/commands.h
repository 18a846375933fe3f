// The verbs of the command line, each with what it was asked for. main.cc parses and calls; the value returned
// is the process's exit status: 0 success, 2 the configuration, 1 anything else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kferry::cli {

inline constexpr int exit_well = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_configuration = 2;

struct RunOptions {
  std::optional<std::string> config_path;  // none: config::default_path, if it exists
};
struct CheckOptions {
  std::optional<std::string> config_path;
  bool dial = false;
  std::uint32_t time_limit_s = 60;  // of everything that is dialled
};
struct DoctorOptions {};
struct ProbeOptions {
  std::string target;  // HOST:PORT, as it was typed
  std::uint32_t timeout_ms = 5'000;
  bool tls = false;              // also set by any of the files below
  std::string authorities_path;  // which authorities to trust; empty: the system's
  std::string authorities_password_path;
  std::string certificate_path;  // of the client, with its chain; empty: no client certificate
  std::string key_path;          // empty: the key is in certificate_path
  std::string password_path;     // of certificate_path and key_path
  std::string server_name;       // sent by SNI and verified at the target; empty: the target's host
};

struct HealthOptions {
  enum class Question : std::uint8_t { live, serving, ready };
  std::optional<std::string> config_path;
  Question question = Question::ready;
};

struct ReloadOptions {
  std::optional<std::string> control;  // the path of the socket; none: what the configuration says
  std::optional<std::string> config_path;
  bool dry_run = false;
};

// Shorter than control_client.cc waits for an answer.
inline constexpr int upgrade_timeout_s_max = 100;
inline constexpr int default_upgrade_timeout_s = 30;
struct UpgradeOptions {
  std::optional<std::string> control;  // as in ReloadOptions
  std::optional<std::string> config_path;
  int timeout_s = default_upgrade_timeout_s;  // within which the new process must be ready
};

struct DrainOptions {
  std::optional<std::string> control;  // as in ReloadOptions
  std::optional<std::string> config_path;
  bool wait = true;  // until kferry has stopped
};

struct SettingsOptions {
  std::vector<std::string>
      words;  // all must occur in a setting's name, variable or table; empty: every setting
  bool tsv = false;
};

int run(const RunOptions& options);
int check(const CheckOptions& options);
int doctor(const DoctorOptions& options);
int probe(const ProbeOptions& options);
int health(const HealthOptions& options);
int reload(const ReloadOptions& options);
int upgrade(const UpgradeOptions& options);
int drain(const DrainOptions& options);
int settings(const SettingsOptions& options);

}  // namespace kferry::cli
