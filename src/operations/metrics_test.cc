#include "operations/metrics.h"

#include <doctest/doctest.h>

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
      "kferry_worker_turns_total{worker=\"1\"} 1e+15\n");
}

TEST_CASE("a label's value is escaped") {
  MetricsPage page;
  page.add(Metric::brokers, {"a\"b\\c\nd", "listed"}, 0);
  CHECK(page.text().find("{cluster=\"a\\\"b\\\\c\\nd\",state=") != std::string::npos);
}

TEST_CASE("names are unique, counters end in _total, and each metric has a meaning") {
  std::set<std::string_view> names;
  for (const MetricRow& row : metric_rows()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(row.name.ends_with("_total") == (row.type == MetricType::counter));
    CHECK(row.help.ends_with('.'));
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
