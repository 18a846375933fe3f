#include "operations/metrics.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <set>

namespace kferry::operations {
namespace {

TEST_CASE("samples follow the HELP and TYPE of their metric, in the order of the table") {
  MetricsPage page;
  page.add(Metric::worker_turns, {"0"}, 12);
  page.add(Metric::brokers, {"a", "listed"}, 3);
  page.add(Metric::worker_turns, {"1"}, 1e15);
  CHECK(
      page.text() ==
      "# HELP kferry_brokers Known brokers. listed: by the last full list; unlisted: not by it; provisional: "
      "by one client's answer alone.\n"
      "# TYPE kferry_brokers gauge\n"
      "kferry_brokers{cluster=\"a\",state=\"listed\"} 3\n"
      "# HELP kferry_worker_turns_total Turns of a worker's loop.\n"
      "# TYPE kferry_worker_turns_total counter\n"
      "kferry_worker_turns_total{worker=\"0\"} 12\n"
      "kferry_worker_turns_total{worker=\"1\"} 1000000000000000\n");
}

TEST_CASE("OpenMetrics names families without _total and _info, gives units, and ends with EOF") {
  MetricsPage page;
  page.add(Metric::build_info, {"1", "c", "w", "io_uring"}, 1);
  page.add(Metric::spliced_bytes, {"to_client"}, 4096);
  page.add(Metric::draining, {}, 0);
  const std::string text = page.text(MetricsFormat::openmetrics);
  CHECK(text ==
        "# HELP kferry_build The version of kferry, and what it runs on. Always 1.\n"
        "# TYPE kferry_build info\n"
        "kferry_build_info{version=\"1\",commit=\"c\",wolfssl=\"w\",backend=\"io_uring\"} 1\n"
        "# HELP kferry_spliced_bytes Bytes that the kernel moved from socket to socket. Also in "
        "kferry_bytes_total.\n"
        "# TYPE kferry_spliced_bytes counter\n"
        "# UNIT kferry_spliced_bytes bytes\n"
        "kferry_spliced_bytes_total{direction=\"to_client\"} 4096\n"
        "# HELP kferry_draining 1 while clients are asked to leave.\n"
        "# TYPE kferry_draining gauge\n"
        "kferry_draining 0\n"
        "# EOF\n");
  CHECK(page.text().find("# TYPE kferry_build_info gauge\n") != std::string::npos);
}

TEST_CASE("a histogram has cumulative buckets, a sum and a count") {
  constexpr std::array bounds = {0.00005, 0.5, 10.0};
  constexpr std::array<std::uint64_t, 4> counts = {2, 0, 3, 1};
  MetricsPage page;
  page.add(Metric::dial_duration, {"a"}, {bounds, counts, 27.5});
  const std::string text = page.text();
  CHECK(text.substr(text.find("# TYPE")) ==
        "# TYPE kferry_dial_duration_seconds histogram\n"
        "kferry_dial_duration_seconds_bucket{cluster=\"a\",le=\"5e-05\"} 2\n"
        "kferry_dial_duration_seconds_bucket{cluster=\"a\",le=\"0.5\"} 2\n"
        "kferry_dial_duration_seconds_bucket{cluster=\"a\",le=\"10.0\"} 5\n"
        "kferry_dial_duration_seconds_bucket{cluster=\"a\",le=\"+Inf\"} 6\n"
        "kferry_dial_duration_seconds_sum{cluster=\"a\"} 27.5\n"
        "kferry_dial_duration_seconds_count{cluster=\"a\"} 6\n");
}

TEST_CASE("a label's value is escaped") {
  MetricsPage page;
  page.add(Metric::brokers, {"a\"b\\c\nd", "listed"}, 0);
  CHECK(page.text().find("{cluster=\"a\\\"b\\\\c\\nd\",state=") != std::string::npos);
}

TEST_CASE("infinity is written as both formats want it") {
  MetricsPage page;
  page.add(Metric::process_max_fds, {}, std::numeric_limits<double>::infinity());
  CHECK(page.text().ends_with("process_max_fds +Inf\n"));
}

TEST_CASE("the Accept header chooses the format") {
  using enum MetricsFormat;
  CHECK(metrics_format("") == prometheus);
  CHECK(metrics_format("*/*") == prometheus);
  CHECK(metrics_format("text/plain;version=0.0.4") == prometheus);
  CHECK(metrics_format("application/openmetrics-text") == openmetrics);
  CHECK(metrics_format("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.5") ==
        prometheus);
  CHECK(metrics_format("application/openmetrics-text; version=2.0.0") == prometheus);
  CHECK(metrics_format("application/openmetrics-text; q=0") == prometheus);
  // Prometheus 2.42 and 3.0.
  CHECK(metrics_format("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0."
                       "1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == openmetrics);
  CHECK(metrics_format("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                       "text/plain;version=0.0.4;q=0.4,*/*;q=0.3") == openmetrics);
}

TEST_CASE("names are unique, counters end in _total, and each metric has a meaning") {
  std::set<std::string_view> names;
  for (const MetricRow& row : metric_rows()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(row.name.ends_with("_total") == (row.type == MetricType::counter));
    CHECK(row.name.ends_with("_info") == (row.type == MetricType::info));
    CHECK(row.help.ends_with('.'));
    CHECK(row.help.find_first_of("\"\\\n") == std::string_view::npos);
    if (row.type == MetricType::histogram) CHECK(unit_of(row) == "seconds");
    // Two clusters may each have a listener of this name.
    if (row.labels.find("listener") != std::string_view::npos)
      CHECK(row.labels.starts_with("cluster,listener"));
  }
}

TEST_CASE("the kernel's numbers about this process") {
  MetricsPage page;
  add_process_metrics(page);
  const std::string text = page.text();
  for (const char* name : {"process_start_time_seconds ", "process_open_fds ", "process_max_fds ",
                           "process_resident_memory_bytes ", "process_cpu_seconds_total "})
    CHECK(text.find(std::string("\n") + name) != std::string::npos);
}

}  // namespace
}  // namespace kferry::operations
