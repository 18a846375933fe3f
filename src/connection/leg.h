// One socket: everything that is received, sent, spliced and closed on it, through its transport. Knows neither Kafka
// nor the other leg, except that a splice moves bytes to one.
//
//   none ─take()▶ connected ─begin()▶ handshaking ─▶ open ─close()▶ closing
//     ▲                                               │
//     └─── leaving ◀─ abandon() ◀──── any of these ◀──┘
//
//   socket ──receive()──▶ input()   the owner judges it; it is the other leg's output
//   socket ◀──send()───── output    what the owner has released
//
// The kernel is an owner: nothing is freed, and the socket is not closed, before outstanding() is zero. Lives on its
// worker's thread. What it tells its owner: connection/owner.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/limits.h"
#include "connection/owner.h"
#include "connection/plain_transport.h"
#include "connection/receive_policy.h"
#include "connection/transport.h"
#include "net/buffer_pool.h"
#include "net/rope.h"
#include "ring/ring.h"
#include "tls/failures.h"

namespace kferry::connection {

class Leg {
 public:
  // Kinds of operations, counted from the leg's first Token::kind.
  enum class Operation : std::uint16_t { receive, send, splice, watch, end_ };
  static constexpr std::uint16_t operations = static_cast<std::uint16_t>(Operation::end_);

  enum class Stage : std::uint8_t { none, connected, handshaking, open, leaving, closing };
  enum class Receive : std::uint8_t {
    idle,
    single,
    multishot,   // continues by itself, counted by the kernel
    cancelling,  // its last completion is still to come
    starved,     // no buffer was free: waits for receive_again()
  };
  enum class Send : std::uint8_t {
    idle,
    pending,
    deferred,       // completes with the next completion of anything
    cancelling,     // so that its receive buffers can be given back
    awaiting_room,  // polls until the socket is writable
    spliced,        // a splice from another leg writes to this socket
  };
  enum class Splice : std::uint8_t {
    idle,
    moving,   // to another socket; nothing else reads here
    refused,  // no pipe was free: the next bytes go through buffers
  };
  enum class Shutdown : std::uint8_t {
    open,
    fin_sent,
    cannot,  // nothing can be sent any more, not even a FIN
    reset,   // the close that follows sends RST
  };
  // How far the other side's end is known.
  enum class PeerEnd : std::uint8_t {
    none,
    noticed,   // it has sent FIN, which need not have been received yet: see note_peer_ended()
    received,  // nothing more comes
  };
  // Whether the socket took all of the last send, so that the next one need not wait.
  enum class Room : std::uint8_t { free, full };
  // Of a reset, which no receive reports after the end.
  enum class Watch : std::uint8_t { idle, watching };
  // A send whose completion nothing waits for may complete with the next completion of anything.
  enum class Completion : std::uint8_t { at_once, deferrable };

  using Owner = connection::Owner;
  using Break = connection::Break;

  // What the legs of one worker share. Outlives them.
  struct Shared {
    ring::Ring& ring;
    net::BufferPool& pool;
    std::size_t receive_size;  // of one receive, and the quota of a direction, bytes
    std::size_t
        multishot_size;  // a receive of at most this many bytes is followed by a multishot one; 0: never
    std::uint64_t splice_min;  // the shortest run that is spliced, bytes
  };

  // A completion of at most this many bytes may be deferred.
  static constexpr std::size_t deferred_size_max = 16 * KiB;
  // Receive buffers that one direction may keep from the others while it waits for more input; with half of them to be
  // sent, receiving waits.
  static constexpr std::size_t leased_max = send_pieces_max;

  // `token.kind` is that of Operation::receive. What is received goes to the end of `input`; what is ready on `output`
  // is sent. Everything outlives the leg.
  Leg(Shared& shared, Owner& owner, tls::Remote remote, ring::Token token, net::Rope& input,
      net::Rope& output);
  // Closes the socket. Nothing may be outstanding.
  ~Leg();
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  void set_owner(Owner& owner) { owner_ = &owner; }
  void on_completion(Operation operation, const ring::Completion& completion);

  // --- stages
  // Takes over a connected socket.
  void take(ring::Socket socket);
  // Lets bytes flow, or, with a transport, its handshake. Null: plaintext.
  void begin(std::unique_ptr<Transport> tls);
  // Gives the socket up, by RST if `reset`; Owner::on_left follows, possibly from within.
  void abandon(bool reset);
  // Cancels what is outstanding. The destructor closes the socket, by RST if `reset`.
  void close(bool reset);
  // Gives up a closing leg's socket instead of closing it. Nothing may be outstanding.
  ring::Socket release();

  // --- the flow: each does nothing where the state does not allow it
  // Hands TLS records to the kernel where they can be.
  void hand_over() {
    if (tls_ != nullptr && stage_ == Stage::open) tls_->hand_over(send_ == Send::idle, !receiving());
  }
  void receive() {
    if (receive_ == Receive::idle) submit_receive();
  }
  void receive_again();
  // Sends what is ready on the output rope, in the handshake only the transport's own bytes.
  void send(Completion completion, Follow follow);
  // True while the next bytes from here are the kernel's to move to `to`: a splice is moving or waits until what came
  // before has been sent.
  bool splice_to(Leg& to, std::uint64_t size);
  // Sends close_notify, then FIN. True once nothing more needs to be done; `closes_next`: the close that follows sends
  // the FIN.
  bool shut_write(bool closes_next);
  // A send that is pending since `since` or longer is cancelled, and what waits behind it is copied, so that the
  // ring's buffers can serve others.
  void give_buffers_back(Instant since);
  // The other side has sent FIN, which need not have been received yet. On such a socket io_uring retries a send
  // without room in a kernel thread of its own, so from now on a send never waits, and the leg polls for room.
  void note_peer_ended();
  // Asks for the completion of a deferred send.
  void expedite();

