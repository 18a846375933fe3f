// Fills the page of /metrics from what the proxy and the log have counted. Pure, but for the values of the process.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "cli/reloader.h"
#include "operations/health.h"
#include "operations/metrics.h"
#include "proxy/figures.h"
#include "proxy/server_status.h"

namespace kferry::cli {

struct MetricsSources {
  const proxy::Figures& figures;
  const proxy::ServerStatus& status;
  const std::set<operations::HealthCode>& degraded;
  const ReloadStatus& reloads;
  bool draining = false;
  std::uint64_t log_dropped = 0;
  std::string_view backend;
};

operations::MetricsPage metrics_page(const MetricsSources& sources);

}  // namespace kferry::cli
