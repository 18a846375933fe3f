#include "operations/sd_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace kferry::operations {
namespace {

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const char* const end = text + std::strlen(text);
  std::uint64_t value = 0;
  const auto read = std::from_chars(text, end, value);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return value;
}

// A state is one line per assignment.
std::string status_line(std::string_view status) {
  std::string line = "STATUS=" + std::string(status);
  std::ranges::replace(line, '\n', ' ');
  return line;
}

}  // namespace

SdNotify::Options SdNotify::environment() {
  Options options;
  if (const char* const socket = std::getenv("NOTIFY_SOCKET")) options.socket = socket;
  const auto process = number_in("WATCHDOG_PID");
  const bool own = !process || *process == static_cast<std::uint64_t>(getpid());
  const auto interval = number_in("WATCHDOG_USEC");
  constexpr std::uint64_t year_us = 365ULL * 24 * 3600 * 1'000'000;
  if (own && interval && *interval > 0)
    options.watchdog = std::chrono::microseconds(std::min(*interval, year_us));
  return options;
}

std::optional<Duration> SdNotify::alive_interval() const {
  if (options_.socket.empty() || !options_.watchdog) return std::nullopt;
  return *options_.watchdog / 2;
}

int SdNotify::send(const std::string& state) const {
  if (options_.socket.empty()) return 0;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path ends in a NUL; an abstract name begins with one, and ends with the address.
  const bool abstract = options_.socket.front() == '@';
  if (options_.socket.size() + (abstract ? 0 : 1) > sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
  if (abstract) address.sun_path[0] = '\0';
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + options_.socket.size() + (abstract ? 0 : 1));
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), size);
  const int error = sent < 0 ? errno : 0;
  close(fd);
  return error;
}

int SdNotify::ready(std::string_view status) {
  return send("READY=1\n" + status_line(status));
}

int SdNotify::status(std::string_view status) {
  return send(status_line(status));
}

int SdNotify::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto us =
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us));
}

int SdNotify::stopping(std::string_view status) {
  return send("STOPPING=1\n" + status_line(status));
}

int SdNotify::main_process(pid_t process) {
  return send("MAINPID=" + std::to_string(process));
}

int SdNotify::alive() {
  return options_.watchdog ? send("WATCHDOG=1") : 0;
}

}  // namespace kferry::operations
