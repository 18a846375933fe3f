// The io_uring backend. Created on the thread that runs it, as SINGLE_ISSUER requires.
//
// Techniques: DEFER_TASKRUN (otherwise COOP_TASKRUN); a registered ring descriptor; receives from one shared
// provided-buffer ring, in bundles if the kernel has them, multishot if it counts their bytes; gather sends; multishot
// accept; MSG_RING between rings (otherwise a queue and an eventfd); one timer heap, served by the time-out of the
// wait. splice() is a poll followed by an inline splice(2), because IORING_OP_SPLICE on sockets punts to worker
// threads. Requires Linux 6.1; everything newer is probed by trying it.
#pragma once

#include <liburing.h>

#include <deque>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "ring/kernel_sockets.h"
#include "ring/op_slab.h"
#include "ring/receive_buffers.h"
#include "ring/slot_pool.h"
#include "ring/splice_transfer.h"
#include "ring/timer_heap.h"

namespace kferry::ring {

struct UringOptions {
  unsigned entries = 256;
  std::size_t buffer_count = 256;  // a power of two
  std::size_t buffer_size = 16 * 1024;
  // Tests switch these off to exercise the fallbacks for older kernels.
  bool defer_taskrun = true;
  bool bundles = true;
  bool message_ring = true;
  bool multishot_accept = true;
  bool multishot_receives = true;
};

class UringRing final : public KernelSockets {
 public:
  // The error names the reason and the remedy.
  static std::expected<std::unique_ptr<Ring>, std::string> create(const UringOptions& options);
  // Ends every operation and waits until the kernel has released it. The caller still owns the sockets.
  ~UringRing() override;

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
    addresses_.forget_if_unused();
  }

  std::span<const Completion> wait() override;
  Instant now() const override { return now_; }
  Instant clock() const override { return monotonic_now(); }

 private:
  // The memory that a send or connect points the kernel at. Its address stays fixed until the completion.
  struct Parcel {
    msghdr header{};
    iovec pieces[iov_max];
  };

  UringRing() = default;
  std::expected<void, std::string> open(const UringOptions& options);
  bool try_message_ring(int ring_fd);

  io_uring_sqe& next_sqe();
  void submit(std::uint32_t slot);
  void poll_wake();
  void flush_backlog();
  void enter();
  void reap();
  void on_cqe(const io_uring_cqe& cqe);
  bool poll_over(std::uint32_t slot, std::int32_t& result, bool more);
  void on_receive(std::uint32_t slot, std::int32_t result, std::uint32_t flags);
  void on_wake();
  void complete_quiet_sends(std::size_t before);
  void complete(std::uint32_t slot, std::int32_t result);
  void finish(Token token, std::int32_t result, bool more = false);
  void transfer(std::uint32_t slot);
  void end_transfer(std::uint32_t slot, bool cancelled);

  io_uring ring_{};
  bool ring_open_ = false;
  bool bundles_ = false;
  bool multishot_accept_ = true;
  bool multishot_receives_ = false;
  bool closing_ = false;
  Instant now_{};
  ReceiveBuffers buffers_;
  SplicePipes pipes_;
  OpSlab ops_;
  TimerHeap timers_{ops_};
  SlotPool<Parcel> parcels_;
  SlotPool<SocketAddress> addresses_;  // that are being connected to; a parcel is 35 times as large
  SlotPool<SpliceTransfer> transfers_;
  std::vector<std::uint32_t> transfers_due_;  // splices not tried yet
  SlotPool<std::shared_ptr<LetterBox>> addressees_;
  std::vector<std::uint32_t> quiet_sends_;  // Notice::with_next; the kernel reports only those that fail
  std::deque<io_uring_sqe> backlog_;  // used while the submission queue is full and the kernel takes no more

  // Completions that the ring produced itself (cancelled timers, queued messages), for the next wait().
  std::vector<Completion> ready_;
  std::vector<Completion> completions_;
  std::vector<Piece> pieces_;
};

}  // namespace kferry::ring
