#include "base/handed_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <utility>

namespace kferry {
namespace {

// More than any unit or kferry hands over; a larger number is not a number of descriptors.
constexpr int handed_max = 100'000;

std::optional<int> number_of(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

int option_of(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

bool listens(int fd) {
  return option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1;
}

SocketAddress address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return {reinterpret_cast<const sockaddr*>(&storage), size};
}

// Empty: it is not a Unix socket with a path.
std::string unix_path_of(int fd) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  const std::size_t before = offsetof(sockaddr_un, sun_path);
  if (address.sun_family != AF_UNIX || size <= before || address.sun_path[0] == '\0') return {};
  const std::string_view path(address.sun_path, size - before);
  return std::string(path.substr(0, path.find('\0')));
}

}  // namespace

HandedSockets& HandedSockets::from_environment() {
  static HandedSockets handed;
  const std::optional<int> process = number_of(std::getenv("LISTEN_PID"));
  const std::optional<int> count = number_of(std::getenv("LISTEN_FDS"));
  const char* const names = std::getenv("LISTEN_FDNAMES");
  std::string_view left = names == nullptr ? std::string_view() : std::string_view(names);
  if (process == static_cast<int>(getpid()) && count && *count > 0 && *count <= handed_max) {
    const std::lock_guard lock(handed.mutex_);
    for (int fd = handed_first; fd < handed_first + *count; ++fd) {
      const std::size_t colon = left.find(':');
      const std::string name(left.substr(0, colon));
      left = colon == std::string_view::npos ? std::string_view() : left.substr(colon + 1);
      if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) handed.left_.push_back({fd, name});
    }
  }
  for (const char* const variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(variable);
  return handed;
}

HandedSockets::~HandedSockets() {
  for (const One& one : left_) close(one.fd);
}

template <typename Fits>
int HandedSockets::take_first(const Fits& fits) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(left_, fits);
  if (found == left_.end()) return -1;
  const int fd = found->fd;
  left_.erase(found);
  return fd;
}

int HandedSockets::take(const SocketAddress& address, bool both_families) {
  const int fd = take_first([&](const One& one) {
    if (!listens(one.fd) || !(address_of(one.fd) == address)) return false;
    if (address.family() != AF_INET6 || !address.is_wildcard()) return true;
    return (option_of(one.fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0) == both_families;
  });
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

int HandedSockets::take_unix(std::string_view path) {
  const int fd = take_first([&](const One& one) { return listens(one.fd) && unix_path_of(one.fd) == path; });
  if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

int HandedSockets::take_named(std::string_view name) {
  return take_first([&](const One& one) { return one.name == name; });
}

std::vector<std::string> HandedSockets::close_rest() {
  std::vector<One> rest;
  {
    const std::lock_guard lock(mutex_);
    rest = std::exchange(left_, {});
  }
  std::vector<std::string> texts;
  for (const One& one : rest) {
    const SocketAddress address = address_of(one.fd);
    const std::string path = unix_path_of(one.fd);
    texts.push_back(!address.empty() ? address.text() : !path.empty() ? path : "descriptor " + one.name);
    close(one.fd);
  }
  return texts;
}

}  // namespace kferry
