#include "proxy/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "kafka/api_keys.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Receive buffers that what waits for more input may keep from the others: above it they are copied out. With half as
// many to be sent reading waits, for pieces that come small fill their buffers badly. Some kernels (6.18) fill many
// more in one receive than it asked for; these are sent as they are.
constexpr std::size_t leased_max = 16;
constexpr std::size_t leased_to_wait = leased_max / 2;

// After a run that was spliced, this much is read of what follows: enough for the next run's beginning, so that its
// records stay in the socket.
constexpr std::size_t beginning_size_max = 4 * KiB;

bool is_reset(int result) {
  return result < 0 && result != -ENOBUFS && result != -ECANCELED;
}

// A broker that closes with a ClientHello unread, which it took for a frame of 369 MB, resets the connection.
std::string reset_in_handshake(int error, const TlsStream& tls) {
  std::string text = std::string(std::strerror(error)) + " in the TLS handshake";
  if (!tls.heard()) text += ": most likely this is its PLAINTEXT or SASL_PLAINTEXT port";
  return text;
}

}  // namespace

Session::Session(Worker& worker, std::uint32_t slot, std::uint16_t generation, const PortEntry& port,
                 ring::Socket client, const SocketAddress& client_address)
    : worker_(worker),
      port_(&port),
      slot_(slot),
      generation_(generation),
      client_address_(client_address),
      requests_(worker.pool()),
      responses_(worker.pool()),
      request_output_(requests_),
      response_output_(responses_),
      conversation_(worker.cluster(port.cluster).policy),
      request_walker_(conversation_, *this, request_output_),
      response_walker_(conversation_, *this, response_output_) {
  client_.socket = client;
}

Session::~Session() {
  KFERRY_ASSERT(outstanding_ == 0);
  requests_.clear();
  responses_.clear();
  if (client_.socket != ring::Socket::none) worker_.ring().close(client_.socket, client_.reset);
  if (broker_.socket != ring::Socket::none) worker_.ring().close(broker_.socket, broker_.reset);
}

ring::Token Session::token(Operation operation) const {
  return ring::Token{slot_, generation_, static_cast<std::uint16_t>(operation)};
}

const config::Engine& Session::engine_options() const {
  return worker_.engine_options();
}

