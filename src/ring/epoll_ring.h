// The epoll backend, for hosts that forbid io_uring. Created on the thread that runs it.
//
// Techniques: an operation that may succeed is tried at once, a send even before wait(). A socket is registered when an
// operation first has to wait for it, once, edge-triggered and for all events, and the ring remembers what the kernel
// reported. A receive fills several buffers with one call. A wake() from another thread is an edge of an eventfd, which
// is never read.
//
// No wake-up is lost. `readable` and `writable` stay true until a call proves otherwise: by EAGAIN or, if
// `short_is_dry`, by transferring less than it was asked to. Anything that arrives after that call raises an edge, and
// registering a socket reports what arrived before. An end of stream, an error or urgent data may follow a short
// receive without an edge of its own, and kernel TLS delivers one record at a time. On such a socket only EAGAIN
// counts.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "ring/kernel_sockets.h"
#include "ring/lent_buffers.h"
#include "ring/op_slab.h"
#include "ring/slot_pool.h"
#include "ring/splice_transfer.h"
#include "ring/timer_heap.h"

namespace kferry::ring {

struct EpollOptions {
  std::size_t buffer_count = 256;
  std::size_t buffer_size = 16 * 1024;
};

class EpollRing final : public KernelSockets {
 public:
  // The error names the reason and the remedy.
  static std::expected<std::unique_ptr<Ring>, std::string> create(const EpollOptions& options);
  // The caller still owns the sockets.
  ~EpollRing() override;

  int set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) override;
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

  void recycle(std::uint16_t buffer_id) override { buffers_.recycle(buffer_id); }
  std::size_t buffer_size() const override { return buffers_.size(); }
  std::size_t buffer_count() const override { return buffers_.count(); }
  std::size_t buffers_free() const override { return buffers_.free(); }
  void return_memory() override {
    buffers_.return_memory();
    parcels_.forget_if_unused();
  }

  std::span<const Completion> wait() override;
  Instant now() const override { return now_; }
  Instant clock() const override { return monotonic_now(); }

 private:
  // The operations that wait on a descriptor, and what is known about it.
  struct Interest {
    std::uint32_t reader = Op::none;  // a receive, an accept, or a splice from here
    std::uint32_t writer = Op::none;  // a send, a connect, or a splice to here
    std::uint32_t poller = Op::none;
    std::uint32_t watcher = Op::none;
    bool registered = false;
    bool readable = true;
    bool writable = true;
    bool short_is_dry = true;  // a short transfer means that there is nothing more
  };
  // What a waiting send still needs.
  struct Parcel {
    std::array<iovec, iov_max> pieces;
    std::size_t count = 0;
  };

  EpollRing() = default;
  std::expected<void, std::string> open(const EpollOptions& options);

  void enter(bool block);
  void on_event(const epoll_event& event);
  void on_wake();

  Interest& interest(int fd);
  int register_once(int fd);
  void await_input(std::uint32_t slot, int fd);
  void await_room(std::uint32_t slot, int fd);
  void fail_unwatched(std::uint32_t slot, int error);
  void stop_waiting(std::uint32_t slot);
  void read(int fd);
  void write(int fd);
  void check_polls(int fd);
  void check_poll(int fd, std::uint32_t slot);
  void continue_receive(std::uint32_t slot);
  void continue_accept(std::uint32_t slot);
  void continue_send(std::uint32_t slot);
  void transfer(std::uint32_t slot);
  void end_transfer(std::uint32_t slot, bool cancelled);
  std::int64_t send_now(int fd, std::span<const iovec> pieces, std::size_t size, bool more);
  void finish(Token token, std::int64_t result, bool more = false);
  void complete(std::uint32_t slot, std::int64_t result);

  int epoll_fd_ = -1;
  Instant now_{};
  std::array<epoll_event, 256> events_{};
  LentBuffers buffers_;
  SplicePipes pipes_;
  OpSlab ops_;
  TimerHeap timers_{ops_};
  SlotPool<Parcel> parcels_;
  SlotPool<SpliceTransfer> transfers_;
  std::vector<Interest> interests_;  // by descriptor
  std::vector<int> due_;             // descriptors to read from before wait() blocks
  std::vector<int> taken_due_;

  std::vector<Completion> pending_;  // reported by the next wait()
  std::vector<Completion>
      quiet_;  // successful sends with Notice::with_next, reported with the next pending one
  std::vector<Completion> completions_;
  std::vector<Piece> pieces_;
};

}  // namespace kferry::ring
