// Fills the page of /metrics from what the proxy and the log have counted. Pure, but for the values of the process.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "cli/reloader.h"
#include "operations/health.h"
#include "operations/metrics.h"
#include "proxy/figures.h"
#include "proxy/server_status.h"

namespace kferry::cli {

// What the log and the audit trail have counted.
struct LineCounts {
  struct Audit {
    std::string_view sink;
    std::uint64_t records = 0;
    std::uint64_t dropped = 0;
  };
  std::uint64_t log_dropped = 0;
  std::optional<Audit> audit{};  // nullopt: no audit trail
};

struct MetricsSources {
  const proxy::Figures& figures;
  const proxy::ServerStatus& status;
  const std::set<operations::HealthCode>& degraded;
  const ReloadStatus& reloads;
  bool draining = false;
  LineCounts lines;
  std::string_view backend;
};

operations::MetricsPage metrics_page(const MetricsSources& sources);

}  // namespace kferry::cli
