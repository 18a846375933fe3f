#include "proxy/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// What is looked at between the records of two partitions: in a Fetch response some 60 bytes, more if transactions
// were aborted.
constexpr std::size_t peeked_size = 256;
// The end of a longer run has most likely not arrived yet.
constexpr std::uint64_t run_to_peek_max = 256 * KiB;
constexpr std::uint64_t ahead_max = 1 * MiB;

}  // namespace

Session::Session(Worker& worker, std::uint32_t slot, std::uint16_t generation, std::shared_ptr<PlanView> view,
                 const PortEntry& port, ring::Socket client, const SocketAddress& client_address)
    : worker_(worker),
      view_(std::move(view)),
      port_(&port),
      slot_(slot),
      generation_(generation),
      deadline_(worker.ring(), {slot, generation, timer_kind}),
      requests_(worker.pool()),
      responses_(worker.pool()),
      client_(worker.legs(), *this, Remote::client, {slot, generation, 0}, requests_, responses_),
      broker_(worker.legs(), *this, Remote::broker, {slot, generation, broker_kind}, responses_, requests_),
      client_address_(client_address),
      conversation_(view_->plan().clusters()[port.cluster].policy),
      request_walker_(conversation_, *this, requests_),
      response_walker_(conversation_, *this, responses_) {
  client_.take(client);
}

Session::~Session() {
  KFERRY_ASSERT(client_.outstanding() + broker_.outstanding() == 0 && !deadline_.armed());
}

void Session::start() {
  set_deadline(Wait::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  client_.begin(client_transport());
  client_.receive();
}

const config::Engine& Session::options() const {
  return worker_.engine_options();
}

// --- completions

void Session::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  KFERRY_ASSERT(kind < kinds && !finished());
  if (kind == timer_kind) return on_deadline();
  if (kind >= dial_kind)
    return dial_->on_completion(static_cast<std::uint16_t>(kind - dial_kind), completion);
  Leg& leg = kind < broker_kind ? client_ : broker_;
  leg.on_completion(static_cast<Leg::Operation>(kind % Leg::operations), completion);
}

void Session::on_input(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  if (leg.remote() == Remote::broker) {
    heard_at_ = worker_.now();
    const bool client_first = client_.ended() || phase_ != Phase::serving;
    pump();
    note_answer();
    if (leg.ended() && !client_first) note_broken();
    return;
  }
  if (leg.ended()) report_silence();
  received_anything_ = received_anything_ || !requests_.empty();
  const bool shaking_hands = leg.stage() == Leg::Stage::handshaking;
  if (wait_ == Wait::first_byte && shaking_hands && leg.tls()->heard())
    set_deadline(Wait::handshake, milliseconds(worker_.limits().tls_handshake_timeout_ms));
  if (wait_ == Wait::handshake && !shaking_hands)
    set_deadline(Wait::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  pump();
}

void Session::on_output(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ != State::closing);
  pump();
}

void Session::on_spliced(Leg& leg, std::uint64_t size) {
  KFERRY_ASSERT(state_ == State::open);
  if (leg.remote() == Remote::client) {
    request_walker_.skip(size);
  } else {
    heard_at_ = worker_.now();
    const std::uint64_t walked = std::min(ahead_, size);
    ahead_ -= walked;
    if (size > walked) response_walker_.skip(size - walked);
    note_answer();
  }
  pump();
}

void Session::on_starved(Leg& leg) {
  KFERRY_ASSERT(state_ != State::closing);
  worker_.starve(leg.id());
}

void Session::receive_again(Remote from) {
  if (state_ == State::closing) return;
  if (from == Remote::broker && state_ == State::dialling) return dial_->resume();
  (from == Remote::client ? client_ : broker_).receive_again();
  pump();
}

void Session::give_buffers_back(Instant since) {
  if (state_ == State::closing) return;
  client_.give_buffers_back(since);
  broker_.give_buffers_back(since);
}

// --- the flow

void Session::pump() {
  walk_responses();
  walk_requests();
  if (state_ == State::closing) return;
  if (response_walker_.can_walk_ahead()) look_ahead();
  const bool open = state_ == State::open;
  client_.hand_over();
  if (open) broker_.hand_over();
  if (open && phase_ != Phase::delivering) send(broker_);
  send(client_);
  if (phase_ != Phase::delivering) {
    if (!requests_stopped()) pull(client_);
    if (open) pull(broker_);
  }
  if (client_.cannot_send() || broker_.cannot_send()) set_deadline(Wait::drain, Duration::zero());
  pass_on_ends();
  end_if_done();
  // What is read next may depend on a deferred send alone: on its room, on its end, or on the splice that follows it.
  const auto unheard = [](const Leg& to, const Leg& from) {
    return to.deferred() && !from.receiving() && !from.splicing();
  };
  if (unheard(client_, broker_)) client_.expedite();
  if (unheard(broker_, client_)) broker_.expedite();
  if (!looked_after_ && state_ != State::closing && wants_looks()) {
    looked_after_ = true;
    worker_.look_after(slot_, generation_);
  }
}

