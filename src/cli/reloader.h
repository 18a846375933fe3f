// Reads the configuration again and moves the running proxy to it. Belongs to `run`.
//
//   file, GATEWAY_ENV_FILE ─▶ config::load ─▶ TlsContexts::load ─▶ Server::propose ─▶ every worker has moved
//     cannot be read, wrong ──┴── cannot be used ──┴── a port is taken ──┴──▶ refused: nothing has changed
//                                       the first worker is stuck ──┘
//
// The process's environment is that of the start, and so is the file's path. A certificate that cannot be used refuses
// the configuration as a wrong value does, even where the one read before serves. Keys that need an upgrade
// (config::needs_upgrade) are compared with the configuration that kferry started with, and reported every time.
//
// Used by one thread at a time: the control server's, once it runs.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log_sink.h"
#include "certificates/tls_contexts.h"
#include "certificates/tls_watch.h"
#include "config/load.h"
#include "proxy/server.h"

namespace kferry::cli {

struct ReloadReport {
  bool refused = false;
  std::vector<std::string> changes;       // what takes effect, or would in a dry run, one line each
  std::vector<std::string> need_upgrade;  // what differs from the start without effect
  std::vector<config::Problem> problems;  // errors if it is refused; then warnings

  bool changed() const { return !changes.empty(); }
};

// Of all reloads so far, for health and metrics.
struct ReloadStatus {
  std::uint64_t applied = 0;
  std::uint64_t unchanged = 0;  // well, but without a difference
  std::uint64_t refused = 0;
  bool failed = false;              // the last one was refused
  std::int64_t succeeded_at_s = 0;  // Unix time; of the start, at first
  std::string hash;                 // of the configuration in force
};

class Reloader {
 public:
  struct Started {
    std::optional<std::string> path;  // as `run` was told
    config::Loaded loaded;
    std::shared_ptr<certificates::TlsContexts> contexts;  // loaded
  };
  // `server` and `log` outlive it.
  Reloader(Started started, proxy::Server& server, LogSink& log);

  // Begins to watch the certificates. The error says what the host lacks.
  std::expected<void, std::string> watch_certificates();

  // With `dry_run` nothing happens but the comparison. Otherwise it waits until every worker has moved, but no longer
  // than a few seconds for one that is stuck, and logs.
  ReloadReport reload(bool dry_run);
  const ReloadStatus& status() const { return status_; }
  // In force.
  const config::Config& config() const { return in_force_.config; }

 private:
  struct Candidate;
  ReloadReport compare(Candidate& candidate) const;
  // The error refuses it. The value: a warning, because a worker is stuck.
  std::expected<std::optional<config::Problem>, config::Problem> apply(Candidate& candidate);
  void note(const ReloadReport& report);

  const std::optional<std::string> path_;
  const std::vector<config::WrittenSetting> at_start_;
  proxy::Server& server_;
  LogSink& log_;
  config::Loaded in_force_;
  std::shared_ptr<certificates::TlsContexts> contexts_;  // of in_force_
  std::unique_ptr<certificates::TlsWatch> watch_;        // null: nothing has TLS
  ReloadStatus status_;
};

}  // namespace kferry::cli
