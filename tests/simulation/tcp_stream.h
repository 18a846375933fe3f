// Streams over real sockets on loopback, never blocking, and the wait for whichever of them can go on.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "stream.h"

namespace kferry::simulation {

// What the scripts found themselves waiting for since the last wait().
class Poller {
 public:
  void want(int fd, short events) { wanted_.push_back({fd, events, 0}); }
  void wait(Duration at_most);

 private:
  std::vector<pollfd> wanted_;
};

class TcpStream final : public Stream {
 public:
  // Takes over `fd`.
  TcpStream(Poller& poller, int fd) : poller_(poller), fd_(fd) {}
  ~TcpStream() override { close(); }
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  // Connects to a port of 127.0.0.1; nullptr if nothing listens there.
  static std::unique_ptr<TcpStream> dial(Poller& poller, std::uint16_t port);

  std::size_t write(std::string_view bytes) override;
  std::string read(std::size_t size_max) override;
  bool ended() override { return ended_; }
  bool was_reset() override { return reset_; }
  void shutdown() override;
  void close() override;
  void reset() override;

 private:
  Poller& poller_;
  int fd_;
  bool ended_ = false;
  bool reset_ = false;
};

class TcpAcceptor final : public Acceptor {
 public:
  // Listens on a free port of 127.0.0.1.
  explicit TcpAcceptor(Poller& poller);
  ~TcpAcceptor() override { close(); }
  TcpAcceptor(const TcpAcceptor&) = delete;
  TcpAcceptor& operator=(const TcpAcceptor&) = delete;

  std::uint16_t port() const { return port_; }
  std::unique_ptr<Stream> accept() override;
  void close() override;

 private:
  Poller& poller_;
  std::uint16_t port_ = 0;  // before fd_, which sets it
  int fd_;
};

// So many ports of 127.0.0.1 that were free just now.
std::vector<std::uint16_t> free_ports(std::size_t count);

}  // namespace kferry::simulation
