#include "connection/dialler.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/host_lack.h"
#include "tls/engine.h"

namespace kferry::connection {
namespace {

// A plaintext broker takes a ClientHello for a frame of 369 MB and closes with it unread, which resets the connection.
std::string reset_in_handshake(int error, const tls::Engine& engine) {
  std::string text = std::string(std::strerror(error)) + " in the TLS handshake";
  if (!engine.heard()) text += ": most likely this is its PLAINTEXT or SASL_PLAINTEXT port";
  return text;
}

}  // namespace

void Dialler::start(std::vector<Candidate> candidates) {
  KFERRY_ASSERT(state_ == State::resolving && candidates_.empty());
  candidates_ = std::move(candidates);
  leg_.set_owner(*this);
  if (timeouts_.budget != Duration::zero()) give_up_at_ = shared_.ring.now() + timeouts_.budget;
  next_node();
}

void Dialler::finish(int local_error) {
  state_ = State::done;
  host_.clear_dial_deadline();
  host_.on_not_dialled(local_error);
}

// --- names and addresses

void Dialler::next_candidate() {
  if (candidate_ == candidates_.size() || out_of_time()) return finish(0);
  state_ = State::resolving;
  deadline_at_ = give_up_at_;
  if (give_up_at_ != Instant::max()) set_deadline(give_up_at_ - shared_.ring.now());
  host_.resolve(candidate().address);
}

void Dialler::next_node() {
  if (candidate_ == candidates_.size()) return finish(0);
  const auto pause = host_.pause_before(candidate());
  if (!pause) {
    state_ = State::done;
    return;
  }
  if (*pause == Duration::zero()) return next_candidate();
  state_ = State::pausing;
  set_deadline(*pause);
}

void Dialler::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (state_ != State::resolving) return;
  if (addresses.empty())
    note({.step = Attempt::Step::resolve, .where = to_string(candidate().address), .why = error});
  addresses_ = std::move(addresses);
  address_ = 0;
  next_address();
}

void Dialler::next_address() {
  for (; address_ < addresses_.size() && !out_of_time(); ++address_) {
    const std::string_view why_not = host_.why_not_dialled(candidate(), address(), {});
    if (!why_not.empty()) {
      note({.step = Attempt::Step::refuse, .where = address().text(), .why = std::string(why_not)});
      continue;
    }
    const int error = leg_.connect(address());
    if (error == 0) {
      state_ = State::connecting;
      timed_out_ = false;
      set_deadline(timeouts_.connect);
      return;
    }
    note({.step = Attempt::Step::connect,
          .error = error,
          .where = address().text(),
          .why = std::strerror(error)});
  }
  after_candidate();
}

// A node is unreachable once every address of it was tried. What this host lacks says nothing about the node: where
// nothing else failed, no other broker is dialled for it either.
void Dialler::after_candidate() {
  if (shortened_ && out_of_time()) return finish(0);
  const Candidate& failed = candidate();
  ++candidate_;
  const bool more = candidate_ < candidates_.size();
  const bool more_of_it = more && failed.node && candidate().node == failed.node;
  if (more_of_it) return next_candidate();
  if (lack_ != 0 && !broker_failed_) return finish(lack_);
  const bool more_servers = more && !failed.node && !candidate().node;
  if (!more_servers && retry()) return;
  host_.on_candidate_failed(failed, tried_);
  broker_failed_ = false;
  lack_ = 0;
  next_node();
}

// Only those that come first are tried again, and only if the last failure came quickly.
bool Dialler::retry() {
  const bool first = candidates_[candidate_ - 1].node == candidates_.front().node;
  const bool quick = last_.step != Attempt::Step::resolve && last_.error != 0 && last_.error != ETIMEDOUT;
  if (retried_ || !first || !quick || timeouts_.retry == Duration::zero() || out_of_time()) return false;
  retried_ = true;
  candidate_ = 0;
  broker_failed_ = false;
  lack_ = 0;
  state_ = State::pausing;
  set_deadline(timeouts_.retry);
  return true;
}

bool Dialler::out_of_time() const {
  return shared_.ring.now() >= give_up_at_;
}

void Dialler::set_deadline(Duration in) {
  const Instant now = shared_.ring.now();
  deadline_at_ = std::min(now + in, give_up_at_);
  host_.set_dial_deadline(deadline_at_ - now);
}

void Dialler::shorten(Duration in) {
  const Instant now = shared_.ring.now();
  if (state_ == State::dialled || state_ == State::done || now + in >= give_up_at_) return;
  give_up_at_ = now + in;
  shortened_ = true;
  if (state_ != State::leaving && deadline_at_ > give_up_at_) set_deadline(in);
}

