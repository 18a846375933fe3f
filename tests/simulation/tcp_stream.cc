// See tcp_stream.h.
#include "tcp_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/assert.h"

namespace kferry::simulation {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int make_socket(int flags) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  KFERRY_ASSERT(fd >= 0);
  return fd;
}

// Bound to a free port.
int bound(std::uint16_t& port) {
  const int fd = make_socket(SOCK_NONBLOCK);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  KFERRY_ASSERT(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  KFERRY_ASSERT(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

void Poller::wait(Duration at_most) {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(at_most);
  ::poll(wanted_.data(), wanted_.size(), static_cast<int>(whole.count()));
  wanted_.clear();
}

std::unique_ptr<TcpStream> TcpStream::dial(Poller& poller, std::uint16_t port) {
  const int fd = make_socket(0);
  const sockaddr_in address = loopback(port);
  // On loopback a connect ends at once.
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return nullptr;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<TcpStream>(poller, fd);
}

std::size_t TcpStream::write(std::string_view bytes) {
  const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) {
    reset_ = true;  // the kernel says so once, to whichever call comes first
    return 0;
  }
  if (sent < static_cast<ssize_t>(bytes.size())) poller_.want(fd_, POLLOUT);
  return sent < 0 ? 0 : static_cast<std::size_t>(sent);
}

std::string TcpStream::read(std::size_t size_max) {
  std::string bytes(size_max, '\0');
  const ssize_t got = ::recv(fd_, bytes.data(), size_max, MSG_DONTWAIT);
  if (got == 0) ended_ = true;
  if (got < 0 && errno == EAGAIN) poller_.want(fd_, POLLIN);
  if (got < 0 && errno != EAGAIN) reset_ = true;
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

void TcpStream::shutdown() {
  ::shutdown(fd_, SHUT_WR);
}

void TcpStream::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void TcpStream::reset() {
  if (fd_ < 0) return;
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

TcpAcceptor::TcpAcceptor(Poller& poller) : poller_(poller), fd_(bound(port_)) {
  KFERRY_ASSERT(::listen(fd_, 128) == 0);
}

std::unique_ptr<Stream> TcpAcceptor::accept() {
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) {
    poller_.want(fd_, POLLIN);
    return nullptr;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return std::make_unique<TcpStream>(poller_, fd);
}

void TcpAcceptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::vector<std::uint16_t> free_ports(std::size_t count) {
  std::vector<std::uint16_t> ports(count);
  std::vector<int> held;
  for (std::uint16_t& port : ports) held.push_back(bound(port));
  for (const int fd : held) ::close(fd);
  return ports;
}

}  // namespace kferry::simulation
