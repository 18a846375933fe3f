// How a session ends in order though neither side has ended: it is retired, or kferry drains. Reading stops at a
// frame's boundary, what was read is answered and delivered, and then the session ends (Session::end_if_done).
#include <algorithm>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

// A session that is to be replaced waits this long for a group that is being formed, looking again every retire_step.
constexpr Duration retire_patience = std::chrono::minutes(5);
constexpr Duration retire_step = seconds(1);
// A client that has just connected is waited for through so many steps of a drain.
constexpr std::uint8_t newcomer_steps = 10;
// So many steps until reading stops: the first may come at once.
constexpr std::uint8_t idle_steps = 2;
constexpr std::uint8_t busy_steps = 3;

}  // namespace

void Session::begin_retirement() {
  const bool forms_group = frames_.conversation().awaits(kafka::join_group_key) ||
                           frames_.conversation().awaits(kafka::sync_group_key);
  if (forms_group && ++retire_postponed_ * retire_step <= retire_patience)
    return set_deadline(Wait::retire, retire_step);
  note_cause(CloseCause::reload);
  // A group that has been waited for in vain gets no second patience.
  stop_reading(forms_group ? retire_step : seconds(worker_.limits().drain_deadline_s));
}

bool Session::end_by_age() {
  if (state_ == State::closing || phase_ != Phase::serving || wait_ == Wait::retire || draining_) return true;
  if (state_ != State::open || wait_ != Wait::none) return false;
  log(Severity::debug, "max_age_reached",
      "the connection is as old as max_connection_age_s allows, and ends");
  note_cause(CloseCause::max_age);
  set_deadline(Wait::retire, Duration::zero());
  return true;
}

void Session::stop_reading(Duration patience) {
  phase_ = Phase::stopping;
  client_.expedite();
  broker_.expedite();
  set_deadline(Wait::drain, patience);
  pump();
}

// Requests that were on their way when the drain began are still read, so a busy client gets a step more than an idle
// one. A client that has just connected gets its first answer, if it asks soon.
void Session::drain_step(bool expired) {
  if (!draining_ || state_ == State::closing) return;
  if (expired) return give_up_answers();
  if (phase_ != Phase::serving || client_.shut()) return;
  if (drain_steps_ < newcomer_steps) ++drain_steps_;
  if (state_ == State::accepted && !client_.ended() && drain_steps_ < newcomer_steps) return;
  // A request that was read waits for its broker.
  if (state_ == State::dialling || frames_.request_waits()) return;
  const bool busy = !frames_.conversation().empty() || worker_.now() - link_.heard_at() < drain_step_interval;
  if (drain_steps_ < (busy ? busy_steps : idle_steps)) return;
  stop_reading(std::max(Duration::zero(), worker_.drain_until() - worker_.now()));
}

ring::Socket Session::take_lingering() {
  KFERRY_ASSERT(finished());
  return lingers_ ? client_.release() : ring::Socket::none;
}

}  // namespace kferry::proxy
