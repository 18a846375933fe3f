// What the kernel says of this process, as the Prometheus client libraries name it. Documented in operations/metrics.h.
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "operations/metrics.h"

namespace kferry::operations {
namespace {

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

// The folder's size is their number since Linux 6.2; before, each has to be listed.
std::size_t open_descriptors() {
  struct stat about{};
  if (stat("/proc/self/fd", &about) == 0 && about.st_size > 0) return static_cast<std::size_t>(about.st_size);
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::size_t count = 0;
  while (const dirent* const entry = readdir(folder))
    if (entry->d_name[0] != '.') ++count;
  closedir(folder);
  return count - 1;  // without the folder's own
}

}  // namespace

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
