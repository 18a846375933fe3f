// The operations of the io_uring backend.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/assert.h"
#include "ring/kernel_abi.h"
#include "ring/uring_ring.h"
#include "ring/uring_tag.h"

namespace kferry::ring {

void UringRing::accept(Token token, Socket listener) {
  submit(ops_.take(OpKind::accept, token, fd_of(listener)));
}

Ring::Opened UringRing::connect(Token token, const SocketAddress& address) {
  const Opened opened = make_connecting(address);
  if (opened.error != 0) return opened;
  const std::uint32_t slot = ops_.take(OpKind::connect, token, fd_of(opened.socket));
  ops_.at(slot).extra = addresses_.take();
  addresses_.at(ops_.at(slot).extra) = address;
  submit(slot);
  return opened;
}

void UringRing::receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size) {
  KFERRY_ASSERT(size_max > 0);
  const std::uint32_t slot = ops_.take(OpKind::receive, token, fd_of(socket));
  ops_.at(slot).size = std::min<std::size_t>(size_max, std::numeric_limits<std::int32_t>::max());
  if (multishot_receives_) ops_.at(slot).multishot = static_cast<std::uint32_t>(multishot_size);
  submit(slot);
}

void UringRing::send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice, bool more) {
  KFERRY_ASSERT(!pieces.empty());
  const std::uint32_t slot = ops_.take(OpKind::send, token, fd_of(socket));
  ops_.at(slot).extra = parcels_.take();
  Parcel& parcel = parcels_.at(ops_.at(slot).extra);
  const std::size_t count = std::min(pieces.size(), iov_max);
  std::copy_n(pieces.begin(), count, parcel.pieces);
  parcel.header = msghdr{};
  parcel.header.msg_iov = parcel.pieces;
  parcel.header.msg_iovlen = count;
  ops_.at(slot).more = more;
  if (notice == Notice::with_next) {
    ops_.at(slot).quiet = true;
    for (std::size_t i = 0; i < count; ++i) ops_.at(slot).size += parcel.pieces[i].iov_len;
    quiet_sends_.push_back(slot);
  }
  submit(slot);
}

void UringRing::poll(Token token, Socket socket, std::uint32_t events) {
  const std::uint32_t slot = ops_.take(OpKind::poll, token, fd_of(socket));
  ops_.at(slot).size = events;
  submit(slot);
}

void UringRing::watch(Token token, Socket socket) {
  const std::uint32_t slot = ops_.take(OpKind::watch, token, fd_of(socket));
  ops_.at(slot).more = true;
  submit(slot);
}

void UringRing::timer(Token token, Instant deadline) {
  const std::uint32_t slot = ops_.take(OpKind::timer, token, -1);
  ops_.at(slot).set_deadline(deadline);
  timers_.add(slot);
}

void UringRing::splice(Token token, Socket from, Socket to, std::uint64_t size) {
  KFERRY_ASSERT(size > 0);
  const std::uint32_t slot = ops_.take(OpKind::splice, token, fd_of(from));
  const std::uint32_t transfer = transfers_.take();
  ops_.at(slot).extra = transfer;
  transfers_.at(transfer) = SpliceTransfer(fd_of(from), fd_of(to), size);
  transfers_due_.push_back(slot);  // tried first thing in wait(): often the bytes are already there
}

