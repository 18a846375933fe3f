#include "ring/congestion_control.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace kferry::ring {
namespace {

std::string word_in(const char* path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

}  // namespace

std::string congestion_control_refusal(const std::string& name) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};  // what needs sockets says so
  const int error =
      ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0
          ? 0
          : errno;
  ::close(fd);
  if (error == 0) return {};
  const std::string remedy =
      error == ENOENT ? "load its module (modprobe tcp_" + name +
                            "), or choose one of net.ipv4.tcp_available_congestion_control"
      : error == EPERM ? "add it to net.ipv4.tcp_allowed_congestion_control on the host"
                       : "choose one of net.ipv4.tcp_available_congestion_control";
  return std::string(std::strerror(error)) + ": " + remedy;
}

HostCongestionControl host_congestion_control() {
  return {word_in("/proc/sys/net/ipv4/tcp_congestion_control"), word_in("/proc/sys/net/core/default_qdisc")};
}

bool paces_by_timers(const HostCongestionControl& host) {
  return host.name.starts_with("bbr") && host.queue != "fq";
}

}  // namespace kferry::ring
