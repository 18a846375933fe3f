// The operations of the io_uring backend, and the socket calls that need no ring.
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/assert.h"
#include "ring/kernel_abi.h"
#include "ring/uring_ring.h"
#include "ring/uring_tag.h"

namespace kferry::ring {
namespace {

int fd_of(Socket socket) {
  return static_cast<int>(socket);
}

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

template <class Pool, class Free>
std::uint32_t take_place(Pool& pool, Free& free) {
  if (free.empty()) {
    pool.emplace_back();
    return static_cast<std::uint32_t>(pool.size() - 1);
  }
  const std::uint32_t place = free.back();
  free.pop_back();
  return place;
}

SocketAddress address_by(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (ask(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return SocketAddress{reinterpret_cast<const sockaddr*>(&storage), size};
}

// A spliced chunk at a time, then the others' turn.
constexpr std::uint64_t transfer_turn_max = 4 * SplicePipes::pipe_size;

}  // namespace

Ring::Opened UringRing::listen(const SocketAddress& address, int backlog) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {Socket::none, errno};
  set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd, address.get(), address.size()) != 0 || ::listen(fd, backlog) != 0) {
    const int error = errno;
    ::close(fd);
    return {Socket::none, error};
  }
  return {Socket{fd}, 0};
}

SocketAddress UringRing::local_address(Socket socket) {
  return address_by(fd_of(socket), ::getsockname);
}
SocketAddress UringRing::remote_address(Socket socket) {
  return address_by(fd_of(socket), ::getpeername);
}

void UringRing::set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval, int probes) {
  const auto seconds = [](Duration time) {
    return static_cast<int>(std::clamp<std::int64_t>(time / std::chrono::seconds{1}, 1, 32767));
  };
  const int fd = fd_of(socket);
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds(keepalive_idle));
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds(keepalive_interval));
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

void UringRing::shut_write(Socket socket) {
  ::shutdown(fd_of(socket), SHUT_WR);
}

int UringRing::start_records(Socket socket, bool sending, std::span<const std::byte> keys) {
  constexpr char name[] = "tls";
  const int fd = fd_of(socket);
  if (::setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof name) != 0 && errno != EEXIST) return -errno;
  const int direction = sending ? TLS_TX : TLS_RX;
  return ::setsockopt(fd, SOL_TLS, direction, keys.data(), static_cast<socklen_t>(keys.size())) == 0 ? 0
                                                                                                     : -errno;
}

int UringRing::receive_record(Socket socket, std::span<std::byte> room, std::uint8_t& type) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)];
  iovec piece{room.data(), room.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(fd_of(socket), &message, MSG_DONTWAIT);
  if (size < 0) return -errno;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_TLS || header->cmsg_type != TLS_GET_RECORD_TYPE)
    return -EBADMSG;
  type = *CMSG_DATA(header);
  return static_cast<int>(size);
}

