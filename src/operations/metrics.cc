#include "operations/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/assert.h"

namespace kferry::operations {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

// The shortest text that reads back as the same number.
std::string number_text(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (std::isnan(value)) return "NaN";
  std::array<char, 32> text{};
  constexpr double exact_below = 9'007'199'254'740'992;  // 2^53
  const bool whole = value == std::floor(value) && std::abs(value) <= exact_below;
  const auto end = whole
                       ? std::to_chars(text.data(), text.data() + text.size(), static_cast<long long>(value))
                       : std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

// As OpenMetrics writes the bound of a bucket. The same in both formats, so that a series keeps its labels when a
// client changes its Accept header.
std::string bound_text(double bound) {
  const std::string text = number_text(bound);
  return text.find_first_of(".eI") == std::string::npos ? text + ".0" : text;
}

// "{cluster="a",listener="b"" or empty.
std::string labels_text(const MetricRow& row, MetricsPage::Values values) {
  std::string out;
  std::string_view names = row.labels;
  for (const std::string_view value : values) {
    KFERRY_ASSERT(!names.empty());
    const std::size_t comma = names.find(',');
    out.append(out.empty() ? "{" : ",").append(names.substr(0, comma));
    out.append("=\"").append(escaped(value)).append("\"");
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  KFERRY_ASSERT(names.empty());
  return out;
}

const MetricRow& row_of(Metric metric) {
  const MetricRow& row = metric_rows()[static_cast<std::size_t>(metric)];
  KFERRY_ASSERT(row.metric == metric);
  return row;
}

std::string_view without_suffix(std::string_view name, std::string_view suffix) {
  if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  return name;
}

std::string_view family_of(const MetricRow& row, MetricsFormat format) {
  if (format == MetricsFormat::prometheus) return row.name;
  if (row.type == MetricType::counter) return without_suffix(row.name, "_total");
  if (row.type == MetricType::info) return without_suffix(row.name, "_info");
  return row.name;
}

std::string_view type_text(MetricType type, MetricsFormat format) {
  switch (type) {
    case MetricType::counter:
      return "counter";
    case MetricType::gauge:
      return "gauge";
    case MetricType::histogram:
      return "histogram";
    case MetricType::info:
      return format == MetricsFormat::prometheus ? "gauge" : "info";
  }
  return "";
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes what comes before `separator` from the front of `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view part = trimmed(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

}  // namespace

MetricsFormat metrics_format(std::string_view accept) {
  double openmetrics = 0;
  double plain = 0;
  while (!accept.empty()) {
    std::string_view range = take_until(accept, ',');
    const std::string_view type = take_until(range, ';');
    double weight = 1;
    bool version_known = true;
    while (!range.empty()) {
      std::string_view value = take_until(range, ';');
      const std::string_view name = take_until(value, '=');
      if (name == "version") version_known = value.starts_with("1.") || value == "0.0.1";
      if (name == "q") weight = std::atof(std::string(value).c_str());
    }
    if (type == "application/openmetrics-text" && version_known) openmetrics = std::max(openmetrics, weight);
    if (type == "text/plain") plain = std::max(plain, weight);
  }
  return openmetrics > 0 && openmetrics >= plain ? MetricsFormat::openmetrics : MetricsFormat::prometheus;
}

std::string_view content_type(MetricsFormat format) {
  return format == MetricsFormat::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsPage::add(Metric metric, Values values, double value) {
  const MetricRow& row = row_of(metric);
  KFERRY_ASSERT(row.type != MetricType::histogram);
  const std::string labels = labels_text(row, values);
  std::string& out = lines_[static_cast<std::size_t>(metric)];
  out.append(row.name).append(labels).append(labels.empty() ? " " : "} ");
  out.append(number_text(value)).append("\n");
}

void MetricsPage::add(Metric metric, Values values, const HistogramSample& sample) {
  const MetricRow& row = row_of(metric);
  KFERRY_ASSERT(row.type == MetricType::histogram && sample.counts.size() == sample.bounds.size() + 1);
  const std::string labels = labels_text(row, values);
  const std::string bucket_labels = labels.empty() ? "{" : labels + ",";
  const std::string rest_labels = labels.empty() ? " " : labels + "} ";
  std::string& out = lines_[static_cast<std::size_t>(metric)];
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < sample.counts.size(); ++i) {
    total += sample.counts[i];
    const std::string bound = i < sample.bounds.size() ? bound_text(sample.bounds[i]) : "+Inf";
    out.append(row.name).append("_bucket").append(bucket_labels).append("le=\"").append(bound);
    out.append("\"} ").append(std::to_string(total)).append("\n");
  }
  out.append(row.name).append("_sum").append(rest_labels).append(number_text(sample.sum)).append("\n");
  out.append(row.name).append("_count").append(rest_labels).append(std::to_string(total)).append("\n");
}

std::string MetricsPage::text(MetricsFormat format) const {
  std::string out;
  for (const MetricRow& row : metric_rows()) {
    const std::string& lines = lines_[static_cast<std::size_t>(row.metric)];
    if (lines.empty()) continue;
    const std::string family(family_of(row, format));
    out.append("# HELP ").append(family).append(" ").append(row.help).append("\n");
    out.append("# TYPE ").append(family).append(" ").append(type_text(row.type, format)).append("\n");
    if (format == MetricsFormat::openmetrics && !unit_of(row).empty())
      out.append("# UNIT ").append(family).append(" ").append(unit_of(row)).append("\n");
    out.append(lines);
  }
  if (format == MetricsFormat::openmetrics) out.append("# EOF\n");
  return out;
}

}  // namespace kferry::operations
