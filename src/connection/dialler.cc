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

// An attempt gives way to the addresses that wait for room after this long: a lost SYN is repeated after a second.
constexpr Duration crowded_timeout = std::chrono::seconds(2);

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
  using What = Host::Turn::What;
  while (candidate_ < candidates_.size() && !out_of_time()) {
    Host::Turn turn = host_.turn_of(candidate());
    switch (turn.what) {
      case What::dial:
        return next_candidate();
      case What::first:
        candidates_.insert(candidates_.begin() + static_cast<std::ptrdiff_t>(candidate_),
                           turn.candidates.begin(), turn.candidates.end());
        return next_candidate();
      case What::wait:
        state_ = State::pausing;
        asks_again_ = true;
        return set_deadline(turn.wait);
      case What::skip: {
        const std::optional<NodeId> node = candidate().node;
        while (candidate_ < candidates_.size() && candidate().node == node) ++candidate_;
        break;
      }
      case What::ended:
        state_ = State::done;
        return;
    }
  }
  finish(0);
}

void Dialler::ask_again() {
  if (state_ == State::pausing && asks_again_) next_node();
}

void Dialler::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (state_ != State::resolving) return;
  if (addresses.empty())
    note({.step = Attempt::Step::resolve, .where = to_string(candidate().address), .why = error});
  addresses_ = std::move(addresses);
  next_ = 0;
  again_.reset();
  several_ = addresses_.size() > 1;
  plan_ = several_ && memory_ != nullptr ? memory_->plan(name(), addresses_, shared_.ring.now())
                                         : net::AddressMemory::Plan{};
  next_address();
}

// Begins an attempt at the next address, beside those that are running.
void Dialler::next_address() {
  state_ = State::connecting;
  start_attempt();
  if (race_.running() > 0) {
    // One that refused is not given up while others do not answer at all.
    if (again_ && next_ == addresses_.size() && may_retry()) {
      retried_ = true;
      addresses_.push_back(*std::exchange(again_, std::nullopt));
      next_at_ = shared_.ring.now() + timeouts_.retry;
    }
    const bool more = next_ < addresses_.size() && race_.has_room();
    const Instant at = std::min(race_.next_timeout(), more ? next_at_ : Instant::max());
    return set_deadline(at - shared_.ring.now());
  }
  host_.clear_dial_deadline();
  // Cancelled attempts complete before anything else begins.
  if (race_.outstanding() == 0) after_candidate();
}

void Dialler::start_attempt() {
  while (next_ < addresses_.size() && race_.has_room() && !out_of_time()) {
    const SocketAddress& address = addresses_[next_++];
    const std::string_view why_not = host_.why_not_dialled(candidate(), address, {});
    if (!why_not.empty()) {
      note({.step = Attempt::Step::refuse, .where = address.text(), .why = std::string(why_not)});
      continue;
    }
    const Instant now = shared_.ring.now();
    const int error = race_.start(address, now + std::min(timeouts_.connect, candidate().patience));
    if (error == 0) {
      next_at_ = now + plan_.delay;
      if (!race_.has_room() && next_ < addresses_.size())
        race_.shorten(std::max(crowded_timeout, 2 * plan_.delay));
      return;
    }
    note({.step = Attempt::Step::connect,
          .error = error,
          .where = address.text(),
          .why = std::strerror(error)});
  }
}

// A node is unreachable once every address of it was tried. What this host lacks says nothing about the node: where
// nothing else failed, no other broker is dialled for it either.
void Dialler::after_candidate() {
  if (shortened_ && out_of_time()) return finish(0);
  const Candidate& failed = candidate();
  const bool more = candidate_ + 1 < candidates_.size();
  const bool same_node = more && candidates_[candidate_ + 1].node == failed.node;
  const bool more_of_it = same_node && failed.node;
  if (!more_of_it) {
    if (lack_ != 0 && !broker_failed_) return finish(lack_);
    if (!same_node && retry()) return;
    host_.on_candidate_failed(failed, tried_);
    broker_failed_ = false;
    lack_ = 0;
    quick_ = quick_ && same_node;
  }
  ++candidate_;
  more_of_it ? next_candidate() : next_node();
}

