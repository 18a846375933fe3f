// What the real backends share. A Socket is a file descriptor of this process, non-blocking and close-on-exec, and the
// calls that take effect at once are system calls on it. Other threads reach the ring through its LetterBox.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ring/letter_box.h"
#include "ring/ring.h"

namespace kferry::ring {

class KernelSockets : public Ring {
 public:
  Opened listen(const SocketAddress& address, int backlog, Families families = Families::own) override;
  SocketAddress local_address(Socket socket) override;
  SocketAddress remote_address(Socket socket) override;
  void set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval, int probes) override;
  void shut_write(Socket socket) override;
  int peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) override;
  TcpState tcp_state(Socket socket) override;
  int set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) override;
  int reinstall_tls_key(Socket socket) override;
  int receive_tls_record(Socket socket, std::span<std::byte> room, std::uint8_t& type) override;
  int send_tls_record(Socket socket, std::uint8_t type, std::span<const std::byte> content) override;
  void close(Socket socket, bool reset) override;
  std::shared_ptr<Mailbox> mailbox() override { return mailbox_; }
  void wake() override;
  // By set_options(), from now on; empty: the host's stays.
  void use_congestion_control(std::string name) { congestion_control_ = std::move(name); }

 protected:
  KernelSockets();

  static int fd_of(Socket socket) { return static_cast<int>(socket); }
  // A stream socket of the address's family.
  static Opened make_socket(const SocketAddress& address);
  // The same for a connection on which this side sends first.
  static Opened make_connecting(const SocketAddress& address);
  // Ends the wait and returns the letters that other threads have posted. Valid until the next call.
  const std::vector<LetterBox::Letter>& take_letters();

  const std::shared_ptr<LetterBox> mailbox_ = std::make_shared<LetterBox>();
  bool woken_ = false;  // the current or the next wait() does not block

 private:
  const std::thread::id thread_ = std::this_thread::get_id();
  std::vector<LetterBox::Letter> letters_;
  std::string congestion_control_;
};

}  // namespace kferry::ring
