#include "connection/leg.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace kferry::connection {
namespace {

// What one splice is asked for, so that a completion's int32 holds it.
constexpr std::uint64_t splice_size_max = 1024 * MiB;

}  // namespace

Leg::Leg(Shared& shared, Owner& owner, tls::Remote remote, ring::Token token, net::Rope& input,
         net::Rope& output)
    : shared_(shared), owner_(&owner), input_(input), output_(output), token_(token), remote_(remote) {}

Leg::~Leg() {
  KFERRY_ASSERT(outstanding_ == 0);
  if (socket_ != ring::Socket::none) shared_.ring.close(socket_, shutdown_ == Shutdown::reset);
}

ring::Token Leg::token(Operation operation) const {
  return {token_.slot, token_.generation,
          static_cast<std::uint16_t>(token_.kind + static_cast<std::uint16_t>(operation))};
}

// --- stages

void Leg::take(ring::Socket socket) {
  KFERRY_ASSERT(stage_ == Stage::none && outstanding_ == 0);
  socket_ = socket;
  stage_ = Stage::connected;
}

void Leg::begin(std::unique_ptr<Transport> tls) {
  KFERRY_ASSERT(stage_ == Stage::connected);
  tls_ = std::move(tls);
  stage_ = tls_ == nullptr ? Stage::open : Stage::handshaking;
}

void Leg::abandon(bool reset) {
  KFERRY_ASSERT(stage_ != Stage::none && stage_ != Stage::leaving && stage_ != Stage::closing);
  if (reset) shutdown_ = Shutdown::reset;
  stage_ = Stage::leaving;
  cancel_operations();
  expedite();
  leave_if_idle();
}

void Leg::leave_if_idle() {
  KFERRY_ASSERT(stage_ == Stage::leaving);
  if (outstanding_ > 0) return;
  shared_.ring.close(std::exchange(socket_, ring::Socket::none), shutdown_ == Shutdown::reset);
  tls_.reset();
  stage_ = Stage::none;
  receive_ = Receive::idle;
  send_ = Send::idle;
  splice_ = Splice::idle;
  shutdown_ = Shutdown::open;
  peer_end_ = PeerEnd::none;
  room_ = Room::free;
  receive_policy_ = {};
  owner_->on_left(*this);
}

void Leg::close(bool reset) {
  KFERRY_ASSERT(stage_ != Stage::closing);
  if (reset) shutdown_ = Shutdown::reset;
  stage_ = Stage::closing;
  cancel_operations();
}

ring::Socket Leg::release() {
  KFERRY_ASSERT(stage_ == Stage::closing && outstanding_ == 0);
  return std::exchange(socket_, ring::Socket::none);
}

void Leg::cancel_operations() {
  if (receiving()) cancel(Operation::receive);
  if (sending()) cancel(Operation::send);
  if (splicing()) cancel(Operation::splice);
  if (watch_ == Watch::watching) cancel(Operation::watch);
}

// --- completions

void Leg::on_completion(Operation operation, const ring::Completion& completion) {
  KFERRY_ASSERT(outstanding_ > 0);
  if (!completion.more) --outstanding_;
  switch (operation) {
    case Operation::receive:
      on_received(completion);
      break;
    case Operation::send:
      on_sent(completion);
      break;
    case Operation::splice:
      on_spliced(completion);
      break;
    case Operation::watch:
      on_watched(completion);
      break;
    case Operation::end_:
      KFERRY_ASSERT(false);
  }
  if (stage_ == Stage::leaving) leave_if_idle();
}

void Leg::on_received(const ring::Completion& completion) {
  KFERRY_ASSERT(receiving());
  if (!completion.more) receive_ = Receive::idle;
  receive_policy_.on_received(completion.result, shared_.multishot_size);
  if (!in_use()) {
    for (const ring::Piece& piece : completion.pieces) shared_.ring.recycle(piece.id);
    return;
  }
  if (completion.result == -ENOBUFS) {
    KFERRY_ASSERT(!completion.more);
    receive_ = Receive::starved;
    return owner_->on_starved(*this);
  }
  if (completion.result == -ECANCELED) return owner_->on_input(*this);
  if (completion.result < 0) return after(active().receive_failed(-completion.result, input_));
  if (splice_ == Splice::refused) splice_ = Splice::idle;
  const bool bare_end = completion.result == 0 && bare_end_allowed();
  after(with_transport([&](auto& transport) {
    return transport.received(completion.result, completion.pieces, input_, bare_end);
  }));
}

