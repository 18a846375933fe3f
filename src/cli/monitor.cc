#include "cli/monitor.h"

#include <utility>

#include "base/assert.h"
#include "base/counted.h"
#include "base/host_port.h"
#include "base/socket_address.h"
#include "cli/metrics_page.h"

namespace kferry::cli {

using operations::HealthCode;

operations::HealthObservation observation_of(const proxy::ServerStatus& status, std::int64_t now_s) {
  operations::HealthObservation seen;
  seen.listening = status.listening;
  for (const proxy::WorkerStatus& worker : status.workers) seen.worker_turns.push_back(worker.turns);
  for (const proxy::ClusterStatus& cluster : status.clusters) {
    seen.upstream_answered = seen.upstream_answered || cluster.upstream_answered;
    if (cluster.upstream_lost) seen.causes.push_back({HealthCode::upstream_unreachable, cluster.name});
    for (const std::string& listener : cluster.clashing_listeners)
      seen.causes.push_back({HealthCode::port_clash, cluster.name, listener});
  }
  if (status.tls == nullptr) return seen;
  for (const certificates::TlsCondition& part : *status.tls->conditions()) {
    const std::string listener = part.listener.value_or("");
    if (!part.usable) {
      seen.causes.push_back({HealthCode::certificate_unusable, part.cluster, listener});
    } else if (part.broken) {
      seen.causes.push_back({HealthCode::certificate_not_reloaded, part.cluster, listener});
    }
    if (part.not_after_s && *part.not_after_s - now_s < certificate_patience_s)
      seen.causes.push_back({HealthCode::certificate_expiring, part.cluster, listener});
  }
  return seen;
}

void Monitor::observe() {
  if (frozen_) return;
  operations::HealthObservation seen =
      observation_of(server_.status(), certificates::TlsContexts::system_time());
  seen.draining = draining_;
  {
    const std::lock_guard lock(reloading_);
    if (reloads_.failed) seen.causes.push_back({HealthCode::reload_failed});
  }
  if (health_.observe(seen, monotonic_now(), std::chrono::system_clock::now())) server_.wake_workers();
}

void Monitor::note_reloads(const ReloadStatus& status) {
  const std::lock_guard lock(reloading_);
  reloads_ = status;
}

Monitor::Summary Monitor::summary() const {
  std::size_t listeners = 0;
  std::size_t brokers = 0;
  for (const proxy::ClusterStatus& cluster : server_.status().clusters) {
    listeners += cluster.listeners;
    brokers += cluster.listed;
  }
  const Instant now = monotonic_now();
  return {health_.answer(operations::HealthPath::ready, now).well,
          health_.answer(operations::HealthPath::live, now).well,
          KFERRY_VERSION ": " + counted(listeners, "listener") + ", " + counted(brokers, "broker") + ", " +
              health_.summary(now)};
}

std::string Monitor::metrics(operations::MetricsFormat format) const {
  const std::lock_guard lock(reloading_);
  return metrics_page({.figures = server_.figures(),
                       .status = server_.status(),
                       .degraded = health_.codes(),
                       .reloads = reloads_,
                       .draining = draining_,
                       .lines = lines_(),
                       .backend = server_.backend()})
      .text(format);
}

operations::HttpReply Monitor::answer(const operations::HttpRequest& request) {
  if (request.path == "/metrics") {
    observe();
    const operations::MetricsFormat format = operations::metrics_format(request.accept);
    return {200, std::string(operations::content_type(format)), metrics(format)};
  }
  const auto path = operations::health_path(request.path);
  if (!path) return {.status = 404, .body = "paths: /health/live /health/serving /health/ready /metrics\n"};
  watched_.store(true, std::memory_order_relaxed);
  observe();
  operations::HealthAnswer answer = health_.answer(*path, monotonic_now());
  return {answer.well ? 200 : 503, "application/json", std::move(answer.body)};
}

std::vector<operations::HttpBinding> http_bindings(const config::Operations& operations) {
  std::vector<operations::HttpBinding> bindings;
  const auto add = [&](const std::string& host, std::int32_t port, operations::HttpPaths paths) {
    const auto address = SocketAddress::parse(host, static_cast<std::uint16_t>(port));
    KFERRY_ASSERT(address.has_value());  // the configuration is valid
    bindings.push_back({*address, paths});
  };
  const auto port_of = [&](const HostPort& bind) { return bind.port == 0 ? operations.port : bind.port; };
  add(operations.bind_host, operations.port, operations::all_http_paths);
  if (const auto& bind = operations.metrics_bind) add(bind->host, port_of(*bind), operations::only_metrics);
  if (const auto& bind = operations.health_bind) add(bind->host, port_of(*bind), operations::only_health);
  return bindings;
}

std::expected<std::unique_ptr<operations::HttpServer>, std::string> bind_http(
    const config::Operations& operations, LogSink& log, HandedSockets& handed) {
  auto bound = operations::HttpServer::bind(http_bindings(operations), &handed);
  if (bound) return bound;
  const std::string remedy = "; or move it: bind in [operations], or GATEWAY_HTTP_PORT";
  if (operations.http_configured) return std::unexpected(bound.error() + remedy);
  log.write(
      {Severity::warning, "http_unavailable", "", "no health and no metrics: " + bound.error() + remedy});
  return nullptr;
}

std::expected<void, std::string> serve_http(operations::HttpServer& server,
                                            const config::Operations& operations, Monitor& monitor,
                                            LogSink& log) {
  const auto answer = [&monitor](const operations::HttpRequest& request) { return monitor.answer(request); };
  if (const auto started = server.start(answer); !started) return std::unexpected(started.error());
  std::string where;
  for (const operations::HttpBinding& binding : http_bindings(operations)) {
    where += (where.empty() ? "" : ", ") + binding.address.text();
    if (binding.paths == operations::only_metrics) where += " (/metrics alone)";
    if (binding.paths == operations::only_health) where += " (health alone)";
  }
  log.write({Severity::info, "http_listening", "", "health and metrics by HTTP on " + where});
  return {};
}

}  // namespace kferry::cli