// Queues the operation that the slot describes. Also repeats one.
void UringRing::submit(std::uint32_t slot) {
  io_uring_sqe& sqe = next_sqe();
  const Op& op = ops_.at(slot);
  switch (op.kind) {
    case OpKind::accept:
      if (multishot_accept_) {
        io_uring_prep_multishot_accept(&sqe, op.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      } else {
        io_uring_prep_accept(&sqe, op.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      }
      break;
    case OpKind::connect: {
      const SocketAddress& address = addresses_.at(op.extra);
      io_uring_prep_connect(&sqe, op.fd, address.get(), address.size());
      break;
    }
    case OpKind::receive: {
      // A bundle of a single buffer gains nothing, and some kernels exceed a bundle's length by appending a second
      // receive to the first. At a frame's boundary the length must be exact.
      const bool bundle = bundles_ && op.size > buffers_.size();
      const std::size_t size = bundle ? op.size : std::min<std::size_t>(op.size, buffers_.size());
      io_uring_prep_recv(&sqe, op.fd, nullptr, size, 0);
      sqe.flags |= IOSQE_BUFFER_SELECT;
      sqe.buf_group = abi::buffer_group;
      if (bundle) sqe.ioprio |= abi::recvsend_bundle;
      if (op.multishot > 0) {
        sqe.ioprio |= IORING_RECV_MULTISHOT;
        abi::set_multishot_total(sqe, op.multishot);
      }
      break;
    }
    case OpKind::send: {
      const Parcel& parcel = parcels_.at(op.extra);
      // MSG_DONTWAIT: the send is done or failed before the submission returns. MSG_WAITALL: a short send counts as
      // failed, so that it is reported in spite of CQE_SKIP_SUCCESS.
      const int flags = MSG_NOSIGNAL | (op.more ? MSG_MORE : 0) | (op.quiet ? MSG_DONTWAIT | MSG_WAITALL : 0);
      if (parcel.header.msg_iovlen == 1) {
        io_uring_prep_send(&sqe, op.fd, parcel.pieces[0].iov_base, parcel.pieces[0].iov_len, flags);
      } else {
        io_uring_prep_sendmsg(&sqe, op.fd, &parcel.header, static_cast<unsigned>(flags));
      }
      if (op.quiet) sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
      break;
    }
    case OpKind::splice:
    case OpKind::poll:
    case OpKind::watch:
      if (op.more) {
        io_uring_prep_poll_multishot(&sqe, op.fd, static_cast<unsigned>(op.size));
      } else {
        io_uring_prep_poll_add(&sqe, op.fd, static_cast<unsigned>(op.size));
      }
      break;
    case OpKind::message:
    case OpKind::timer:
    case OpKind::free:
      KFERRY_ASSERT(false);
  }
  sqe.user_data = user_data(Tag::operation, slot, op.generation);
}

void UringRing::cancel(Token token) {
  ops_.each(token, [&](std::uint32_t slot) {
    Op& op = ops_.at(slot);
    if (op.kind == OpKind::message || op.cancelled) return;
    op.cancelled = true;
    if (op.kind == OpKind::timer) {
      timers_.remove(slot);
      ops_.release(slot);
      ready_.push_back(Completion{token, -ECANCELED, false, {}});
      return;
    }
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_cancel64(&sqe, user_data(Tag::operation, slot, op.generation), 0);
    sqe.user_data = user_data(Tag::cancellation);
  });
}

void UringRing::message(Token receipt, Mailbox& to, Token token, std::int32_t value) {
  KFERRY_ASSERT((token.kind & 0x8000) == 0);
  auto& mailbox = static_cast<LetterBox&>(to);
  if (mailbox.ring_fd() < 0 || mailbox.ended()) {
    ready_.push_back(Completion{receipt, mailbox.post(token, value), false, {}});
    return;
  }
  const std::uint32_t slot = ops_.take(OpKind::message, receipt, -1);
  const std::uint32_t addressee = addressees_.take();
  addressees_.at(addressee) = mailbox.shared_from_this();
  ops_.at(slot).extra = addressee;
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_msg_ring(&sqe, mailbox.ring_fd(), static_cast<std::uint32_t>(value), message_data(token), 0);
  sqe.user_data = user_data(Tag::operation, slot, ops_.at(slot).generation);
}

// Moves what it can, then polls for what it needs next.
void UringRing::transfer(std::uint32_t slot) {
  Op& op = ops_.at(slot);
  SpliceTransfer& move = transfers_.at(op.extra);
  const SpliceTransfer::Need need = move.step(pipes_);
  if (need == SpliceTransfer::Need::nothing) return end_transfer(slot, false);
  if (op.cancelled) return end_transfer(slot, true);
  const bool input = need == SpliceTransfer::Need::input;
  op.fd = input ? move.from() : move.to();
  op.more = false;
  op.multishot = 0;
  op.size = static_cast<std::uint64_t>(input ? POLLIN | POLLRDHUP : POLLOUT);
  submit(slot);
}

// Whether a poll has brought one of its events, which `result` then names, or an error. io_uring reports POLLRDHUP to
// every poll, also to one that asked for POLLOUT or for nothing (IO_POLL_UNMASK), and once the other side has sent FIN
// would do so again and again. From then on the poll is multishot, which reports changes only, and is ended here.
bool UringRing::poll_over(std::uint32_t slot, std::int32_t& result, bool more) {
  Op& op = ops_.at(slot);
  if (op.multishot != 0) {
    if (more) return false;
    result = static_cast<std::int32_t>(op.multishot);
    return true;
  }
  if (result < 0) return true;
  const auto wanted = static_cast<std::uint32_t>(op.size) | POLLERR | POLLHUP | POLLNVAL;
  if ((static_cast<std::uint32_t>(result) & wanted) != 0) {
    if (!more) return true;
    op.multishot = static_cast<std::uint32_t>(result);
    io_uring_sqe& sqe = next_sqe();
    io_uring_prep_cancel64(&sqe, user_data(Tag::operation, slot, op.generation), 0);
    sqe.user_data = user_data(Tag::cancellation);
    return false;
  }
  if (more) return false;
  if (op.cancelled) {
    result = -ECANCELED;
    return true;
  }
  op.more = true;
  submit(slot);
  return false;
}

void UringRing::end_transfer(std::uint32_t slot, bool cancelled) {
  const std::uint32_t transfer = ops_.at(slot).extra;
  const std::int32_t result = transfers_.at(transfer).end(pipes_, cancelled);
  transfers_.give_back(transfer);
  complete(slot, result);
}

}  // namespace kferry::ring