int UringRing::send_record(Socket socket, std::uint8_t type, std::span<const std::byte> octets) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof type)] = {};
  iovec piece{const_cast<std::byte*>(octets.data()), octets.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(sizeof type);
  *CMSG_DATA(header) = type;
  return ::sendmsg(fd_of(socket), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : -errno;
}

void UringRing::close(Socket socket, bool reset) {
  if (reset) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_of(socket), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(fd_of(socket));
}

void UringRing::accept(Token token, Socket listener) {
  submit(ops_.take(OpKind::accept, token, fd_of(listener)));
}

Ring::Opened UringRing::connect(Token token, const SocketAddress& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return {Socket::none, errno};
  const std::uint32_t slot = ops_.take(OpKind::connect, token, fd);
  ops_.at(slot).extra = take_parcel();
  parcels_[ops_.at(slot).extra]->address = address;
  submit(slot);
  return {Socket{fd}, 0};
}

void UringRing::receive(Token token, Socket socket, std::size_t size_max) {
  KFERRY_ASSERT(size_max > 0);
  const std::uint32_t slot = ops_.take(OpKind::receive, token, fd_of(socket));
  ops_.at(slot).size = std::min<std::size_t>(size_max, std::numeric_limits<std::int32_t>::max());
  submit(slot);
}

std::uint32_t UringRing::take_parcel() {
  const std::uint32_t place = take_place(parcels_, parcels_free_);
  if (parcels_[place] == nullptr) parcels_[place] = std::make_unique<Parcel>();
  return place;
}

void UringRing::send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice) {
  KFERRY_ASSERT(!pieces.empty());
  const std::uint32_t slot = ops_.take(OpKind::send, token, fd_of(socket));
  ops_.at(slot).extra = take_parcel();
  Parcel& parcel = *parcels_[ops_.at(slot).extra];
  const std::size_t count = std::min(pieces.size(), iov_max);
  std::copy_n(pieces.begin(), count, parcel.pieces);
  parcel.header = msghdr{};
  parcel.header.msg_iov = parcel.pieces;
  parcel.header.msg_iovlen = count;
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

void UringRing::timer(Token token, Instant deadline) {
  const std::uint32_t slot = ops_.take(OpKind::timer, token, -1);
  ops_.at(slot).deadline = deadline;
  timers_.add(slot);
}

void UringRing::splice(Token token, Socket from, Socket to, std::uint64_t size) {
  KFERRY_ASSERT(size > 0);
  const std::uint32_t slot = ops_.take(OpKind::splice, token, fd_of(from));
  const std::uint32_t place = take_place(transfers_, transfers_free_);
  ops_.at(slot).extra = place;
  ops_.at(slot).size = POLLIN | POLLRDHUP;
  transfers_[place] = Transfer{{}, fd_of(from), fd_of(to), size, 0, 0};
  transfers_due_.push_back(slot);  // tried at once, in wait(): often the octets are there
}

// Queues the operation as its record says; also to go on with one that is to be tried again.
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
      const SocketAddress& address = parcels_[op.extra]->address;
      io_uring_prep_connect(&sqe, op.fd, address.get(), address.size());
      break;
    }
    case OpKind::receive: {
      // A bundle of a single buffer gains nothing, and some kernels go past a bundle's length by appending a
      // second receive to the first: at a frame's boundary the length must hold.
      const bool bundle = bundles_ && op.size > buffers_.size();
      const std::size_t size = bundle ? op.size : std::min<std::size_t>(op.size, buffers_.size());
      io_uring_prep_recv(&sqe, op.fd, nullptr, size, 0);
      sqe.flags |= IOSQE_BUFFER_SELECT;
      sqe.buf_group = abi::buffer_group;
      if (bundle) sqe.ioprio |= abi::recvsend_bundle;
      break;
    }
    case OpKind::send: {
      const Parcel& parcel = *parcels_[op.extra];
      // MSG_DONTWAIT: done or failed before the submission returns. MSG_WAITALL: a short one counts as failed, and
      // shows in spite of CQE_SKIP_SUCCESS.
      const int flags = MSG_NOSIGNAL | (op.quiet ? MSG_DONTWAIT | MSG_WAITALL : 0);
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
      io_uring_prep_poll_add(&sqe, op.fd, static_cast<unsigned>(op.size));
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
  auto& mailbox = static_cast<UringMailbox&>(to);
  int error = 0;
  bool by_ring = false;
  {
    const std::lock_guard lock(mailbox.mutex_);
    by_ring = mailbox.by_ring_;
    if (mailbox.ended_) {
      error = -EOWNERDEAD;
    } else if (!by_ring) {
      if (mailbox.letters_.size() >= UringMailbox::letters_max) {
        error = -EOVERFLOW;
      } else {
        mailbox.letters_.push_back({token, value});
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(mailbox.event_fd_, &one, sizeof one);
      }
    }
  }
  if (error != 0 || !by_ring) {
    ready_.push_back(Completion{receipt, error, false, {}});
    return;
  }
  const std::uint32_t slot = ops_.take(OpKind::message, receipt, -1);
  const std::uint32_t place = take_place(addressees_, addressees_free_);
  addressees_[place] = mailbox.shared_from_this();
  ops_.at(slot).extra = place;
  io_uring_sqe& sqe = next_sqe();
  io_uring_prep_msg_ring(&sqe, mailbox.ring_fd_, static_cast<std::uint32_t>(value), message_data(token), 0);
  sqe.user_data = user_data(Tag::operation, slot, ops_.at(slot).generation);
}

