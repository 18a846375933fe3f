// What both sides of load need of sockets: made ready for epoll, and an end with a message when anything is
// amiss.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace kferry::bench {

// A benchmark whose bytes are wrong has no figure: says why on stderr and exits with 1.
[[noreturn]] void fail(const std::string& why);
// The same, with errno's text, when `result` is below 0; else returns it.
int check(int result, const char* what);

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& from) noexcept : fd_(std::exchange(from.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& from) noexcept {
    std::swap(fd_, from.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

// "127.0.0.1:9092"; fails on anything else.
sockaddr_in parse_address(const std::string& text);
Descriptor listen_on(const sockaddr_in& address);
std::uint16_t local_port(int fd);
// Connected, then non-blocking, with TCP_NODELAY.
Descriptor connect_to(const sockaddr_in& address);
void make_ready(int fd);  // non-blocking, TCP_NODELAY

// This thread's time-outs end when they are due, not when it suits the kernel (50 us by default).
void be_punctual();

// Level-triggered epoll by 64-bit tags.
class Poller {
 public:
  Poller();
  void add(int fd, std::uint64_t tag);
  // Input is always watched, output on demand.
  void watch_output(int fd, std::uint64_t tag, bool wanted);
  void remove(int fd);
  // Nothing: for as long as it takes.
  std::span<const epoll_event> wait(std::optional<std::chrono::nanoseconds> timeout);

 private:
  Descriptor epoll_;
  std::array<epoll_event, 256> events_{};
};

// Sends the pieces; how many bytes went, 0 when the socket takes none now, or when the other side is gone and
// `gone` is there to say so.
std::size_t send_pieces(int fd, std::span<iovec> pieces, bool* gone = nullptr);
// What has come, at most the buffer; 0 when nothing is there. Fails when the stream has ended, unless `ended`
// is given to say so.
std::size_t receive(int fd, std::span<std::byte> buffer, bool* ended = nullptr);

}  // namespace kferry::bench
