// A ring without a kernel, for counting: a receive is answered from what was put in, a send is taken whole; the next
// wait() tells. What is left to count is the proxy's own work, the same on every run.
// Its own work, the copying above all, is taken out of callgrind's count.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "ring/ring.h"

namespace kferry::bench {

class StillRing final : public ring::Ring {
 public:
  StillRing(std::size_t buffer_count, std::size_t buffer_size);

  // --- the world's side
  // Somebody connects to the listening socket; accepted in the next wait().
  ring::Socket arrive();
  // The other end of the newest connect().
  ring::Socket dialled() const { return ring::Socket{last_dialled_}; }
  // These bytes have arrived at `socket`; they stay valid until received.
  void put(ring::Socket socket, std::span<const std::byte> bytes);
  // Bytes that have left at `socket`.
  std::uint64_t taken(ring::Socket socket) const { return ends_[index(socket)].taken; }

  // A wait() now would return at once.
  bool due() const;

  struct Counts {
    std::uint64_t operations = 0;  // receive, send, splice, poll, timer, cancel and the rest
    std::uint64_t waits = 0;
  };
  Counts counts() const { return counts_; }

  // --- ring::Ring
  Opened listen(const SocketAddress&, int, Families families = Families::own) override;
  SocketAddress local_address(ring::Socket) override { return {}; }
  SocketAddress remote_address(ring::Socket) override { return {}; }
  void set_options(ring::Socket, Duration, Duration, int) override {}
  void shut_write(ring::Socket) override {}
  int set_tls_key(ring::Socket, bool, std::span<const std::byte>) override;
  int peek(ring::Socket socket, std::uint64_t offset, std::span<std::byte> room) override;
  int reinstall_tls_key(ring::Socket) override { return 0; }
  int receive_tls_record(ring::Socket, std::span<std::byte>, std::uint8_t&) override;
  int send_tls_record(ring::Socket, std::uint8_t, std::span<const std::byte>) override;
  void close(ring::Socket, bool) override {}

  void accept(ring::Token token, ring::Socket listener) override;
  Opened connect(ring::Token token, const SocketAddress& address) override;
  void receive(ring::Token token, ring::Socket socket, std::size_t size_max,
               std::size_t multishot_size) override;
  void send(ring::Token token, ring::Socket socket, std::span<const iovec> pieces, ring::Notice notice,
            bool more) override;
  void splice(ring::Token token, ring::Socket from, ring::Socket to, std::uint64_t size) override;
  void poll(ring::Token token, ring::Socket socket, std::uint32_t events) override;
  void watch(ring::Token token, ring::Socket socket) override;
  ring::TcpState tcp_state(ring::Socket) override { return {}; }
  void timer(ring::Token token, Instant deadline) override;
  void cancel(ring::Token token) override;
  void message(ring::Token, ring::Mailbox&, ring::Token, std::int32_t) override;
  std::shared_ptr<ring::Mailbox> mailbox() override { return std::make_shared<Box>(); }
  void wake() override { woken_ = true; }

  void recycle(std::uint16_t buffer_id) override { free_.push_back(buffer_id); }
  std::size_t buffer_size() const override { return buffer_size_; }
  std::size_t buffer_count() const override { return buffers_.size(); }
  std::size_t buffers_free() const override { return free_.size(); }

  std::span<const ring::Completion> wait() override;
  Instant now() const override { return now_; }

 private:
  enum class Kind : std::uint8_t { accept, connect, receive, send, splice, poll, watch, timer };
  struct Box final : ring::Mailbox {};
  struct End {
    std::deque<std::span<const std::byte>> inbox;
    std::uint64_t taken = 0;
  };
  struct Op {
    ring::Token token;
    Kind kind;
    ring::Socket socket = ring::Socket::none;
    ring::Socket to = ring::Socket::none;  // splice
    std::uint64_t size = 0;
    std::uint64_t multishot = 0;  // receive: the bytes after which it ends; 0 for a single one
    bool quiet = false;
    bool cancelled = false;
  };
  struct Done {
    ring::Completion completion;
    std::vector<ring::Piece> pieces;
  };

  static std::size_t index(ring::Socket socket) { return static_cast<std::size_t>(socket); }
  ring::Socket open();
  void ask(const Op& op);
  bool possible(const Op& op) const;
  Done complete(const Op& op);
  // From the inbox, up to `size`.
  std::span<const std::byte> take(End& end, std::uint64_t size);

  std::size_t buffer_size_;
  std::vector<std::vector<std::byte>> buffers_;
  std::vector<std::uint16_t> free_;
  std::vector<End> ends_;
  std::deque<ring::Socket> arrived_;
  int last_dialled_ = -1;
  std::vector<Op> ops_;
  std::vector<Op> left_;    // ops_ after a wait(): the two take turns, and neither allocates
  std::vector<Done> done_;  // what the last wait() told
  std::vector<ring::Completion> completions_;
  bool woken_ = false;
  Counts counts_;
  Instant now_{std::chrono::hours{1}};
};

}  // namespace kferry::bench
