#include "cli/kernel_tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/socket_address.h"

namespace kferry::cli {
namespace {

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string failed(const char* what) {
  return std::string("unknown: ") + what + ": " + std::strerror(errno);
}

}  // namespace

std::string kernel_tls_refusal() {
  // Only an established connection takes the protocol.
  const Socket listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  const auto loopback = SocketAddress::parse("127.0.0.1", 0);
  if (listening.fd() < 0 || bind(listening.fd(), loopback->get(), loopback->size()) != 0 ||
      listen(listening.fd(), 1) != 0 ||
      getsockname(listening.fd(), reinterpret_cast<sockaddr*>(&where), &size) != 0) {
    return failed("cannot listen on loopback");
  }
  const Socket connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connected.fd() < 0 || connect(connected.fd(), reinterpret_cast<sockaddr*>(&where), size) != 0) {
    return failed("cannot connect to loopback");
  }
  if (setsockopt(connected.fd(), IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0) return {};
  if (errno == ENOENT) return "the kernel has no TLS, or its module is not loaded";
  return std::string("refused: ") + std::strerror(errno);
}

}  // namespace kferry::cli
