// The series of /metrics: their names, types, labels and meanings, one row each.
//
// Names, types and labels are an interface, which dashboards and alerts depend on: tests/cli/metrics.golden keeps them,
// docs/metrics.md explains them, and tests/cli/test_metrics.py compares both with this table and the endpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kferry::operations {

// info: always 1, for its labels. A gauge in the Prometheus format.
enum class MetricType : std::uint8_t { counter, gauge, histogram, info };

// In the order of the table.
enum class Metric : std::uint8_t {
  build_info,
  connections,
  connections_active,
  connections_closed,
  probes,
  bytes,
  spliced_bytes,
  requests,
  requests_in_flight,
  requests_unanswered,
  request_duration,
  rewrites,
  addresses_withheld,
  dials,
  dial_duration,
  stand_ins_active,
  topology_age,
  brokers,
  tls_handshakes,
  ktls_connections,
  authentications,
  certificate_not_after,
  ports,
  receive_buffers,
  held_bytes,
  audit_records,
  audit_dropped,
  log_dropped,
  degraded,
  draining,
  reloads,
  last_reload_success,
  config_hash_info,
  worker_turns,
  process_start_time,
  process_open_fds,
  process_max_fds,
  process_resident_memory,
  process_cpu,
  end_,
};
inline constexpr auto metrics_count = static_cast<std::size_t>(Metric::end_);

struct MetricRow {
  Metric metric{};
  std::string_view name;  // with unit and suffix
  MetricType type{};
  std::string_view labels;  // separated by commas, in order; empty: no labels
  std::string_view help;    // one line, without quotes and backslashes, which the formats would escape
};
std::span<const MetricRow> metric_rows();

// "seconds" or "bytes" if the name has that unit, else empty.
std::string_view unit_of(const MetricRow& row);

}  // namespace kferry::operations
