// The operations of the epoll backend. Each is tried if it may succeed, and otherwise waits in its socket's Interest.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/assert.h"
#include "ring/epoll_ring.h"

namespace kferry::ring {
namespace {

// One receive fills at most this many buffers.
constexpr std::size_t receive_pieces_max = 16;
// Connections accepted before other operations get their turn.
constexpr int accept_turn_max = 64;

}  // namespace

// --- waiting

EpollRing::Interest& EpollRing::interest(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= interests_.size()) interests_.resize(std::max(index + 1, interests_.size() * 2));
  return interests_[index];
}

// 0 or -errno. Registering makes the kernel report what has already arrived.
int EpollRing::register_once(int fd) {
  Interest& at = interest(fd);
  if (at.registered) return 0;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return -errno;
  at.registered = true;
  return 0;
}

// Makes the slot's operation read from the descriptor as soon as there may be input.
void EpollRing::await_input(std::uint32_t slot, int fd) {
  Interest& at = interest(fd);
  KFERRY_ASSERT(at.reader == Op::none);
  ops_.at(slot).fd = fd;
  at.reader = slot;
  if (at.readable) {
    due_.push_back(fd);
  } else if (const int error = register_once(fd); error != 0) {
    fail_unwatched(slot, error);
  }
}

// Makes the slot's operation, which found no room in the descriptor, wait until it is writable.
void EpollRing::await_room(std::uint32_t slot, int fd) {
  Interest& at = interest(fd);
  KFERRY_ASSERT(at.writer == Op::none);
  ops_.at(slot).fd = fd;
  at.writer = slot;
  at.writable = false;
  if (const int error = register_once(fd); error != 0) fail_unwatched(slot, error);
}

// Fails an operation because the kernel refuses to watch its socket.
void EpollRing::fail_unwatched(std::uint32_t slot, int error) {
  stop_waiting(slot);
  if (ops_.at(slot).kind == OpKind::splice) {
    transfers_.at(ops_.at(slot).extra).end(pipes_, true);
    transfers_.give_back(ops_.at(slot).extra);
  }
  complete(slot, error);
}

void EpollRing::stop_waiting(std::uint32_t slot) {
  Interest& at = interest(ops_.at(slot).fd);
  for (std::uint32_t* waiting : {&at.reader, &at.writer, &at.poller, &at.watcher})
    if (*waiting == slot) *waiting = Op::none;
}

void EpollRing::read(int fd) {
  const Interest& at = interest(fd);
  if (!at.readable || at.reader == Op::none) return;
  const std::uint32_t slot = at.reader;
  stop_waiting(slot);
  switch (ops_.at(slot).kind) {
    case OpKind::receive:
      return continue_receive(slot);
    case OpKind::accept:
      return continue_accept(slot);
    default:
      return transfer(slot);
  }
}

void EpollRing::write(int fd) {
  const Interest& at = interest(fd);
  if (!at.writable || at.writer == Op::none) return;
  const std::uint32_t slot = at.writer;
  stop_waiting(slot);
  switch (ops_.at(slot).kind) {
    case OpKind::send:
      return continue_send(slot);
    case OpKind::connect: {
      int error = 0;
      socklen_t size = sizeof error;
      if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
      return complete(slot, -error);
    }
    default:
      return transfer(slot);
  }
}

// Asks poll(2) instead of trusting `readable` and `writable`, which the calls for single TLS records do not update.
void EpollRing::check_polls(int fd) {
  check_poll(fd, interest(fd).poller);
  check_poll(fd, interest(fd).watcher);
}

void EpollRing::check_poll(int fd, std::uint32_t slot) {
  if (slot == Op::none) return;
  pollfd one{fd, static_cast<short>(ops_.at(slot).size), 0};
  if (::poll(&one, 1, 0) <= 0) return;
  stop_waiting(slot);
  complete(slot, one.revents);
}

// --- sockets, at once

int EpollRing::set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) {
  Interest& at = interest(fd_of(socket));
  at.short_is_dry = false;
  at.readable = at.writable = true;
  return KernelSockets::set_tls_key(socket, sending, key);
}

void EpollRing::close(Socket socket, bool reset) {
  Interest& at = interest(fd_of(socket));
  KFERRY_ASSERT(at.reader == Op::none && at.writer == Op::none && at.poller == Op::none &&
                at.watcher == Op::none);
  at = Interest{};  // closing the descriptor also ends its registration
  KernelSockets::close(socket, reset);
}