void Dialler::note(Attempt attempt) {
  const bool of_network = attempt.step == Attempt::Step::resolve || attempt.step == Attempt::Step::connect;
  network_failed_ = network_failed_ || of_network;
  if (attempt.error != 0 && !remedy_for_lack(attempt.error).empty()) {
    lack_ = attempt.error;
  } else {
    broker_failed_ = true;
  }
  tried_ += " " + attempt.where + " (" + attempt.why + ")";
  last_ = std::move(attempt);
}

void Dialler::give_up(Attempt attempt) {
  KFERRY_ASSERT(state_ != State::leaving && state_ != State::done);
  attempt.where = address().text();
  if (!same_address_) note(std::move(attempt));
  state_ = State::leaving;
  host_.clear_dial_deadline();
  leg_.abandon(true);
}

void Dialler::reject(std::string why) {
  KFERRY_ASSERT(state_ == State::dialled);
  leg_.set_owner(*this);
  give_up({.step = Attempt::Step::use, .why = std::move(why)});
}

void Dialler::on_left(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ == State::leaving);
  if (!std::exchange(same_address_, false)) ++address_;
  next_address();
}

// --- connecting

void Dialler::on_connected(Leg& /*leg*/, int error) {
  KFERRY_ASSERT(state_ == State::connecting);
  host_.clear_dial_deadline();
  if (error != 0) {
    return give_up({.step = Attempt::Step::connect,
                    .error = timed_out_ ? ETIMEDOUT : error,
                    .why = timed_out_ ? "timed out" : std::strerror(error)});
  }
  // A host's own addresses change: the kernel tells which one it took for this connection.
  const std::string_view why_not =
      host_.why_not_dialled(candidate(), address(), shared_.ring.local_address(leg_.socket()));
  if (!why_not.empty()) return give_up({.step = Attempt::Step::refuse, .why = std::string(why_not)});
  auto context = host_.client_context();
  if (!context) return give_up({.step = Attempt::Step::handshake, .why = "TLS: " + context.error()});
  if (*context != nullptr) return start_tls(std::move(*context));
  leg_.begin(nullptr);
  dialled();
}

void Dialler::on_deadline() {
  if (state_ == State::connecting) {
    timed_out_ = true;
    leg_.cancel_connect();
  } else if (state_ == State::handshaking) {
    give_up({.step = Attempt::Step::handshake,
             .error = ETIMEDOUT,
             .why = "TLS: timed out, " + leg_.tls()->handshake_state(),
             .handshake_state = leg_.tls()->handshake_state()});
  } else if (state_ == State::pausing) {
    next_candidate();
  } else if (state_ == State::resolving) {
    note({.step = Attempt::Step::resolve,
          .error = ETIMEDOUT,
          .where = to_string(candidate().address),
          .why = "DNS timed out"});
    addresses_.clear();
    after_candidate();
  }
}

// --- TLS

void Dialler::start_tls(std::shared_ptr<const tls::ClientContext> context) {
  const HostPort& where = candidate().address;
  auto engine = tls::Engine::client(std::move(context), where.host, static_cast<std::uint16_t>(where.port),
                                    !full_handshake_);
  leg_.begin(
      make_tls_transport(shared_.ring, tls::Remote::broker, std::move(engine), leg_.socket(), kernel_tls_));
  state_ = State::handshaking;
  set_deadline(timeouts_.handshake);
  shake_hands();
}

void Dialler::shake_hands() {
  leg_.send(Leg::Completion::at_once, Follow::nothing);
  leg_.receive();
}

void Dialler::on_input(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ == State::handshaking);
  if (leg_.stage() == Leg::Stage::open) return dialled();
  shake_hands();
}

void Dialler::on_output(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ == State::handshaking);
  shake_hands();
}

void Dialler::dialled() {
  state_ = State::dialled;
  host_.clear_dial_deadline();
  host_.on_dialled(candidate());
}

void Dialler::on_break(Leg& /*leg*/, const Leg::Break& what) {
  KFERRY_ASSERT(state_ == State::handshaking);
  const tls::Engine& engine = *leg_.tls();
  if (what.how == Leg::Break::How::receiving || what.how == Leg::Break::How::sending) {
    return give_up({.step = Attempt::Step::handshake,
                    .error = what.error,
                    .why = reset_in_handshake(what.error, engine)});
  }
  // A broker may refuse the ticket, or may have come to speak TLS 1.2 only: once more, by a full handshake.
  same_address_ = engine.failed_on_resumption();
  full_handshake_ = full_handshake_ || same_address_;
  const Failure& failure = engine.failure();
  give_up({.step = Attempt::Step::handshake, .tls_cause = failure.cause, .why = failure.text});
}

void Dialler::on_starved(Leg& /*leg*/) {
  host_.on_dial_starved();
}

void Dialler::resume() {
  leg_.receive_again();
  if (state_ == State::handshaking) shake_hands();
}

}  // namespace kferry::connection
