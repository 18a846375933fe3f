// The series of /metrics: their names, types and meanings, one row each, and the Prometheus text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4). Pure.
//
// Names, types and labels are an interface: tests/cli/test_metrics.py compares them with docs/metrics.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace kferry::operations {

enum class MetricType : std::uint8_t { counter, gauge };

// In the order of the table.
enum class Metric : std::uint8_t {
  build_info,
  connections_active,
  brokers,
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

struct MetricRow {
  Metric metric{};
  std::string_view name;  // with unit and suffix
  MetricType type{};
  std::string_view labels;  // separated by commas, in order; empty: none
  std::string_view help;
};
std::span<const MetricRow> metric_rows();

// Collects samples in any order, and writes the page in the table's.
class MetricsPage {
 public:
  // `values` are those of the row's labels.
  void add(Metric metric, std::initializer_list<std::string_view> values, double value);
  std::string text() const;

 private:
  std::array<std::string, static_cast<std::size_t>(Metric::end_)> lines_;  // by metric
};

inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// What the kernel says of this process (/proc/self). A value that cannot be read is left out.
void add_process_metrics(MetricsPage& page);

}  // namespace kferry::operations