void Session::start() {
  set_deadline(Deadline::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  start_tls_with_client();
  receive(client_, requests_, Operation::client_receive);
}

// --- completions

void Session::on_completion(Operation operation, const ring::Completion& completion) {
  KFERRY_ASSERT(outstanding_ > 0);
  if (!completion.more) --outstanding_;
  switch (operation) {
    case Operation::client_receive:
      on_received(client_, requests_, completion);
      break;
    case Operation::broker_receive:
      on_received(broker_, responses_, completion);
      break;
    case Operation::client_send:
      on_sent(client_, responses_, completion);
      break;
    case Operation::broker_send:
      on_sent(broker_, requests_, completion);
      break;
    case Operation::client_splice:
      on_spliced(client_, completion);
      break;
    case Operation::broker_splice:
      on_spliced(broker_, completion);
      break;
    case Operation::connect:
      on_connected(completion);
      break;
    case Operation::deadline:
      timer_armed_ = false;
      on_deadline();
      break;
    case Operation::end_:
      KFERRY_ASSERT(false);
  }
}

void Session::on_received(Leg& from, net::Rope& rope, const ring::Completion& completion) {
  if (!completion.more) from.receiving = from.standing = from.unreceiving = false;
  if (from.receives_plain()) rope.received(completion.pieces);
  if (!from.cut_short)
    from.small = completion.result <= static_cast<std::int32_t>(engine_options().standing_receive_bytes);
  if (from.standing && !wants_more(rope)) end_standing(from);
  if (state_ == State::closing || (&from == &broker_ && dial_ != nullptr && dial_->given_up)) {
    if (!from.receives_plain())
      for (const ring::Piece& piece : completion.pieces) worker_.ring().recycle(piece.id);
    if (state_ != State::closing) leave_address();
    return;
  }
  if (completion.result == -ENOBUFS) {
    from.starved = true;
    worker_.starve(slot_, generation_, &from == &client_);
    return;
  }
  if (completion.result == -EIO && from.tls != nullptr && from.tls->kernel_receives())
    return take_record(from);
  if (completion.result == -EBADMSG && from.tls != nullptr && from.tls->kernel_receives())
    return on_forged(from);
  if (is_reset(completion.result)) {
    if (&from == &broker_ && state_ == State::dialling) {
      give_up_address(reset_in_handshake(-completion.result, *broker_.tls));
      return;
    }
    if (&from == &broker_) {
      report_cut(std::strerror(-completion.result));
    } else {
      report_silence();
    }
    // An error after the end is how a peer that is gone for good answers.
    close(&from == &client_ || !from.ended, &from == &broker_ || !from.ended);
    return;
  }
  if (&from == &broker_) heard_at_ = worker_.now();
  if (!from.receives_plain()) {
    if (!receive_tls(from, rope, completion)) return;
  } else if (completion.result == 0) {
    if (from.tls != nullptr && !may_end_bare(from)) return on_truncation(from);
    from.ended = true;
  }
  if (from.ended && &from == &client_) report_silence();
  if (&from == &client_ && (from.receives_plain() ? completion.result > 0 : !rope.empty()))
    received_anything_ = true;
  from.splice_refused = false;
  pump();
}

void Session::on_sent(Leg& to, net::Rope& rope, const ring::Completion& completion) {
  to.sending = false;
  if (std::exchange(to.polling, false)) {
    if (state_ != State::closing) pump();
    return;
  }
  const bool unsending = std::exchange(to.unsending, false);
  to.congested = completion.result < static_cast<std::int64_t>(to.sending_size);
  const std::size_t size = completion.result > 0 ? static_cast<std::size_t>(completion.result) : 0;
  if (to.sends_plain()) {
    rope.sent(size);
    if (to.tls != nullptr) note_kernel_sent(to, size);
  } else {
    to.tls->sent(size);
  }
  if (state_ == State::closing) return;
  if (&to == &broker_ && dial_ != nullptr && dial_->given_up) return leave_address();
  const bool full = to.quiet && completion.result == -EAGAIN;
  if (is_reset(completion.result) && !full && state_ == State::dialling && &to == &broker_) {
    give_up_address(reset_in_handshake(-completion.result, *broker_.tls));
    return;
  }
  if (is_reset(completion.result) && !full) return on_broken(&to == &broker_, -completion.result);
  if (unsending) rope.move_to_heap();
  pump();
}

// A socket that was written to, or spliced, takes no more.
void Session::on_broken(bool by_broker, int error) {
  // A broker that has closed in order takes no more requests; its client got the end already.
  const bool after_end = by_broker && broker_.ended && client_.fin_sent;
  if (by_broker && !after_end) report_cut(std::strerror(error));
  close(!after_end, !after_end);
}

void Session::receive_again(bool from_client) {
  Leg& from = from_client ? client_ : broker_;
  if (!std::exchange(from.starved, false) || state_ == State::closing) return;
  pump();
}

// --- the flow

void Session::pump() {
  walk_responses();
  walk_requests();
  if (state_ == State::closing) return;
  if (response_walker_.can_walk_ahead()) look_ahead();
  if (client_.tls != nullptr) hand_to_kernel(client_);
  if (broker_.tls != nullptr && state_ == State::open) hand_to_kernel(broker_);
  const bool open = state_ == State::open;
  const bool shaking_hands = state_ == State::dialling && broker_.tls != nullptr && !dial_->given_up;
  if ((open || shaking_hands) && !delivering_) send(broker_, requests_, Operation::broker_send);
  send(client_, responses_, Operation::client_send);
  if (!delivering_) {
    const bool stopped = stopping_ && (judge_waits_ || request_walker_.at_boundary());
    if (!stopped && !(open && splice(client_, broker_, requests_, Operation::client_splice)))
      receive(client_, requests_, Operation::client_receive);
    if ((open || shaking_hands) && !splice(broker_, client_, responses_, Operation::broker_splice))
      receive(broker_, responses_, Operation::broker_receive);
  }
  pass_on_ends();
  check_stopped();
  // Whoever reads next may be waiting for a quiet send alone: for room, for an end, for a splice's turn.
  const auto unheard = [](const Leg& to, const Leg& from) {
    return to.sending && to.quiet && !from.receiving && !from.splicing;
  };
  if (unheard(client_, broker_) || unheard(broker_, client_)) worker_.ring().wake();
}

void Session::walk_requests() {
  if (state_ == State::closing || delivering_) return;
  // Answers of our own need no broker's, so nothing else bounds them for a client that does not read.
  if (responses_.ready_size() > 2 * std::size_t{engine_options().receive_size_bytes}) return;
  if (queue_full_ && conversation_.size() > conversation_.policy().unanswered_max / 2) return;
  queue_full_ = false;
  for (;;) {
    const std::span<const std::byte> chunk = requests_.pin_input();
    if (chunk.empty() && !judge_waits_) break;
    judge_waits_ = false;
    const auto walked = request_walker_.feed(chunk);
    requests_.unpin();
    if (walked.stop == kafka::RequestWalker::Stop::judge) judge_waits_ = true;
    if (walked.stop == kafka::RequestWalker::Stop::full) queue_full_ = true;
    if (walked.stop == kafka::RequestWalker::Stop::refused) {
      fail(Severity::warning, "stand_in_refused", std::move(*refusal_));
      return;
    }
    if (walked.stop == kafka::RequestWalker::Stop::failed) {
      const Failure& failure = request_walker_.failure();
      fail(Severity::warning, failure.cause, failure.text);
      return;
    }
    if (walked.stop != kafka::RequestWalker::Stop::input) break;
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  response_walker_.answer_own();
  requests_.spare_buffers(leased_max);
}

void Session::walk_responses() {
  if (state_ == State::closing || delivering_) return;
  for (;;) {
    const std::span<const std::byte> chunk = responses_.pin_input();
    if (chunk.empty()) break;
    if (ahead_ > 0) {
      const std::uint64_t size = std::min<std::uint64_t>(ahead_, chunk.size());
      response_output_.pass(size);
      responses_.unpin();
      ahead_ -= size;
      continue;
    }
    const auto walked = response_walker_.feed(chunk);
    responses_.unpin();
    if (walked.stop == kafka::ResponseWalker::Stop::failed) {
      const Failure& failure = response_walker_.failure();
      fail(Severity::error, failure.cause, failure.text + " (from broker " + to_string(dialled_) + ")");
      return;
    }
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  responses_.spare_buffers(leased_max);
}

void Session::send(Leg& to, net::Rope& rope, Operation operation) {
  if (to.sending) {
    // More has come since, in the same turn: it must not wait for something else to happen.
    const std::size_t sending = to.sends_plain() ? to.sending_size : 0;
    if (to.quiet && rope.ready_size() > sending) worker_.ring().wake();
    return;
  }
  if (!to.sends_plain()) return send_tls(to, rope, operation);
  if (to.tls != nullptr && (!send_own_records(to, operation) || to.tls->failed())) return;
  if (rope.ready_size() == 0 || to.fin_sent) return;
  std::array<iovec, leased_max> pieces;
  const std::size_t count = rope.gather(pieces);
  // Nothing hangs on a small one alone: what comes next, from either side, is time enough to hear of it. Kernel TLS
  // refuses the MSG_WAITALL that such a send needs (EOPNOTSUPP). Nor may reading wait for it: then nothing would come.
  const bool to_splice = splice_wanted(other(to));
  const bool quiet = to.tls == nullptr && rope.ready_size() <= quiet_size_max && rope.input_size() == 0 &&
                     wants_more(rope) && !to.congested && !ending() && !to_splice;
  // Kernel TLS would keep what fills no record for as long as nothing more comes.
  const bool more = to.tls == nullptr && (to_splice || goes_on(other(to), rope));
  submit_send(to, operation, std::span(pieces).first(count), rope.ready_size(), quiet, more);
}

// Everything ready is of one frame, whose rest is to come: nobody can use it before, and the kernel may wait for it to
// fill a segment (MSG_MORE).
bool Session::goes_on(const Leg& from, const net::Rope& rope) const {
  if (from.ended || opaque_run(from) == 0) return false;
  const std::uint64_t passed =
      &from == &client_ ? request_walker_.passed() : response_walker_.passed() - ahead_;
  return rope.ready_size() <= passed;
}

void Session::submit_send(Leg& to, Operation operation, std::span<const iovec> pieces, std::size_t size,
                          bool quiet, bool more) {
  to.sending = true;
  to.sending_since = worker_.now();
  to.sending_size = size;
  to.quiet = quiet;
  ++outstanding_;
  worker_.ring().send(token(operation), to.socket, pieces,
                      quiet ? ring::Notice::with_next : ring::Notice::now, more);
}

// What a direction holds between its two sockets is at most twice a receive.
bool Session::wants_more(const net::Rope& rope) const {
  const std::size_t queued = rope.input_size() + rope.ready_size();
  return queued <= engine_options().receive_size_bytes &&
         (rope.ready_size() == 0 || rope.leased() <= leased_to_wait);
}

void Session::receive(Leg& from, net::Rope& rope, Operation operation) {
  if (from.receiving || from.ended || from.starved || !wants_more(rope)) return;
  if (!from.receives_plain() && from.sending && !from.tls->open())
    return;  // the answer to what came goes first
  from.receiving = true;
  ++outstanding_;
  const bool beginning = from.beginnings > 0;
  if (beginning) --from.beginnings;
  std::size_t size_max = beginning ? beginning_size_max : engine_options().receive_size_bytes;
  // Up to a record's end, so that the kernel can take over there.
  if (!from.receives_plain() && worker_.kernel_tls() && !from.kernel_refused &&
      from.tls->engine().records() != nullptr && from.tls->record_rest() > 0)
    size_max = std::min(size_max, from.tls->record_rest());
  // For many small ones; what is large comes cheaper in bundles of its own, and records are taken one by one.
  from.standing =
      from.small && !beginning && from.tls == nullptr && engine_options().standing_receive_bytes > 0;
  from.cut_short = beginning;
  worker_.ring().receive(token(operation), from.socket, size_max, from.standing ? size_max : 0);
}

// What is under way still comes, at most what is missing of its size.
void Session::end_standing(Leg& from) {
  if (!from.standing || std::exchange(from.unreceiving, true)) return;
  worker_.ring().cancel(token(&from == &client_ ? Operation::client_receive : Operation::broker_receive));
}

bool Session::at_boundary(const Leg& from) const {
  return &from == &client_ ? request_walker_.at_boundary() : response_walker_.at_boundary();
}

// With TLS says close_notify first. True once FIN is on its way, or is sent by what comes next: the session's close.
bool Session::end_writing(Leg& to, net::Rope& rope, Operation operation) {
  if (to.fin_sent) return true;
  if (to.tls != nullptr && !to.tls->failed()) {
    to.tls->close();
    send(to, rope, operation);
    if (to.sending || to.tls->engine().own_record()) return false;
  }
  const bool closed_next = &to == &client_ && client_.ended && !stopping_;
  if (!closed_next) worker_.ring().shut_write(to.socket);
  to.fin_sent = true;
  return true;
}

void Session::pass_on_ends() {
  if (state_ == State::closing || delivering_) return;
  const bool requests_gone = requests_.input_size() == 0 && requests_.ready_size() == 0 && !broker_.sending;
  if (client_.ended && state_ == State::accepted) {
    if (responses_.ready_size() > 0 || client_.sending) return;  // answers of our own
    if (received_anything_ && !request_walker_.started()) {
      fail(
          Severity::warning, "header_cut_short",
          "the client closed inside its first request header: not a Kafka client, or its connection was cut");
      return;
    }
    close(false, false);
    return;
  }
  if (client_.ended && !broker_.fin_sent && requests_gone) {
    if (!request_walker_.at_boundary() && requests_.held_size() > 0) {
      fail(Severity::warning, "header_cut_short",
           "the client closed inside a request header: its connection was cut");
      return;
    }
    if (!end_writing(broker_, requests_, Operation::broker_send)) return;
  }
  const bool responses_gone =
      responses_.input_size() == 0 && responses_.ready_size() == 0 && !client_.sending;
  if (broker_.ended && !client_.fin_sent && responses_gone) {
    if (!response_walker_.at_boundary()) {
      response_cut_ = true;  // though nothing of it may have left yet
      fail(Severity::warning, "response_cut_short",
           "broker " + to_string(dialled_) +
               " closed inside a response: the client is reset, so that it cannot take "
               "the response for complete");
      return;
    }
    if (!end_writing(client_, responses_, Operation::client_send)) return;
    if (!client_.ended) set_deadline(Deadline::half_close, half_close_timeout);
  }
  if (client_.fin_sent && client_.ended) close(false, false);
}

// A session that takes no more requests ends when everything is answered and delivered.
void Session::check_stopped() {
  if (state_ == State::closing) return;
  const bool gone_for_good = client_.tls != nullptr && client_.tls->failed();
  const bool delivered = (responses_.ready_size() == 0 || gone_for_good) && !client_.sending;
  if (delivering_ && delivered) {
    const bool cut = response_cut_ || response_walker_.cut();
    if (client_.tls != nullptr && !cut && !end_writing(client_, responses_, Operation::client_send)) return;
    const bool request_cut = !request_walker_.at_boundary() || requests_.ready_size() > 0 || broker_.sending;
    close(cut, request_cut);
    return;
  }
  if (!stopping_ || delivering_) return;
  const bool asked =
      (judge_waits_ || request_walker_.at_boundary()) && requests_.ready_size() == 0 && !broker_.sending;
  if (!asked || !conversation_.empty() || !delivered || !responses_.empty()) return;
  if (client_.tls != nullptr && !end_writing(client_, responses_, Operation::client_send)) return;
  if (broker_.tls != nullptr && state_ == State::open &&
      !end_writing(broker_, requests_, Operation::broker_send))
    return;
  close(false, false);
}

void Session::give_buffers_back(Instant since) {
  if (state_ == State::closing) return;
  for (const bool towards_client : {true, false}) {
    Leg& to = towards_client ? client_ : broker_;
    net::Rope& rope = towards_client ? responses_ : requests_;
    if (rope.leased() == 0) continue;
    if (!to.sending || to.sending_since <= since) rope.move_to_heap();
    if (!to.sending || to.unsending || to.sending_since > since || rope.leased() == 0) continue;
    to.unsending = true;
    worker_.ring().cancel(token(towards_client ? Operation::client_send : Operation::broker_send));
  }
}

}  // namespace kferry::proxy