// --- operations

void EpollRing::accept(Token token, Socket listener) {
  const int fd = fd_of(listener);
  await_input(ops_.take(OpKind::accept, token, fd), fd);
}

void EpollRing::continue_accept(std::uint32_t slot) {
  const int fd = ops_.at(slot).fd;
  for (int taken = 0; taken < accept_turn_max;) {
    const int accepted = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      finish(ops_.at(slot).token, accepted, true);
      ++taken;
    } else if (errno == EAGAIN) {
      interest(fd).readable = false;
      break;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return complete(slot, -errno);
    }
  }
  await_input(slot, fd);
}

Ring::Opened EpollRing::connect(Token token, const SocketAddress& address) {
  const Opened opened = make_connecting(address);
  if (opened.error != 0) return opened;
  const int fd = fd_of(opened.socket);
  const int error = ::connect(fd, address.get(), address.size()) == 0 ? 0 : errno;
  if (error != EINPROGRESS) {
    finish(token, -error);
    return opened;
  }
  interest(fd).readable = false;  // the socket is registered before anything can arrive
  await_room(ops_.take(OpKind::connect, token, fd), fd);
  return opened;
}

void EpollRing::receive(Token token, Socket socket, std::size_t size_max,
                        std::size_t /*multishot_size: every receive is a single one*/) {
  KFERRY_ASSERT(size_max > 0);
  const int fd = fd_of(socket);
  const std::uint32_t slot = ops_.take(OpKind::receive, token, fd);
  ops_.at(slot).size = size_max;
  await_input(slot, fd);
}

void EpollRing::continue_receive(std::uint32_t slot) {
  const Op& op = ops_.at(slot);
  const int fd = op.fd;
  std::array<iovec, receive_pieces_max> room;
  const std::size_t count = buffers_.offer(op.size, room);
  if (count == 0) return complete(slot, -ENOBUFS);
  ssize_t got = 0;
  do
    got = count == 1 ? ::recv(fd, room[0].iov_base, room[0].iov_len, 0)
                     : ::readv(fd, room.data(), static_cast<int>(count));
  while (got < 0 && errno == EINTR);
  Interest& at = interest(fd);
  if (got < 0 && errno == EAGAIN) {
    at.readable = false;
    return await_input(slot, fd);
  }
  if (got <= 0) return complete(slot, got == 0 ? 0 : -errno);
  const auto bytes = static_cast<std::size_t>(got);
  std::size_t asked = 0;
  for (std::size_t i = 0; i < count; ++i) asked += room[i].iov_len;
  if (bytes < asked && at.short_is_dry) at.readable = false;
  const std::size_t before = pieces_.size();
  buffers_.collect(bytes, pieces_);
  complete(slot, got);
  pending_.back().pieces = std::span<const Piece>(pieces_).subspan(before);
}

// The number of bytes sent, or -errno.
std::int64_t EpollRing::send_now(int fd, std::span<const iovec> pieces, std::size_t size, bool more) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
  ssize_t sent = 0;
  if (pieces.size() == 1) {
    do sent = ::send(fd, pieces[0].iov_base, pieces[0].iov_len, flags);
    while (sent < 0 && errno == EINTR);
  } else {
    msghdr header{};
    header.msg_iov = const_cast<iovec*>(pieces.data());
    header.msg_iovlen = pieces.size();
    do sent = ::sendmsg(fd, &header, flags);
    while (sent < 0 && errno == EINTR);
  }
  if (sent < 0) return -errno;
  Interest& at = interest(fd);
  if (static_cast<std::size_t>(sent) < size && at.short_is_dry) at.writable = false;
  return sent;
}

void EpollRing::send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice, bool more) {
  KFERRY_ASSERT(!pieces.empty());
  const int fd = fd_of(socket);
  pieces = pieces.first(std::min(pieces.size(), iov_max));
  std::size_t size = 0;
  for (const iovec& piece : pieces) size += piece.iov_len;
  Interest& at = interest(fd);
  KFERRY_ASSERT(at.writer == Op::none);
  const std::int64_t sent = at.writable ? send_now(fd, pieces, size, more) : -EAGAIN;
  if (notice == Notice::with_next) {
    if (sent == -EAGAIN) at.writable = false;
    if (sent == static_cast<std::int64_t>(size)) {
      quiet_.push_back(Completion{token, static_cast<std::int32_t>(sent), false, {}});
    } else {
      finish(token, sent);
    }
    return;
  }
  if (sent != -EAGAIN) return finish(token, sent);
  const std::uint32_t slot = ops_.take(OpKind::send, token, fd);
  const std::uint32_t parcel = parcels_.take();
  ops_.at(slot).extra = parcel;
  ops_.at(slot).size = size;
  ops_.at(slot).more = more;
  std::copy(pieces.begin(), pieces.end(), parcels_.at(parcel).pieces.begin());
  parcels_.at(parcel).count = pieces.size();
  await_room(slot, fd);
}