void Leg::after(const Transport::Received& received) {
  using What = Transport::Received::What;
  switch (received.what) {
    case What::bytes:
      break;
    case What::end:
      end_input();
      break;
    case What::truncated:
      return owner_->on_break(*this, {Break::How::truncated});
    case What::failed:
      return owner_->on_break(*this, {Break::How::tls});
    case What::keys_lost:
      return owner_->on_break(*this, {Break::How::keys_lost});
    case What::error:
      return owner_->on_break(*this, {Break::How::receiving, received.error});
  }
  if (!has_room(input_)) end_multishot();
  if (tls_ != nullptr) {
    if (tls_->state() != Transport::State::handshaking) stage_ = Stage::open;
    if (tls_->key_exhausted()) owner_->on_key_exhausted(*this);
  }
  owner_->on_input(*this);
}

// A client that has ended may still be reset, which says that it awaits no answers any more. A broker's reset after its
// end says nothing about the answers that came before it.
void Leg::end_input() {
  note_peer_ended();
  if (std::exchange(peer_end_, PeerEnd::received) == PeerEnd::received || remote_ == tls::Remote::broker)
    return;
  watch_ = Watch::watching;
  ++outstanding_;
  shared_.ring.watch(token(Operation::watch), socket_);
}

void Leg::on_watched(const ring::Completion& completion) {
  KFERRY_ASSERT(watch_ == Watch::watching);
  watch_ = Watch::idle;
  const bool reset = completion.result > 0 && (completion.result & POLLERR) != 0;
  if (in_use() && reset) owner_->on_break(*this, {Break::How::receiving, ECONNRESET});
}

bool Leg::bare_end_allowed() const {
  return tls_ != nullptr && shut() && tls_->closed() && tls_->between_records() && input_.input_size() == 0 &&
         owner_->at_boundary(*this);
}

void Leg::on_sent(const ring::Completion& completion) {
  KFERRY_ASSERT(sending());
  const Send was = std::exchange(send_, Send::idle);
  std::size_t left = 0;
  if (was == Send::awaiting_room) {
    room_ = Room::free;
  } else {
    room_ = completion.result < static_cast<std::int64_t>(send_size_) ? Room::full : Room::free;
    const auto size = static_cast<std::size_t>(std::max(completion.result, 0));
    left = with_transport([&](auto& transport) { return transport.sent(output_, size); });
  }
  if (!in_use()) return;
  // A deferred send that the socket takes nothing of ends with EAGAIN, and one that is cancelled in a kernel thread
  // with EINTR.
  const bool failed = completion.result < 0 && completion.result != -EAGAIN &&
                      completion.result != -ENOBUFS && completion.result != -ECANCELED &&
                      completion.result != -EINTR;
  if (failed && was != Send::awaiting_room)
    return owner_->on_break(*this, {Break::How::sending, -completion.result});
  if (was == Send::cancelling) output_.move_to_heap();
  if (tls_ != nullptr && tls_->key_exhausted()) owner_->on_key_exhausted(*this);
  owner_->on_output(*this, left);
}

// What a pipe held is lost with an error: the stream is cut on both sides.
void Leg::on_spliced(const ring::Completion& completion) {
  KFERRY_ASSERT(splice_ == Splice::moving && spliced_to_->send_ == Send::spliced);
  splice_ = Splice::idle;
  Leg& to = *std::exchange(spliced_to_, nullptr);
  to.send_ = Send::idle;
  if (!in_use()) return;
  // A TLS record that is not data: the next receive tells what it is.
  const bool met_record = completion.result == -EINVAL && tls_ != nullptr;
  if (completion.result == -ENOBUFS || met_record) {
    splice_ = Splice::refused;
    return owner_->on_spliced(*this, 0);
  }
  if (completion.result == -EPIPE) return owner_->on_break(to, {Break::How::splicing_to, EPIPE});
  if (completion.result < 0) return owner_->on_break(*this, {Break::How::splicing_from, -completion.result});
  if (completion.result == 0) {
    if (tls_ != nullptr) return owner_->on_break(*this, {Break::How::truncated});
    end_input();
    return owner_->on_input(*this);
  }
  const auto size = static_cast<std::uint64_t>(completion.result);
  if (to.tls_ != nullptr) {
    to.tls_->sent_by_kernel(size);
    if (to.tls_->key_exhausted()) owner_->on_key_exhausted(to);
  }
  owner_->on_spliced(*this, size);
}

// --- receiving

