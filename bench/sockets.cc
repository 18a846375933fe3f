#include "sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace kferry::bench {

void fail(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::fflush(nullptr);
  std::_Exit(1);
}

int check(int result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + std::strerror(errno));
  return result;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

sockaddr_in parse_address(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const auto colon = text.rfind(':');
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1 ||
      std::from_chars(text.data() + colon + 1, end, port).ptr != end)
    fail("an address is written 127.0.0.1:9092, not " + text);
  address.sin_port = htons(port);
  return address;
}

Descriptor listen_on(const sockaddr_in& address) {
  Descriptor listener(check(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  const int on = 1;
  check(::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  check(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  check(::listen(listener.get(), 4096), "listen");
  return listener;
}

std::uint16_t local_port(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

void make_ready(int fd) {
  const int on = 1;
  check(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  check(::fcntl(fd, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
}

Descriptor connect_to(const sockaddr_in& address) {
  Descriptor connection(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  check(::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  make_ready(connection.get());
  return connection;
}

void be_punctual() {
  check(::prctl(PR_SET_TIMERSLACK, 1), "PR_SET_TIMERSLACK");
}

Poller::Poller() : epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}

void Poller::add(int fd, std::uint64_t tag) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = tag}};
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void Poller::watch_output(int fd, std::uint64_t tag, bool wanted) {
  epoll_event event{.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data = {.u64 = tag}};
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event), "epoll_ctl");
}

void Poller::remove(int fd) {
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr), "epoll_ctl");
}

std::span<const epoll_event> Poller::wait(std::optional<std::chrono::nanoseconds> timeout) {
  timespec until{};
  if (timeout) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    until = {.tv_sec = seconds.count(), .tv_nsec = (*timeout - seconds).count()};
  }
  const int ready = ::epoll_pwait2(epoll_.get(), events_.data(), static_cast<int>(events_.size()),
                                   timeout ? &until : nullptr, nullptr);
  if (ready < 0 && errno == EINTR) return {};
  return std::span(events_).first(static_cast<std::size_t>(check(ready, "epoll_pwait2")));
}

std::size_t send_pieces(int fd, std::span<iovec> pieces, bool* gone) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return 0;
  if (gone != nullptr && (errno == EPIPE || errno == ECONNRESET)) {
    *gone = true;
    return 0;
  }
  fail(std::string("send: ") + std::strerror(errno));
}

std::size_t receive(int fd, std::span<std::byte> buffer, bool* ended) {
  const ssize_t received = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received > 0) return static_cast<std::size_t>(received);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (ended == nullptr)
    fail(received == 0 ? std::string("the connection was closed")
                       : std::string("receive: ") + std::strerror(errno));
  *ended = true;
  return 0;
}

}  // namespace kferry::bench
