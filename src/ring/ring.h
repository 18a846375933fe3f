// The completion interface that the engine is written against: submit an operation, get its completion later.
//
// Backends: io_uring (ring/uring_ring.h), epoll for hosts that forbid io_uring (ring/epoll_ring.h), and a simulated one
// for tests (ring/simulated_ring.h). ring/backend.h chooses between the first two.
//
// One ring belongs to one thread. Only wake() may be called from others; they send messages through a Mailbox.
//
// The kernel is an owner: whatever an operation uses (socket, buffers, token) must stay valid until its last
// completion, the one with `more == false`. Submissions reach the kernel in wait() at the latest.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/socket_address.h"

namespace kferry::ring {

// A socket of the ring's backend: a file descriptor, or a number made up by the simulation.
enum class Socket : int { none = -1 };

// Identifies an operation to its submitter. Never a pointer: a late completion finds a slot with a newer generation.
struct Token {
  std::uint32_t slot = 0;
  std::uint16_t generation = 0;
  std::uint16_t kind = 0;  // the submitter's own enumeration

  friend bool operator==(const Token&, const Token&) = default;
};

// Received bytes in one of the ring's own buffers. The receiver owns the buffer until it calls Ring::recycle(id).
struct Piece {
  std::uint16_t id = 0;
  std::span<std::byte> bytes;
};

struct Completion {
  Token token;
  // At least 0: a number of bytes, an accepted Socket, or a message's value. Negative: -errno.
  std::int32_t result = 0;
  // True: the operation continues and will complete again (accept, a multishot receive).
  bool more = false;
  // Of a receive: what arrived, in stream order; the sizes add up to `result`. The span is valid until the next wait(),
  // the buffers until they are recycled.
  std::span<const Piece> pieces;
};

// What another thread may hold of a ring: enough to send it a message (Ring::message).
class Mailbox {
 public:
  virtual ~Mailbox() = default;
};

// When a send reports its completion.
enum class Notice : std::uint8_t {
  now,
  // Together with whatever completes next. A send that succeeds whole does not end a wait() by itself, which saves an
  // entry into the kernel. Such a send never waits for room: it sends what the socket takes at once and completes
  // short, or with -EAGAIN if that is nothing.
  with_next,
};

// What the kernel knows of a connection without reading from it (tcp(7), TCP_INFO).
struct TcpState {
  // Reset, or given up by the kernel: its next operation fails.
  bool reset = false;
  // The other side has sent FIN, which may be behind bytes that were not received yet.
  bool ended = false;
  // Something was sent whose acknowledgement is still to come: bytes, FIN, or a probe of a zero window.
  bool awaits_ack = false;
  // Bytes or FIN wait in the socket or on the way: the other side has not acknowledged everything.
  bool undelivered = false;
  std::uint64_t received = 0;      // bytes from the other side
  std::uint64_t acknowledged = 0;  // bytes of ours
  Duration silence{};              // since the other side's last segment, be it data or ACK
};

class Ring {
 public:
  virtual ~Ring() = default;

