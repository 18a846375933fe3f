// What lies between the bytes on a leg's socket and the bytes on its ropes: nothing (plain_transport.h), TLS records in
// user space (record_transport.h), or TLS records in the kernel (kernel_transport.h). A leg and everything above it use
// this interface alone; none of them asks which transport it is.
//
//   socket ─ pieces ─▶ received() ─▶ input rope        output rope ─▶ outgoing() ─ iovecs ─▶ socket ─▶ sent()
//
// Belongs to one leg, lives on its worker's thread. Does no I/O, except that a kernel transport sets and reads the TLS
// state of its socket.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/failure.h"
#include "net/rope.h"
#include "ring/ring.h"
#include "tls/engine.h"

namespace kferry::connection {

// The iovecs of one send at most.
inline constexpr std::size_t send_pieces_max = 16;

// Whether more bytes of the same frame will follow what is sent now (MSG_MORE).
enum class Follow : std::uint8_t { nothing, more };

class Transport {
 public:
  enum class State : std::uint8_t {
    handshaking,
    open,
    ended,   // the other side has sent close_notify; sending may continue
    failed,  // failure() is valid; an alert may still have to be sent
  };

  // What became of a completed receive.
  struct Received {
    enum class What : std::uint8_t {
      bytes,      // on the input rope, possibly none
      end,        // nothing follows, in order
      truncated,  // TLS ended without close_notify
      failed,     // state() is `failed`
      keys_lost,  // the other side changed its TLS key, and the kernel cannot follow
      error,      // of the socket: `error`
    };
    What what = What::bytes;
    int error = 0;  // errno
  };

  // One send. Valid until sent().
  struct Outgoing {
    std::span<const iovec> pieces;  // empty: nothing to send
    std::size_t size = 0;           // of the pieces, bytes
    bool deferrable = false;        // nothing depends on when its completion is seen
    Follow follow = Follow::nothing;
  };
  // What the kernel asks of the leg before anything else can be sent.
  enum class OwnRecords : std::uint8_t {
    sent,     // there were none, or all have left
    no_room,  // wait until the socket is writable
    no_key,   // the send key is exhausted and cannot be renewed: nothing can be sent any more
  };

  constexpr Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  constexpr virtual ~Transport() = default;

  virtual State state() const = 0;

  // --- receiving
  // The size of the next receive, at most `size_max`.
  virtual std::size_t receive_size(std::size_t size_max) const = 0;
  // Takes over the pieces of a receive that completed with `result` ≥ 0; 0: the end of the stream, which is in order
  // without close_notify if `bare_end_allowed`.
  virtual Received received(std::int32_t result, std::span<const ring::Piece> pieces, net::Rope& input,
                            bool bare_end_allowed) = 0;
  // A receive failed with `error` (errno, not ENOBUFS).
  virtual Received receive_failed(int error, net::Rope& input) = 0;
  // True between two records, or where there are no records.
  virtual bool between_records() const = 0;

  // --- sending
  // Own records that must be sent before anything is gathered; only a kernel transport has any.
  virtual OwnRecords send_own_records() = 0;
  // Gathers what is to be sent now into `room`, at most send_pieces_max pieces. Until the handshake is complete, and
  // with `with_data` false, only the transport's own bytes. The same pieces again after a short send.
  virtual Outgoing outgoing(net::Rope& output, bool with_data, Follow follow, std::span<iovec> room) = 0;
  // The first `size` bytes of what outgoing() gave have left. Returns how many bytes of the output have left by that.
  virtual std::size_t sent(net::Rope& output, std::size_t size) = 0;
  // How many of `size` bytes being sent are still counted in the output rope's ready_size().
  virtual std::size_t still_on_rope(std::size_t size) const = 0;
  // Says close_notify after everything that was gathered. Nothing can be gathered afterwards.
  virtual void close() = 0;
  // True once close() was called and took effect.
  virtual bool closed() const = 0;
  // Nothing of its own waits to be sent.
  virtual bool drained() const = 0;

  // --- splicing: whether the kernel may move the bytes past us
  virtual bool splices_input() const = 0;
  virtual bool splices_output() const = 0;
  // The kernel has sent so many bytes, by splice or by send.
  virtual void sent_by_kernel(std::uint64_t size) = 0;
  // The bytes on the socket are those on the ropes: they may be peeked at, and received by a multishot receive.
  virtual bool raw() const = 0;

  // Hands what it can to the kernel: sending if no send is pending, receiving if no receive is.
  virtual void hand_over(bool no_send_pending, bool no_receive_pending) = 0;
  // The send key is exhausted and cannot be renewed: the connection must end in order.
  virtual bool key_exhausted() const = 0;
  // Of a failed transport.
  virtual const Failure& failure() const = 0;
  // The TLS engine; null for plaintext. For names, versions and texts; its bytes are the transport's.
  virtual const tls::Engine* engine() const = 0;
};

}  // namespace kferry::connection