// Only those that come first are tried again, once.
bool Dialler::may_retry() const {
  return candidate().node == candidates_.front().node && !retried_ && timeouts_.retry != Duration::zero() &&
         !out_of_time();
}

bool Dialler::retry() {
  if (!quick_ || !may_retry()) return false;
  retried_ = true;
  candidate_ = 0;
  broker_failed_ = quick_ = false;
  lack_ = 0;
  state_ = State::pausing;
  asks_again_ = false;
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
  const bool waiting = state_ == State::resolving || state_ == State::connecting ||
                       state_ == State::handshaking || state_ == State::pausing;
  if (waiting && deadline_at_ > give_up_at_) set_deadline(in);
}

void Dialler::note(Attempt attempt) {
  const bool of_network = attempt.step == Attempt::Step::resolve || attempt.step == Attempt::Step::connect;
  network_failed_ = network_failed_ || of_network;
  if (attempt.error != 0 && !remedy_for_lack(attempt.error).empty()) {
    lack_ = attempt.error;
  } else {
    broker_failed_ = true;
    const bool timed_out = attempt.error == 0 || attempt.error == ETIMEDOUT;
    quick_ = quick_ || (attempt.step != Attempt::Step::resolve && !timed_out);
  }
  tried_ += " " + attempt.where + " (" + attempt.why + ")";
  last_ = std::move(attempt);
}

void Dialler::give_up(Attempt attempt) {
  KFERRY_ASSERT(state_ != State::leaving && state_ != State::done);
  attempt.where = address_.text();
  if (several_ && memory_ != nullptr && attempt.step == Attempt::Step::handshake && !same_address_)
    memory_->failed(name(), address_, attempt.why, shared_.ring.now());
  if (same_address_) {
    addresses_[--next_] = address_;
  } else {
    note(std::move(attempt));
  }
  same_address_ = false;
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
  next_address();
}

void Dialler::close() {
  state_ = State::done;
  race_.stop([](const SocketAddress&, Instant, bool) {});
}

// --- connecting

void Dialler::on_completion(std::uint16_t kind, const ring::Completion& completion) {
  using What = ConnectRace::Result::What;
  const ConnectRace::Result result = race_.on_completion(kind, completion);
  KFERRY_ASSERT(result.what == What::lost || state_ == State::connecting);
  if (result.what == What::won) return on_won(result);
  if (result.what == What::failed) {
    const std::string why = result.error == ETIMEDOUT ? "timed out" : std::strerror(result.error);
    // What this host lacks, a route for instance, says nothing about the address.
    const bool of_host =
        !remedy_for_lack(result.error).empty() || result.error == ENETUNREACH || result.error == EAFNOSUPPORT;
    if (several_ && memory_ != nullptr && !of_host)
      memory_->failed(name(), result.address, why, shared_.ring.now());
    if (result.error != ETIMEDOUT && !of_host) again_ = result.address;
    note({.step = Attempt::Step::connect, .error = result.error, .where = result.address.text(), .why = why});
  }
  if (state_ == State::connecting && (result.what == What::failed || race_.running() == 0))
    return next_address();
  if (state_ == State::settling && race_.outstanding() == 0) dialled();
}

void Dialler::on_won(const ConnectRace::Result& won) {
  host_.clear_dial_deadline();
  // A host's own addresses change: the kernel tells which one it took for this connection.
  const std::string_view why_not =
      host_.why_not_dialled(candidate(), won.address, shared_.ring.local_address(won.socket));
  if (!why_not.empty()) {
    shared_.ring.close(won.socket, true);
    note({.step = Attempt::Step::refuse, .where = won.address.text(), .why = std::string(why_not)});
    return next_address();
  }
  address_ = won.address;
  took_ = won.took;
  stop_race();
  state_ = State::handshaking;
  leg_.take(won.socket);
  auto context = host_.client_context();
  if (!context) return give_up({.step = Attempt::Step::handshake, .why = "TLS: " + context.error()});
  if (*context != nullptr) return start_tls(std::move(*context));
  leg_.begin(nullptr);
  dialled();
}

