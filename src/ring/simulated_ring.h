// The simulated backend: a ring whose sockets live in a Simulation. wait() never blocks: it returns what is due, and
// the caller advances time with Simulation::step(). A recycled buffer is filled with garbage, so that a use after
// recycle shows up; recycling a buffer twice is an assertion failure.
#pragma once

#include <cerrno>
#include <deque>
#include <memory>
#include <vector>

#include "ring/ring.h"
#include "ring/simulation.h"

namespace kferry::ring {

class SimulatedRing final : public Ring {
 public:
  explicit SimulatedRing(Simulation& world, std::size_t buffer_count = 64,
                         std::size_t buffer_size = 16 * 1024);
  ~SimulatedRing() override;
  SimulatedRing(const SimulatedRing&) = delete;
  SimulatedRing& operator=(const SimulatedRing&) = delete;

  Opened listen(const SocketAddress& address, int backlog, Families families = Families::own) override;
  SocketAddress local_address(Socket socket) override;
  SocketAddress remote_address(Socket socket) override;
  void set_options(Socket, Duration, Duration, int) override {}
  void shut_write(Socket socket) override;
  int peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) override;
  TcpState tcp_state(Socket socket) override;
  // The simulated kernel has no TLS.
  int set_tls_key(Socket, bool, std::span<const std::byte>) override { return -ENOENT; }
  int reinstall_tls_key(Socket) override { return -ENOENT; }
  int receive_tls_record(Socket, std::span<std::byte>, std::uint8_t&) override { return -ENOENT; }
  int send_tls_record(Socket, std::uint8_t, std::span<const std::byte>) override { return -ENOENT; }
  void close(Socket socket, bool reset) override;

  void accept(Token token, Socket listener) override;
  Opened connect(Token token, const SocketAddress& address) override;
  void receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size) override;
  void send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice, bool more) override;
  void splice(Token token, Socket from, Socket to, std::uint64_t size) override;
  void poll(Token token, Socket socket, std::uint32_t events) override;
  void watch(Token token, Socket socket) override;
  void timer(Token token, Instant deadline) override;
  void cancel(Token token) override;
  void message(Token receipt, Mailbox& to, Token token, std::int32_t value) override;
  std::shared_ptr<Mailbox> mailbox() override;
  void wake() override { woken_ = true; }

  void recycle(std::uint16_t buffer_id) override;
  std::size_t buffer_size() const override { return buffer_size_; }
  std::size_t buffer_count() const override { return buffers_.size(); }
  std::size_t buffers_free() const override { return free_.size(); }
  void return_memory() override;
  // How often that was asked for.
  std::size_t memory_returns() const { return memory_returns_; }

  std::span<const Completion> wait() override;
  Instant now() const override { return now_; }
  // Whether a completion or a wake() is due, so that wait() of another backend would return now.
  bool due() const { return woken_ || !due_.empty(); }

 private:
  friend class Simulation;
  struct Box final : Mailbox {
    SimulatedRing* ring = nullptr;  // null after the ring's destruction
  };
  struct Due {
    Token token;
    std::int32_t result = 0;
    bool more = false;
    std::vector<Piece> pieces;
  };

  void expect_unread(Socket socket) const;
  std::vector<Piece> fill(std::string_view bytes);

  Simulation& world_;
  Instant now_;
  std::size_t buffer_size_;
  std::vector<std::vector<std::byte>> buffers_;
  std::vector<bool> out_;
  std::deque<std::uint16_t> free_;
  std::size_t memory_returns_ = 0;
  std::vector<Due> due_;
  std::vector<Due> quiet_;  // successful sends with Notice::with_next, reported with what is due next
  bool woken_ = false;
  std::vector<Due> taken_;
  std::vector<Completion> completions_;
  std::shared_ptr<Box> box_;
};

}  // namespace kferry::ring
