// What the real backends share: a Socket is a file descriptor of this process, non-blocking and close-on-exec, and the
// calls that take effect at once are system calls on it.
#pragma once

#include "ring/ring.h"

namespace kferry::ring {

class KernelSockets : public Ring {
 public:
  Opened listen(const SocketAddress& address, int backlog) override;
  SocketAddress local_address(Socket socket) override;
  SocketAddress remote_address(Socket socket) override;
  void set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval, int probes) override;
  void shut_write(Socket socket) override;
  int peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) override;
  int set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) override;
  int reinstall_tls_key(Socket socket) override;
  int receive_tls_record(Socket socket, std::span<std::byte> room, std::uint8_t& type) override;
  int send_tls_record(Socket socket, std::uint8_t type, std::span<const std::byte> content) override;
  void close(Socket socket, bool reset) override;

 protected:
  KernelSockets();

  static int fd_of(Socket socket) { return static_cast<int>(socket); }
  // A stream socket of the address's family.
  static Opened make_socket(const SocketAddress& address);
  // The same for a connection on which this side sends first.
  static Opened make_connecting(const SocketAddress& address);
};

}  // namespace kferry::ring
