// `kferry doctor`: what this host offers, which path will be taken, each lack with its remedy. Reads the
// host, never the configuration.
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/style.h"
#include "ring/backend.h"
#include "ring/congestion_control.h"
#include "ring/kernel_tls.h"
#include "ring/probe.h"
#include "tls/context.h"
#include "tls/known_answers.h"

namespace kferry::cli {
namespace {

// Two descriptors per connection: below this a busy edge host runs out.
constexpr rlim_t open_files_wanted = 65'536;
// What a spliced direction asks of its pipe.
constexpr long pipe_size_wanted = 1024L * 1024;

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  for (char& c : line) {
    if (c == '\t') c = ' ';
  }
  return line;
}

std::string limit_text(rlim_t value) {
  return value == RLIM_INFINITY ? std::string("unlimited") : std::to_string(value);
}

class Examination {
 public:
  void row(bool good, const std::string& name, const std::string& found, const std::string& remedy = {}) {
    const std::string mark =
        good ? paint(colours_, Colour::green, "ok  ") : paint(colours_, Colour::yellow, "lack");
    std::printf("%s  %-28s %s\n", mark.c_str(), name.c_str(), without_controls(found).c_str());
    if (!good && !remedy.empty()) std::printf("      %s\n", without_controls(remedy).c_str());
  }

  void limits() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    row(files.rlim_max >= open_files_wanted, "open files",
        "soft " + limit_text(files.rlim_cur) + ", hard " + limit_text(files.rlim_max) + ": room for about " +
            (files.rlim_max == RLIM_INFINITY ? std::string("any number of")
                                             : std::to_string(files.rlim_max / 2)) +
            " connections (kferry raises the soft limit)",
        "raise the hard limit: LimitNOFILE=1048576 in the service, or --ulimit nofile in the container");
    rlimit locked{};
    getrlimit(RLIMIT_MEMLOCK, &locked);
    // Since Linux 5.12 rings are charged to the memory cgroup; older ones count here.
    row(true, "locked memory", limit_text(locked.rlim_cur));
    const std::string pipe = first_line("/proc/sys/fs/pipe-max-size");
    row(!pipe.empty() && std::atol(pipe.c_str()) >= pipe_size_wanted, "fs.pipe-max-size",
        pipe.empty() ? "unknown" : pipe,
        "sysctl fs.pipe-max-size=1048576: smaller pipes make splicing large frames slower");
    row(true, "fs.pipe-user-pages-soft", first_line("/proc/sys/fs/pipe-user-pages-soft"));
    row(true, "ephemeral ports",
        first_line("/proc/sys/net/ipv4/ip_local_port_range") + ": keep listener ports outside");
  }

  void congestion_control() {
    const ring::HostCongestionControl host = ring::host_congestion_control();
    const bool costly = ring::paces_by_timers(host);
    std::string found = host.name.empty() ? "unknown" : host.name;
    if (!host.queue.empty()) found += ", new interfaces queue by " + host.queue;
    if (costly) found += ": large sends cost 25 to 46 % more CPU, since the kernel paces them by timers";
    row(!costly, "TCP congestion control", found,
        "sysctl net.core.default_qdisc=fq, and tc qdisc replace dev DEVICE root fq for the interfaces that "
        "are "
        "up; where there is no queue (loopback, a pod's veth): congestion_control = \"cubic\" in [engine]");
  }

  void cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    row(known, "cores",
        known ? std::to_string(CPU_COUNT(&set)) + " usable of " + std::to_string(online) + ": one worker each"
              : "unknown",
        "allow sched_getaffinity in the container's seccomp profile");
  }

  void tls() {
    row(true, "TLS library", std::string(tls::library_version()));
    const auto wrong = tls::check_known_answers();
    row(!wrong, "TLS self-test", wrong ? "a record comes out wrong" : "records come out as they should",
        wrong.value_or(""));
#if defined(__x86_64__)
    row(__builtin_cpu_supports("aes") != 0, "AES instructions",
        __builtin_cpu_supports("aes") != 0 ? "the processor has them"
                                           : "the processor has none, or hides them",
        "on a virtual machine pass the host's processor through; else prefer CHACHA20 in the cipher lists");
#endif
    const ring::KernelTls kernel = ring::probe_kernel_tls();
    row(kernel.refusal.empty(), "kernel TLS",
        kernel.refusal.empty() ? "large TLS records can stay in the kernel" : kernel.refusal,
        "modprobe tls (CONFIG_TLS); without it kferry encrypts by itself");
    if (!kernel.refusal.empty()) return;
    row(kernel.changes_keys, "kernel TLS: new keys",
        kernel.changes_keys ? "a KeyUpdate is followed" : "a KeyUpdate ends its connection, in order",
        "Linux 6.14 or newer; or tls.kernel_receive = off, where clients change keys often");
  }

  void rings() {
    const std::string uring = ring::refusal(ring::Backend::io_uring);
    const std::string epoll = ring::refusal(ring::Backend::epoll);
    row(uring.empty(), "io_uring", uring.empty() ? "usable" : "not usable", uring);
    row(epoll.empty(), "epoll", epoll.empty() ? "usable where io_uring is not" : "not usable", epoll);
    for (const ring::Feature& feature : ring::probe_host()) {
      row(feature.available, feature.name, feature.used_for, feature.remedy);
    }
  }

 private:
  bool colours_ = colours_wanted(stdout);
};

}  // namespace

int doctor(const DoctorOptions&) {
  Examination examination;
  utsname kernel{};
  uname(&kernel);
  examination.row(true, "kernel", std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine);
  examination.cores();
  examination.limits();
  examination.congestion_control();
  examination.tls();
  examination.rings();
  const ring::Choice choice = ring::choose_backend();
  if (choice.refusal.empty()) {
    std::printf("\nPath: io_uring, with what is marked ok above\n");
    return exit_well;
  }
  if (ring::refusal(choice.backend).empty()) {
    std::printf("\nPath: epoll, since io_uring is not usable: everything works, at more CPU per request\n");
    return exit_well;
  }
  std::printf("\nPath: none: kferry cannot run here until io_uring or epoll can be used\n");
  return exit_failure;
}

}  // namespace kferry::cli