// An address that had time to answer and did not is dead as far as the next dial is concerned.
void Dialler::stop_race() {
  if (race_.running() == 0 && race_.outstanding() == 0) return;
  const Instant now = shared_.ring.now();
  race_.stop([&](const SocketAddress& address, Instant since, bool timing_out) {
    const Duration silence = now - since;
    if (memory_ != nullptr && silence >= plan_.delay) {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silence).count();
      memory_->failed(name(), address, "no answer in " + std::to_string(ms) + " ms", now);
    }
    if (!timing_out) addresses_.push_back(address);
  });
}

void Dialler::on_deadline() {
  if (state_ == State::connecting) {
    race_.time_out(out_of_time() ? Instant::max() : shared_.ring.now());
    next_address();
  } else if (state_ == State::handshaking) {
    give_up({.step = Attempt::Step::handshake,
             .error = ETIMEDOUT,
             .why = "TLS: timed out, " + leg_.tls()->handshake_state(),
             .handshake_state = leg_.tls()->handshake_state()});
  } else if (state_ == State::pausing) {
    asks_again_ ? next_node() : next_candidate();
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
  // A server that never shakes hands leaves time for what is still to be tried.
  const bool others = next_ < addresses_.size() || candidate_ + 1 < candidates_.size();
  const Duration left = give_up_at_ - shared_.ring.now();
  set_deadline(others ? std::min(timeouts_.handshake, left / 2) : timeouts_.handshake);
  shake_hands();
}

void Dialler::shake_hands() {
  leg_.send(Leg::Completion::at_once, Follow::nothing);
  leg_.receive();
}

void Dialler::on_input(Leg& /*leg*/) {
  KFERRY_ASSERT(state_ == State::handshaking || state_ == State::settling);
  if (state_ == State::settling) return;
  if (leg_.stage() == Leg::Stage::open) return dialled();
  shake_hands();
}

void Dialler::on_output(Leg& /*leg*/, std::size_t /*sent*/) {
  KFERRY_ASSERT(state_ == State::handshaking || state_ == State::settling);
  if (state_ == State::handshaking) shake_hands();
}

// The host may destroy the dialler in on_dialled(), so that nothing may be outstanding by then.
void Dialler::dialled() {
  host_.clear_dial_deadline();
  if (race_.outstanding() > 0) {
    state_ = State::settling;
    return;
  }
  state_ = State::dialled;
  const bool as_planned =
      plan_.settled && address_ == addresses_.front() && 2 * took_ <= net::AddressMemory::delay_min;
  if (several_ && memory_ != nullptr && !as_planned)
    memory_->answered(name(), address_, took_, shared_.ring.now());
  host_.on_dialled(candidate());
}

void Dialler::on_break(Leg& /*leg*/, const Leg::Break& what) {
  KFERRY_ASSERT(state_ == State::handshaking || state_ == State::settling);
  const tls::Engine& engine = *leg_.tls();
  if (what.how == Leg::Break::How::receiving || what.how == Leg::Break::How::sending) {
    return give_up({.step = Attempt::Step::handshake,
                    .error = what.error,
                    .unheard = !engine.heard(),
                    .why = reset_in_handshake(what.error, engine)});
  }
  // A broker may refuse the ticket, or may have come to speak TLS 1.2 only: once more, by a full handshake.
  same_address_ = engine.failed_on_resumption();
  full_handshake_ = full_handshake_ || same_address_;
  const Failure& failure = engine.failure();
  give_up({.step = Attempt::Step::handshake,
           .unheard = !engine.heard(),
           .tls_cause = failure.cause,
           .why = failure.text});
}

void Dialler::on_starved(Leg& /*leg*/) {
  host_.on_dial_starved();
}

void Dialler::resume() {
  leg_.receive_again();
  if (state_ == State::handshaking) shake_hands();
}

}  // namespace kferry::connection