  // --- sockets, at once
  struct Opened {
    Socket socket = Socket::none;
    int error = 0;  // errno; 0 on success
  };
  enum class Families : std::uint8_t { own, both };
  // A listening socket on `address`, with SO_REUSEADDR and, for IPv6, IPV6_V6ONLY. `both`: `address` is :: and serves
  // IPv4 too.
  virtual Opened listen(const SocketAddress& address, int backlog, Families families = Families::own) = 0;
  // The address that a socket is bound to, and that of its other end, which is known even if it has reset the
  // connection before it was accepted; empty if unknown.
  virtual SocketAddress local_address(Socket socket) = 0;
  virtual SocketAddress remote_address(Socket socket) = 0;
  // TCP_NODELAY and keep-alive. On a listening socket they apply to all sockets accepted later. Errors are ignored: if
  // the socket is dead, its next operation fails.
  virtual void set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval,
                           int keepalive_probes) = 0;
  // Sends FIN after everything sent so far. Receiving continues.
  virtual void shut_write(Socket socket) = 0;
  // Copies received bytes into `room`, from `offset` bytes behind the next unread one, and leaves them in the socket.
  // Returns how many. 0 or -EAGAIN: none there; -EOPNOTSUPP: the kernel cannot (Linux before 6.9). The socket must have
  // no outstanding receive and no TLS receive key.
  virtual int peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) = 0;

  // Of a connected socket, whatever operations are outstanding. Costs two system calls: never per frame.
  virtual TcpState tcp_state(Socket socket) = 0;

  // --- kernel TLS, at once (linux/tls.h)
  // Part of the contract because it changes what the operations below mean, and a backend has to know. On a socket with
  // a receive key, receive() and splice() deliver plaintext, one record at a time, and fail on a non-data record:
  // receive() with -EIO, splice() with -EINVAL. A poll or a short receive then says nothing about the records behind.
  // The ring knows neither handshakes nor what a record says: tls/record does.

  // Gives the kernel the key for one direction of a connected socket: `key` is one of linux/tls.h's
  // tls12_crypto_info_*. 0 or -errno: -ENOENT and -ENOPROTOOPT without kernel TLS, in which case the socket is
  // unchanged. A further call replaces the key (TLS 1.3, Linux 6.14). What was received before the first call stays as
  // it is.
  virtual int set_tls_key(Socket socket, bool sending, std::span<const std::byte> key) = 0;
  // Since Linux 6.14 the kernel decrypts nothing behind a record that begins like a KeyUpdate until it is given a key.
  // If that record was not a KeyUpdate, this gives it the receive key that it already has. 0 or -errno.
  virtual int reinstall_tls_key(Socket socket) = 0;
  // Takes the non-data record that receive() or splice() failed on. Returns the size of its content, which is in
  // `room`, with its type in `type`; -errno.
  virtual int receive_tls_record(Socket socket, std::span<std::byte> room, std::uint8_t& type) = 0;
  // Sends one record of this type. 0 or -errno; -EAGAIN: the socket has no room now.
  virtual int send_tls_record(Socket socket, std::uint8_t type, std::span<const std::byte> content) = 0;

  // --- close, at once
  // Closes. No operation may be outstanding on the socket. `reset` sends RST and discards unsent bytes.
  virtual void close(Socket socket, bool reset) = 0;

  // --- operations
  // Accepts until cancelled. Each completion with `more` carries an accepted, non-blocking socket in `result`. Errors
  // such as EMFILE end the operation, and the submitter accepts again.
  virtual void accept(Token token, Socket listener) = 0;
  // Creates a socket and connects it. The socket is returned at once, so that it can be closed after cancel(). If none
  // could be created, `error` says why and no completion follows.
  virtual Opened connect(Token token, const SocketAddress& address) = 0;
  // Receives up to `size_max` bytes into the ring's own buffers. result 0: end of stream. -ENOBUFS: all buffers are
  // out; receive again after a recycle. At most one per socket at a time.
  // With `multishot_size` the receive may be multishot: it completes several times (`more`), each time with up to
  // `size_max` bytes, until about `multishot_size` bytes have arrived in total. The backend may end it earlier, and
  // anything but data ends it. Only a kernel that counts the bytes (Linux 6.17) is asked for one, because a multishot
  // receive that only cancel() can end would have no quota. Elsewhere every receive is a single one.
  virtual void receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size = 0) = 0;
  // Sends the pieces in order. Their bytes stay valid until the completion; the iovec array itself is copied. May be
  // short. At most iov_max pieces are taken, and at most one send per socket may be outstanding. `more`: a splice to
  // this socket follows at once, so the kernel may hold back bytes that do not fill a segment (MSG_MORE; 200 ms at
  // most).
  virtual void send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice = Notice::now,
                    bool more = false) = 0;
  // Moves up to `size` bytes from one socket to another inside the kernel. result: bytes that have LEFT on `to`; 0: end
  // of stream. Bytes that were read and cannot be written yet stay with the backend. -EPIPE: `to` takes no more;
  // -ENOBUFS: no pipe is available and nothing was moved, so receive instead; other errors are those of `from`. After
  // an error bytes may be lost. No receive on `from` and no send on `to` may be outstanding.
  virtual void splice(Token token, Socket from, Socket to, std::uint64_t size) = 0;
  // Completes once when any of `events` (POLLIN, POLLOUT, POLLRDHUP) has occurred. result: the events. At most one per
  // socket at a time.
  virtual void poll(Token token, Socket socket, std::uint32_t events) = 0;
  // Completes once when the connection is dead, with POLLERR (reset, or given up by the kernel) or POLLHUP (both sides
  // have ended): what a receive would report on a socket whose other side has not sent FIN. At most one per socket at a
  // time, beside any other operation.
  virtual void watch(Token token, Socket socket) = 0;
  // Completes at `deadline` with 0, or -ECANCELED after cancel().
  virtual void timer(Token token, Instant deadline) = 0;
  // Ends every operation with this token. Each still completes, with -ECANCELED or with its result.
  virtual void cancel(Token token) = 0;
  // Delivers {token, value} as a completion on the ring behind `to`, which has the same kind of backend. Completes here
  // with `receipt` and 0 once delivered, or with -errno, in which case nothing was delivered.
  virtual void message(Token receipt, Mailbox& to, Token token, std::int32_t value) = 0;
  virtual std::shared_ptr<Mailbox> mailbox() = 0;
  // Ends a wait() of this ring, from any thread, without a completion.
  virtual void wake() = 0;

  // --- buffers
  // Returns a piece's buffer to the ring.
  virtual void recycle(std::uint16_t buffer_id) = 0;
  virtual std::size_t buffer_size() const = 0;
  virtual std::size_t buffer_count() const = 0;
  virtual std::size_t buffers_free() const = 0;
  // Returns memory that many operations at once needed, where a ring can: the pages of buffers that wait for use, and
  // records that are not in use. All come again when needed.
  virtual void return_memory() {}

  // --- the turn
  // Submits what was queued and waits for at least one completion or a wake(). The completions are valid until the next
  // call; after a wake() there may be none. now() advances only here.
  virtual std::span<const Completion> wait() = 0;
  virtual Instant now() const = 0;
  // The time at this moment: as now(), or later in a long turn. Costs a reading of the clock.
  virtual Instant clock() const { return now(); }

  static constexpr std::size_t iov_max = 64;
};

}  // namespace kferry::ring