// Moves what it can. Only an empty pipe is filled, so an EAGAIN from the fill says that the socket is dry,
// never that the pipe is full; a pipe is held only while it holds octets.
void UringRing::transfer(std::uint32_t slot) {
  Transfer& move = transfers_[ops_.at(slot).extra];
  const unsigned flags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;
  while (true) {
    if (move.held > 0) {
      const ssize_t sent = ::splice(move.pipe.read_end, nullptr, move.to, nullptr, move.held, flags);
      if (sent > 0) {
        move.held -= static_cast<std::uint64_t>(sent);
        move.left += static_cast<std::uint64_t>(sent);
        continue;
      }
      if (sent < 0 && errno == EINTR) continue;
      if (sent == 0 || errno != EAGAIN) return end_transfer(slot, -EPIPE);
      if (ops_.at(slot).cancelled) return end_transfer(slot, -ECANCELED);
      ops_.at(slot).fd = move.to;
      ops_.at(slot).size = POLLOUT;
      return submit(slot);
    }
    if (move.left == move.wanted || move.left >= transfer_turn_max)
      return end_transfer(slot, static_cast<std::int64_t>(move.left));
    if (move.pipe.read_end < 0) {
      move.pipe = pipes_.take();
      if (move.pipe.read_end < 0)
        return end_transfer(slot, move.left > 0 ? static_cast<std::int64_t>(move.left) : -ENOBUFS);
    }
    const ssize_t got =
        ::splice(move.from, nullptr, move.pipe.write_end, nullptr, move.wanted - move.left, flags);
    if (got > 0) {
      move.held = static_cast<std::uint64_t>(got);
    } else if (got == 0) {
      return end_transfer(slot, static_cast<std::int64_t>(move.left));  // the next one finds the end again
    } else if (errno == EAGAIN) {
      if (move.left > 0 || ops_.at(slot).cancelled)
        return end_transfer(slot, move.left > 0 ? static_cast<std::int64_t>(move.left) : -ECANCELED);
      pipes_.give_back_empty(move.pipe);
      move.pipe = Pipe{};
      return submit(slot);
    } else if (errno == EINVAL) {
      // A record that is no data stands there. The next one finds it again.
      return end_transfer(slot, move.left > 0 ? static_cast<std::int64_t>(move.left) : -EINVAL);
    } else if (errno != EINTR) {
      return end_transfer(slot, -errno);  // a reset, even after octets: a cut stream must not look complete
    }
  }
}

void UringRing::end_transfer(std::uint32_t slot, std::int64_t result) {
  const std::uint32_t place = ops_.at(slot).extra;
  Transfer& move = transfers_[place];
  if (result == -ECANCELED && move.held > 0) {
    result = -ECONNABORTED;  // octets are lost with the pipe: this direction cannot go on
  } else if (result == -ECANCELED && move.left > 0) {
    result = static_cast<std::int64_t>(move.left);
  }
  if (move.pipe.read_end >= 0) {
    if (move.held == 0) {
      pipes_.give_back_empty(move.pipe);
    } else {
      pipes_.destroy(move.pipe);
    }
  }
  move = Transfer{};
  transfers_free_.push_back(place);
  complete(slot, static_cast<std::int32_t>(result));
}

}  // namespace kferry::ring
