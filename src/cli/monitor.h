// Turns what can be observed of the server into health, and answers HTTP requests with it. Belongs to `run`.
//
//   main thread, every second ─▶ observe() ─▶ proxy::Server::status() ─▶ operations::Health
//   HTTP thread, each request ─▶ answer() ─────────────┘                      └─▶ a status, a body
//
// Thread-safe. Never waits for a worker, nor for files that are being read.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/handed_sockets.h"
#include "base/log_sink.h"
#include "cli/metrics_page.h"
#include "cli/reloader.h"
#include "config/config.h"
#include "operations/health.h"
#include "operations/http_server.h"
#include "operations/metrics.h"
#include "proxy/server.h"

namespace kferry::cli {

// A certificate that ends within this time makes kferry degraded.
inline constexpr std::int64_t certificate_patience_s = 7 * 24 * 60 * 60;

// What the status says of health, but for what the workers are asked.
operations::HealthObservation observation_of(const proxy::ServerStatus& status, std::int64_t now_s);

class Monitor {
 public:
  // `server` outlives it, and what `lines` uses.
  Monitor(proxy::Server& server, Instant started, std::function<LineCounts()> lines)
      : server_(server), health_(started), lines_(std::move(lines)) {}

  // To be called about once a second.
  void observe();
  operations::HttpReply answer(const operations::HttpRequest& request);
  // Somebody has asked a health path since the start, so that a balancer may act on the answer. Any thread.
  bool watched() const { return watched_.load(std::memory_order_relaxed); }
  // What a service manager is told, as observed last.
  struct Summary {
    bool ready = false;  // by /health/ready
    bool live = false;   // by /health/live
    std::string text;    // "0.1.0: 2 listeners, 3 brokers, ready"
  };
  Summary summary() const;
  // Clients are asked to leave from now on.
  void drain() { draining_ = true; }
  // Another process serves in place of this one: who has asked already hears what was seen last.
  void freeze() { frozen_ = true; }
  // What has become of reloads so far. Until the first call there has been no start, either.
  void note_reloads(const ReloadStatus& status);

 private:
  std::string metrics(operations::MetricsFormat format) const;

  proxy::Server& server_;
  operations::Health health_;
  std::atomic<bool> watched_ = false;
  const std::function<LineCounts()> lines_;
  std::atomic<bool> draining_ = false;
  std::atomic<bool> frozen_ = false;
  mutable std::mutex reloading_;  // of reloads_
  ReloadStatus reloads_;
};

// Every address of the configuration with the paths that it serves.
std::vector<operations::HttpBinding> http_bindings(const config::Operations& operations);

// Binds them. null: the default address is taken, so that nothing serves HTTP, which is logged. The error is that of an
// address which was configured. A socket that `handed` has is taken over.
std::expected<std::unique_ptr<operations::HttpServer>, std::string> bind_http(
    const config::Operations& operations, LogSink& log, HandedSockets& handed);
// Serves what was bound, and logs where. `monitor` outlives the server. The error says what the host lacks.
std::expected<void, std::string> serve_http(operations::HttpServer& server,
                                            const config::Operations& operations, Monitor& monitor,
                                            LogSink& log);

}  // namespace kferry::cli