void EpollRing::continue_send(std::uint32_t slot) {
  const Op& op = ops_.at(slot);
  const Parcel& parcel = parcels_.at(op.extra);
  const std::int64_t sent = send_now(op.fd, std::span(parcel.pieces).first(parcel.count), op.size, op.more);
  if (sent == -EAGAIN) return await_room(slot, op.fd);
  complete(slot, sent);
}

void EpollRing::splice(Token token, Socket from, Socket to, std::uint64_t size) {
  KFERRY_ASSERT(size > 0);
  const std::uint32_t slot = ops_.take(OpKind::splice, token, fd_of(from));
  const std::uint32_t transfer = transfers_.take();
  ops_.at(slot).extra = transfer;
  transfers_.at(transfer) = SpliceTransfer(fd_of(from), fd_of(to), size);
  await_input(slot, fd_of(from));
}

// Moves what it can, then waits for what it needs next.
void EpollRing::transfer(std::uint32_t slot) {
  SpliceTransfer& move = transfers_.at(ops_.at(slot).extra);
  const SpliceTransfer::Need need = move.step(pipes_);
  if (move.dry()) interest(move.from()).readable = false;
  switch (need) {
    case SpliceTransfer::Need::nothing:
      return end_transfer(slot, false);
    case SpliceTransfer::Need::input:
      return await_input(slot, move.from());
    case SpliceTransfer::Need::room:
      return await_room(slot, move.to());
  }
}

void EpollRing::end_transfer(std::uint32_t slot, bool cancelled) {
  const std::uint32_t transfer = ops_.at(slot).extra;
  const std::int32_t result = transfers_.at(transfer).end(pipes_, cancelled);
  transfers_.give_back(transfer);
  complete(slot, result);
}

void EpollRing::poll(Token token, Socket socket, std::uint32_t events) {
  const int fd = fd_of(socket);
  const std::uint32_t slot = ops_.take(OpKind::poll, token, fd);
  ops_.at(slot).size = events;
  Interest& at = interest(fd);
  KFERRY_ASSERT(at.poller == Op::none);
  at.poller = slot;
  // Registered first, so that anything arriving between the check and wait() raises an edge.
  if (const int error = register_once(fd); error != 0) return fail_unwatched(slot, error);
  check_poll(fd, slot);
}

void EpollRing::watch(Token token, Socket socket) {
  const int fd = fd_of(socket);
  const std::uint32_t slot = ops_.take(OpKind::watch, token, fd);
  Interest& at = interest(fd);
  KFERRY_ASSERT(at.watcher == Op::none);
  at.watcher = slot;
  if (const int error = register_once(fd); error != 0) return fail_unwatched(slot, error);
  check_poll(fd, slot);
}

void EpollRing::timer(Token token, Instant deadline) {
  const std::uint32_t slot = ops_.take(OpKind::timer, token, -1);
  ops_.at(slot).set_deadline(deadline);
  timers_.add(slot);
}

void EpollRing::cancel(Token token) {
  const auto told = std::partition(quiet_.begin(), quiet_.end(),
                                   [token](const Completion& sent) { return sent.token != token; });
  pending_.insert(pending_.end(), told, quiet_.end());
  quiet_.erase(told, quiet_.end());
  ops_.each(token, [&](std::uint32_t slot) {
    if (ops_.at(slot).kind == OpKind::timer) {
      timers_.remove(slot);
    } else {
      stop_waiting(slot);
    }
    if (ops_.at(slot).kind == OpKind::splice) return end_transfer(slot, true);
    complete(slot, -ECANCELED);
  });
}

void EpollRing::message(Token receipt, Mailbox& to, Token token, std::int32_t value) {
  finish(receipt, static_cast<LetterBox&>(to).post(token, value));
}

}  // namespace kferry::ring