void Session::walk_requests() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  // Answers of our own need no broker, so nothing else bounds them for a client that does not read.
  if (responses_.ready_size() > 2 * std::size_t{options().receive_size_bytes}) return;
  if (request_walk_ == RequestWalk::queue_full &&
      conversation_.size() > conversation_.policy().unanswered_max / 2)
    return;
  for (;;) {
    const std::span<const std::byte> chunk = requests_.pin_input();
    if (chunk.empty() && request_walk_ != RequestWalk::judge_waits) break;
    request_walk_ = RequestWalk::flowing;
    const auto walked = request_walker_.feed(chunk);
    requests_.unpin();
    if (walked.stop == kafka::RequestWalker::Stop::judge) request_walk_ = RequestWalk::judge_waits;
    if (walked.stop == kafka::RequestWalker::Stop::full) request_walk_ = RequestWalk::queue_full;
    const bool last = walked.stop == kafka::RequestWalker::Stop::refused ||
                      walked.stop == kafka::RequestWalker::Stop::failed;
    if (last) response_walker_.answer_own();  // of requests before this one
    if (walked.stop == kafka::RequestWalker::Stop::refused) {
      fail(Severity::warning, "stand_in_refused", std::move(*refusal_));
      return;
    }
    if (walked.stop == kafka::RequestWalker::Stop::failed) {
      const Failure& failure = request_walker_.failure();
      fail(Severity::warning, failure.cause, failure.text);
      return;
    }
    if (request_walk_ == RequestWalk::judge_waits) ask_for_map();
    if (walked.stop != kafka::RequestWalker::Stop::input) break;
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  response_walker_.answer_own();
  requests_.spare_buffers(Leg::leased_max);
}

void Session::walk_responses() {
  if (state_ == State::closing || phase_ == Phase::delivering) return;
  for (;;) {
    const std::span<const std::byte> chunk = responses_.pin_input();
    if (chunk.empty()) break;
    if (ahead_ > 0) {
      const std::uint64_t size = std::min<std::uint64_t>(ahead_, chunk.size());
      responses_.pass(size);
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
  responses_.spare_buffers(Leg::leased_max);
}

// The structure between the records of two partitions can be walked before it is received: if it is in the socket
// already, records, structure and records are one run. No receive may be outstanding, and everything received must
// have been walked.
void Session::look_ahead() {
  const std::uint64_t run_min = options().look_ahead_bytes;
  if (run_min == 0 || options().splice_threshold_bytes == 0 || !worker_.can_peek()) return;
  if (state_ != State::open || !broker_.can_peek() || !broker_.can_splice_to(client_)) return;
  if (responses_.input_size() > 0) return;
  std::array<std::byte, peeked_size> bytes;
  while (response_walker_.can_walk_ahead()) {
    const std::uint64_t run = response_walker_.opaque_run();
    if (run < run_min || run > run_to_peek_max || ahead_ + run > ahead_max) return;
    const int size = worker_.ring().peek(broker_.socket(), ahead_ + run, bytes);
    if (size == -EOPNOTSUPP) worker_.note_no_peeking();
    if (size <= 0) return;
    const auto walked = response_walker_.walk_ahead(std::span(bytes).first(static_cast<std::size_t>(size)));
    if (!walked) return;
    ahead_ += run + *walked;
  }
}

bool Session::requests_stopped() const {
  return phase_ == Phase::stopping &&
         (request_walk_ == RequestWalk::judge_waits || request_walker_.at_boundary());
}

void Session::send(Leg& to) {
  if (!to.may_send()) return;
  const Leg& from = other(to);
  const std::uint64_t run = opaque_run(from);
  const bool splice_follows = splice_wanted(from, run);
  const auto completion = ending() || splice_follows ? Leg::Completion::at_once : Leg::Completion::deferrable;
  const bool more = splice_follows || (run > 0 && frame_continues(from));
  to.send(completion, more ? connection::Follow::more : connection::Follow::nothing);
}

void Session::pull(Leg& from) {
  const std::uint64_t run = opaque_run(from);
  if (splice_wanted(from, run) && from.splice_to(other(from), run)) return;
  from.receive();
}

bool Session::at_boundary(const Leg& leg) const {
  return leg.remote() == Remote::client ? request_walker_.at_boundary() : response_walker_.at_boundary();
}

std::uint64_t Session::opaque_run(const Leg& from) const {
  return from.remote() == Remote::client ? request_walker_.opaque_run()
                                         : ahead_ + response_walker_.opaque_run();
}

bool Session::splice_wanted(const Leg& from, std::uint64_t run) const {
  return run >= worker_.legs().splice_min && state_ == State::open && from.can_splice_to(other(from));
}

// Everything ready belongs to the frame whose opaque run is still to come: the receiver cannot use it yet, and the
// kernel may wait for more to fill a segment (MSG_MORE).
bool Session::frame_continues(const Leg& from) const {
  if (from.ended()) return false;
  const std::uint64_t passed =
      from.remote() == Remote::client ? request_walker_.passed() : response_walker_.passed() - ahead_;
  return from.input().ready_size() <= passed;
}

}  // namespace kferry::proxy
