#include "operations/metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace kferry::operations {
namespace {

using enum MetricType;

constexpr MetricRow rows[] = {
    {Metric::build_info, "kferry_build_info", gauge, "version,commit,wolfssl,backend",
     "The version of kferry, and what it runs on. Always 1."},
    {Metric::connections_active, "kferry_connections_active", gauge, "", "Client connections now."},
    {Metric::brokers, "kferry_brokers", gauge, "cluster,state",
     "Known brokers. listed: by the last full list; unlisted: not by it; provisional: by one client's answer "
     "alone."},
    {Metric::degraded, "kferry_degraded", gauge, "reason",
     "1 while the body of /health/ready has such a reason, else 0."},
    {Metric::draining, "kferry_draining", gauge, "", "1 while clients are asked to leave."},
    {Metric::reloads, "kferry_reloads_total", counter, "outcome",
     "Readings of the configuration since the start. applied; unchanged: without a difference; refused."},
    {Metric::last_reload_success, "kferry_config_last_reload_success_timestamp_seconds", gauge, "",
     "Unix time at which the configuration was last read without an error, at the start or by a reload."},
    {Metric::config_hash_info, "kferry_config_hash_info", gauge, "hash",
     "A digest of the configuration in force without its secrets. Always 1."},
    {Metric::worker_turns, "kferry_worker_turns_total", counter, "worker", "Turns of a worker's loop."},
    {Metric::process_start_time, "process_start_time_seconds", gauge, "",
     "Start time of the process since the Unix epoch in seconds."},
    {Metric::process_open_fds, "process_open_fds", gauge, "", "Number of open file descriptors."},
    {Metric::process_max_fds, "process_max_fds", gauge, "", "Maximum number of open file descriptors."},
    {Metric::process_resident_memory, "process_resident_memory_bytes", gauge, "",
     "Resident memory size in bytes."},
    {Metric::process_cpu, "process_cpu_seconds_total", counter, "",
     "Total user and system CPU time spent in seconds."},
};
static_assert(std::size(rows) == static_cast<std::size_t>(Metric::end_));

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
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

// Fields of /proc/self/stat behind the command's name, from field 3 (proc(5)).
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  std::vector<std::string> fields;
  if (name_end == std::string::npos) return fields;
  std::istringstream rest(line.substr(name_end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

// The time of the host's start since the Unix epoch, seconds; 0: unknown.
double boot_time_s() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("btime ")) return std::atof(line.c_str() + 6);
  return 0;
}

std::size_t open_descriptors() {
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::size_t count = 0;
  while (const dirent* const entry = readdir(folder))
    if (entry->d_name[0] != '.') ++count;
  closedir(folder);
  return count - 1;  // without the folder's own
}

}  // namespace

std::span<const MetricRow> metric_rows() {
  return rows;
}

void MetricsPage::add(Metric metric, std::initializer_list<std::string_view> values, double value) {
  const auto index = static_cast<std::size_t>(metric);
  const MetricRow& row = rows[index];
  KFERRY_ASSERT(row.metric == metric);
  std::string& out = lines_[index];
  out += row.name;
  std::string_view labels = row.labels;
  bool first = true;
  for (const std::string_view one : values) {
    KFERRY_ASSERT(!labels.empty());
    const std::size_t comma = labels.find(',');
    out.append(std::exchange(first, false) ? "{" : ",").append(labels.substr(0, comma));
    out.append("=\"").append(escaped(one)).append("\"");
    labels = comma == std::string_view::npos ? std::string_view() : labels.substr(comma + 1);
  }
  KFERRY_ASSERT(labels.empty());
  if (!first) out += '}';
  out.append(" ").append(number_text(value)).append("\n");
}

std::string MetricsPage::text() const {
  std::string out;
  for (const MetricRow& row : rows) {
    const std::string& lines = lines_[static_cast<std::size_t>(row.metric)];
    if (lines.empty()) continue;
    out.append("# HELP ").append(row.name).append(" ").append(row.help).append("\n# TYPE ").append(row.name);
    out.append(row.type == counter ? " counter\n" : " gauge\n").append(lines);
  }
  return out;
}

void add_process_metrics(MetricsPage& page) {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page_size = static_cast<double>(sysconf(_SC_PAGESIZE));
  constexpr std::size_t start_field = 22 - 3;
  constexpr std::size_t resident_field = 24 - 3;
  const std::vector<std::string> fields = stat_fields();
  if (fields.size() > resident_field) {
    if (const double boot = boot_time_s(); boot > 0)
      page.add(Metric::process_start_time, {}, boot + std::atof(fields[start_field].c_str()) / ticks);
    page.add(Metric::process_resident_memory, {}, std::atof(fields[resident_field].c_str()) * page_size);
  }
  if (const std::size_t open = open_descriptors(); open > 0)
    page.add(Metric::process_open_fds, {}, static_cast<double>(open));
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    page.add(Metric::process_max_fds, {},
             files.rlim_cur == RLIM_INFINITY ? INFINITY : static_cast<double>(files.rlim_cur));
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    page.add(Metric::process_cpu, {}, seconds(used.ru_utime) + seconds(used.ru_stime));
  }
}

}  // namespace kferry::operations