void Leg::submit_receive() {
  if (splicing() || ended() || !in_use() || !has_room(input_)) return;
  // In a handshake, the answer to what came goes first.
  if (sending() && active().state() != Transport::State::open) return;
  const std::size_t size = active().receive_size(receive_policy_.size(shared_.receive_size));
  // TLS records are received one by one.
  const bool multishot = receive_policy_.multishot() && shared_.multishot_size > 0 && active().raw();
  receive_ = multishot ? Receive::multishot : Receive::single;
  ++outstanding_;
  shared_.ring.receive(token(Operation::receive), socket_, size, multishot ? size : 0);
}

void Leg::receive_again() {
  if (receive_ == Receive::starved) receive_ = Receive::idle;
}

// What is under way still comes, at most what is missing of its size.
void Leg::end_multishot() {
  if (receive_ != Receive::multishot) return;
  receive_ = Receive::cancelling;
  cancel(Operation::receive);
}

bool Leg::splice_to(Leg& to, std::uint64_t size) {
  if (splicing()) return true;
  end_multishot();
  if (receiving()) return false;
  receive_policy_.on_splice();
  if (to.send_ != Send::idle || !input_.empty()) return true;
  splice_ = Splice::moving;
  spliced_to_ = &to;
  to.send_ = Send::spliced;
  ++outstanding_;
  shared_.ring.splice(token(Operation::splice), socket_, to.socket_, std::min(size, splice_size_max));
  return true;
}

// --- sending

void Leg::send(Completion completion, Follow follow) {
  if (sending()) {
    // More has become ready in the same turn: it must not wait until something else happens.
    if (deferred() && output_.ready_size() > active().still_on_rope(send_size_)) shared_.ring.wake();
    return;
  }
  if (send_ == Send::spliced || !in_use()) return;
  if (tls_ != nullptr && !send_own_records()) return;
  const bool peer_ended = peer_end_ != PeerEnd::none;
  if (peer_ended && room_ == Room::full) return await_room();
  std::array<iovec, send_pieces_max> room;
  const bool with_data = stage_ == Stage::open && !shut();
  const auto out =
      with_transport([&](auto& transport) { return transport.outgoing(output_, with_data, follow, room); });
  if (out.pieces.empty()) return;
  const bool deferrable = completion == Completion::deferrable && out.deferrable && room_ == Room::free &&
                          out.size <= deferred_size_max && has_room(output_);
  send_ = deferrable || peer_ended ? Send::deferred : Send::pending;
  send_since_ = shared_.ring.now();
  send_size_ = static_cast<std::uint32_t>(out.size);
  ++outstanding_;
  shared_.ring.send(token(Operation::send), socket_, out.pieces,
                    deferred() ? ring::Notice::with_next : ring::Notice::now, out.follow == Follow::more);
  if (peer_ended && !deferrable) expedite();
}

void Leg::await_room() {
  send_ = Send::awaiting_room;
  send_since_ = shared_.ring.now();
  ++outstanding_;
  shared_.ring.poll(token(Operation::send), socket_, POLLOUT);
}

void Leg::note_peer_ended() {
  if (peer_end_ != PeerEnd::none) return;
  peer_end_ = PeerEnd::noticed;
  if (send_ != Send::pending) return;
  send_ = Send::cancelling;
  cancel(Operation::send);
}

bool Leg::send_own_records() {
  switch (active().send_own_records()) {
    case Transport::OwnRecords::sent:
      return true;
    case Transport::OwnRecords::no_room:
      await_room();
      return false;
    case Transport::OwnRecords::no_key:
      shutdown_ = Shutdown::cannot;
      return false;
  }
  return false;
}

bool Leg::shut_write(bool closes_next) {
  if (shut()) return true;
  if (tls_ != nullptr && tls_->state() != Transport::State::failed) {
    tls_->close();
    send(Completion::at_once, Follow::nothing);
    if (sending() || !tls_->drained()) return cannot_send();
  }
  if (!closes_next) shared_.ring.shut_write(socket_);
  shutdown_ = Shutdown::fin_sent;
  return true;
}

void Leg::give_buffers_back(Instant since) {
  if (output_.leased() == 0 || !in_use()) return;
  if (!sending() || send_since_ <= since) output_.move_to_heap();
  const bool cancellable = send_ == Send::pending || send_ == Send::deferred;
  if (!cancellable || send_since_ > since || output_.leased() == 0) return;
  send_ = Send::cancelling;
  cancel(Operation::send);
}

void Leg::expedite() {
  if (deferred()) shared_.ring.wake();
}

}  // namespace kferry::connection
