// The verbs of the command line, each with what it was asked for. main.cc parses and calls; the value returned
// is the process's exit status: 0 well, 2 the configuration, 1 anything else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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
};
struct DoctorOptions {};
struct ProbeOptions {
  std::string target;  // HOST:PORT, as it was typed
  std::uint32_t timeout_ms = 5'000;
  bool tls = false;
  std::string authorities_path;  // whom to trust with TLS; empty: the system's
};

int run(const RunOptions& options);
int check(const CheckOptions& options);
int doctor(const DoctorOptions& options);
int probe(const ProbeOptions& options);

}  // namespace kferry::cli
