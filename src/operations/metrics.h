// The page of /metrics: samples in any order in, text out, in the Prometheus text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/) or in OpenMetrics 1.0. Pure, but for the values of the
// process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "operations/metrics_table.h"

namespace kferry::operations {

enum class MetricsFormat : std::uint8_t { prometheus, openmetrics };

// What a client with this Accept header gets (RFC 9110, section 12.5.1): OpenMetrics if it names it with a weight that
// is not below that of text/plain, else the Prometheus format. Empty: it has no such header.
MetricsFormat metrics_format(std::string_view accept);
std::string_view content_type(MetricsFormat format);

// What a histogram has counted. `counts` has one entry more than `bounds`: the last one is for what exceeds them all.
struct HistogramSample {
  std::span<const double> bounds;  // ascending
  std::span<const std::uint64_t> counts;
  double sum = 0;
};

// Writes the page in the order of the table.
class MetricsPage {
 public:
  using Values = std::initializer_list<std::string_view>;

  // `values` are those of the row's labels.
  void add(Metric metric, Values values, double value);
  void add(Metric metric, Values values, const HistogramSample& sample);
  std::string text(MetricsFormat format = MetricsFormat::prometheus) const;

 private:
  std::array<std::string, metrics_count> lines_;  // by metric
};

// What the kernel says of this process (/proc/self). A value that cannot be read is left out.
void add_process_metrics(MetricsPage& page);

}  // namespace kferry::operations