  // --- what is so
  // Names the leg: the token of its first operation.
  ring::Token id() const { return token_; }
  tls::Remote remote() const { return remote_; }
  Stage stage() const { return stage_; }
  std::uint32_t outstanding() const { return outstanding_; }
  ring::Socket socket() const { return socket_; }
  net::Rope& input() { return input_; }
  const net::Rope& input() const { return input_; }
  const net::Rope& output() const { return output_; }
  const Transport& transport() const { return tls_ == nullptr ? plain_transport : *tls_; }
  // Null where the leg is plaintext.
  const tls::Engine* tls() const { return tls_ == nullptr ? nullptr : tls_->engine(); }
  // Nothing more comes.
  bool ended() const { return peer_end_ == PeerEnd::received; }
  // Nothing is sent after what is being sent now.
  bool shut() const { return shutdown_ != Shutdown::open; }
  // The send key is spent: see Transport::OwnRecords::no_key.
  bool cannot_send() const { return shutdown_ == Shutdown::cannot; }
  bool receiving() const { return receive_ != Receive::idle && receive_ != Receive::starved; }
  bool sending() const { return send_ != Send::idle && send_ != Send::spliced; }
  // When the last send was submitted.
  Instant send_since() const { return send_since_; }
  bool deferred() const { return send_ == Send::deferred; }
  // The last send was cut short.
  bool congested() const { return room_ == Room::full; }
  // Whether the pending send has everything that is ready.
  bool send_covers_output() const {
    return output_.ready_size() <= (tls_ == nullptr ? send_size_ : tls_->still_on_rope(send_size_));
  }
  bool splicing() const { return splice_ == Splice::moving; }
  // Whether send() could do anything: cheap, for the hot path.
  bool may_send() const { return sending() ? deferred() : tls_ != nullptr || output_.ready_size() > 0; }
  // As the kernel knows it; for a connected socket.
  ring::TcpState tcp_state() const { return shared_.ring.tcp_state(socket_); }
  // What was received may be looked at before it is received (Ring::peek).
  bool can_peek() const { return !receiving() && !splicing() && transport().raw(); }
  // Whether the kernel may move bytes from here to `to`.
  bool can_splice_to(const Leg& to) const {
    return !ended() && splice_ != Splice::refused && transport().splices_input() &&
           to.transport().splices_output();
  }
  // Nothing is left to be sent to a peer that can still be told anything.
  bool delivered() const {
    return !sending() && (output_.ready_size() == 0 || transport().state() == Transport::State::failed);
  }
  // Whether a direction has room for another receive: at most twice a receive is kept between its two sockets.
  bool has_room(const net::Rope& rope) const {
    const std::size_t queued = rope.input_size() + rope.ready_size();
    return queued <= shared_.receive_size && (rope.ready_size() == 0 || rope.leased() <= leased_max / 2);
  }

 private:
  ring::Token token(Operation operation) const;
  Transport& active() { return tls_ == nullptr ? plain_transport : *tls_; }
  // As active(), for the hot path: where the leg is plaintext the compiler sees through the call.
  template <class Use>
  auto with_transport(Use&& use) {
    return tls_ == nullptr ? use(plain_transport) : use(*tls_);
  }
  bool in_use() const { return stage_ == Stage::handshaking || stage_ == Stage::open; }

  void submit_receive();
  void on_received(const ring::Completion& completion);
  void on_sent(const ring::Completion& completion);
  void on_spliced(const ring::Completion& completion);
  void on_watched(const ring::Completion& completion);
  void end_input();
  void after(const Transport::Received& received);
  void end_multishot();
  // False: nothing else may be sent now.
  bool send_own_records();
  void await_room();
  bool bare_end_allowed() const;
  void cancel(Operation operation) { shared_.ring.cancel(token(operation)); }
  void cancel_operations();
  void leave_if_idle();

  Shared& shared_;
  Owner* owner_;
  net::Rope& input_;
  net::Rope& output_;
  std::unique_ptr<Transport> tls_;  // null: plaintext
  const ring::Token token_;
  ring::Socket socket_ = ring::Socket::none;
  std::uint32_t outstanding_ = 0;
  Instant send_since_{};         // when the last send was submitted
  Leg* spliced_to_ = nullptr;    // Valid while splice_ is moving.
  std::uint32_t send_size_ = 0;  // of the pending send, bytes
  const tls::Remote remote_;
  Stage stage_ = Stage::none;
  Receive receive_ = Receive::idle;
  Send send_ = Send::idle;
  Splice splice_ = Splice::idle;
  Shutdown shutdown_ = Shutdown::open;
  PeerEnd peer_end_ = PeerEnd::none;
  Room room_ = Room::free;
  Watch watch_ = Watch::idle;
  ReceivePolicy receive_policy_;
};

}  // namespace kferry::connection
