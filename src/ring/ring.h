// The completion interface the engine is written against: submit an operation, get its completion. Backends: io_uring
// (ring/uring_ring.h), epoll where that is forbidden (ring/epoll_ring.h; ring/backend.h chooses), simulated
// (ring/simulated_ring.h). One ring, one thread; only message() and wake() cross.
//
// The kernel is an owner: what an operation uses (socket, buffers, token) stays until its last completion
// (`more == false`). Submissions go to the kernel in wait() at the latest.
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

// A socket of the ring's backend: a file descriptor, or an invented number of the simulation's.
enum class Socket : int { none = -1 };

// Names an operation to its submitter. Never a pointer: a late completion finds a slot whose generation has moved on.
struct Token {
  std::uint32_t slot = 0;
  std::uint16_t generation = 0;
  std::uint16_t kind = 0;  // the submitter's own enumeration

  friend bool operator==(const Token&, const Token&) = default;
};

// A received piece in one of the ring's own buffers. The receiver owns it until Ring::recycle(id).
struct Piece {
  std::uint16_t id = 0;
  std::span<std::byte> bytes;
};

struct Completion {
  Token token;
  // ≥ 0: octets, accepted Socket, or message value; < 0: -errno.
  std::int32_t result = 0;
  // True: the operation continues and will complete again (accept, a multishot receive).
  bool more = false;
  // receive: what arrived, in stream order; the sum of sizes is `result`. Valid until the next wait(); the buffers
  // themselves until recycled.
  std::span<const Piece> pieces;
};

// What another thread may hold of a ring: enough to send it a message.
class Mailbox {
 public:
  virtual ~Mailbox() = default;
};

// When a send's completion is wanted.
enum class Notice : std::uint8_t {
  now,
  // With whatever completes next: a send that goes whole does not end a wait() by itself, which saves an entry
  // into the kernel. Only for what the socket takes at once: more ends as a short send, -EAGAIN for nothing.
  with_next,
};

class Ring {
 public:
  virtual ~Ring() = default;

  // --- sockets, at once
  // A listening socket on `address`; SO_REUSEADDR, and for IPv6 V6ONLY. -errno in `result` on failure.
  struct Opened {
    Socket socket = Socket::none;
    int error = 0;  // errno, 0 when well
  };
  virtual Opened listen(const SocketAddress& address, int backlog) = 0;
  // The address a socket is bound to, or its other end; empty when unknown.
  virtual SocketAddress local_address(Socket socket) = 0;
  virtual SocketAddress remote_address(Socket socket) = 0;
  // TCP_NODELAY and keep-alive; on a listening socket, of all that it accepts from now on. Errors are ignored (the
  // socket may be dead already, which its next operation says).
  virtual void set_options(Socket socket, Duration keepalive_idle, Duration keepalive_interval,
                           int keepalive_probes) = 0;
  // Sends FIN after what was sent; receiving goes on.
  virtual void shut_write(Socket socket) = 0;
  // Copies received bytes into `room`, from `offset` bytes behind the next unread one, and leaves them in the socket.
  // Returns how many. 0 or -EAGAIN: none there; -EOPNOTSUPP: the kernel cannot (Linux before 6.9). The socket must have
  // no outstanding receive and no TLS receive key.
  virtual int peek(Socket socket, std::uint64_t offset, std::span<std::byte> room) = 0;

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
  // Closes. No operation may be outstanding on it. `reset` sends RST and discards what was not sent.
  virtual void close(Socket socket, bool reset) = 0;

  // --- operations
  // Accepts until cancelled; each completion carries an accepted, non-blocking socket in `result`, `more` while it
  // goes on. Errors such as EMFILE end it; the submitter re-arms.
  virtual void accept(Token token, Socket listener) = 0;
  // Creates a socket and connects it. The socket is returned at once for cancel/close; Socket::none with `error`
  // when none could be made (then no completion follows).
  virtual Opened connect(Token token, const SocketAddress& address) = 0;
  // Receives up to `size_max` bytes into the ring's own buffers. result 0: end of stream. -ENOBUFS: all buffers are
  // out; receive again after a recycle. At most one per socket at a time.
  // With `multishot_size` the receive may be multishot: it completes several times (`more`), each time with up to
  // `size_max` bytes, until about `multishot_size` bytes have arrived in total. The backend may end it earlier, and
  // anything but data ends it. Only a kernel that counts the bytes (Linux 6.17) is asked for one, because a multishot
  // receive that only cancel() can end would have no quota. Elsewhere every receive is a single one.
  virtual void receive(Token token, Socket socket, std::size_t size_max, std::size_t multishot_size = 0) = 0;
  // Sends the pieces in order; they stay valid until the completion, the iovec array itself is copied. May be short.
  // At most iov_max pieces are taken. At most one per socket at a time. `more`: a splice to this socket follows at
  // once, and the kernel may keep what fills no segment for it (MSG_MORE; 200 ms at most).
  virtual void send(Token token, Socket socket, std::span<const iovec> pieces, Notice notice = Notice::now,
                    bool more = false) = 0;
  // Moves up to `size` octets from one socket to another inside the kernel. result: octets that have LEFT on `to`;
  // 0: end of stream. What was read and cannot be written yet stays with the backend until it has left. -EPIPE: `to`
  // takes no more; -ENOBUFS: all pipes are out and nothing was moved, receive instead; other errors are of `from`.
  // After an error octets may be lost. No receive on `from` nor send on `to` may be outstanding.
  virtual void splice(Token token, Socket from, Socket to, std::uint64_t size) = 0;
  // Completes once when any of `events` (POLLIN, POLLOUT, POLLRDHUP) is there; result: the events. At most one per
  // socket at a time.
  virtual void poll(Token token, Socket socket, std::uint32_t events) = 0;
  // Completes at `deadline` with 0, or -ECANCELED after cancel().
  virtual void timer(Token token, Instant deadline) = 0;
  // Asks for the end of every operation with this token; each still completes (-ECANCELED or with its result).
  virtual void cancel(Token token) = 0;
  // Delivers {token, value} as a completion on the ring behind `to` (any backend of the same kind). Completes here
  // as {receipt} with 0 when delivered, -errno when not (then nothing arrived there).
  virtual void message(Token receipt, Mailbox& to, Token token, std::int32_t value) = 0;
  virtual std::shared_ptr<Mailbox> mailbox() = 0;
  // Wakes a wait() of this ring from any thread; no completion.
  virtual void wake() = 0;

  // --- buffers
  // Gives a piece's buffer back.
  virtual void recycle(std::uint16_t buffer_id) = 0;
  virtual std::size_t buffer_size() const = 0;
  virtual std::size_t buffer_count() const = 0;
  virtual std::size_t buffers_free() const = 0;

  // --- the turn
  // Submits what was queued and waits for at least one completion or wake(). The result is valid until the next
  // call; may be empty after wake(). now() moves forward only here.
  virtual std::span<const Completion> wait() = 0;
  virtual Instant now() const = 0;

  static constexpr std::size_t iov_max = 64;
};

}  // namespace kferry::ring
