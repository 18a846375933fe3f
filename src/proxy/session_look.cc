// How a session is bounded in time once one of its sides has ended or is not being read. Completions do not report
// everything: no receive is outstanding on a side whose bytes have nowhere to go, so its end goes unseen, and a peer
// that vanished says nothing at all. The worker looks at such sessions once a second, by the kernel's own account
// (Ring::tcp_state); a session that reads on both sides is never looked at. Documented in proxy/session.h.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "kafka/api_keys.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// After the client has ended, the session ends once nothing has moved for this long; after the broker has, sooner,
// since only the client can move anything.
constexpr Duration silence_after_end = seconds(25);
constexpr Duration stall_after_end = seconds(15);
static_assert(silence_after_end + 2 * Session::look_interval < seconds(30));
// A client that takes nothing while its responses wait. A broker that has ended meanwhile cannot say so: its FIN is
// behind bytes for which this host has no room. Only a consumer between two polls leaves a response unread for longer.
constexpr Duration unread_timeout = seconds(25);
// A broker that takes no bytes and still acknowledges every probe gets the requests of a client that has ended, such as
// records with acks=0, within this time.
constexpr Duration delivery_after_end = minutes(5);
// Less than this is no progress of a client: what is acknowledged byte by byte, in answer to probes of its full
// window, was not read.
constexpr std::uint64_t client_progress_min = 4 * KiB;
// A dial whose client has ended.
constexpr Duration dial_after_end = seconds(5);

}  // namespace

// Whether a side has ended, or is not being read.
bool Session::wants_looks() const {
  if (state_ == State::accepted || phase_ == Phase::delivering) return false;  // these have a deadline
  if (client_.ended() || broker_.ended() || !client_.receiving()) return true;
  return state_ == State::open && !broker_.receiving();
}

bool Session::look(Pulse& pulse) {
  looked_after_ = state_ != State::closing && wants_looks() && look_at_sides(pulse) &&
                  state_ != State::closing && phase_ != Phase::delivering;
  return looked_after_;
}

// False: the session has been ended.
bool Session::look_at_sides(Pulse& pulse) {
  // Where bytes flow, completions tell everything.
  const Instant active = std::max({heard_at_, client_.send_since(), broker_.send_since()});
  const bool flows = std::exchange(pulse.active, active) != active;
  const bool stuck = client_.sending() && worker_.now() - client_.send_since() >= look_interval;
  if (flows && !stuck && !client_.ended() && !broker_.ended()) return true;
  const bool open = state_ == State::open;
  const ring::TcpState client = client_.tcp_state();
  const ring::TcpState broker = open ? broker_.tcp_state() : ring::TcpState{};
  if (client.reset && !client_.receiving()) {
    on_break(client_, {Leg::Break::How::receiving, ECONNRESET});
    return false;
  }
  if (client.ended) client_.note_peer_ended();
  if (broker.ended) broker_.note_peer_ended();
  const bool client_over = client_.ended() || client.ended;
  const bool broker_over = open && (broker_.ended() || broker.ended || broker.reset);
  const std::uint64_t taken = client.acknowledged / client_progress_min;
  if (taken != pulse.taken || !client.undelivered || pulse.taken_since == Instant{})
    pulse.taken_since = worker_.now();
  pulse.taken = taken;
  const std::uint64_t answered = taken + broker.received;
  const std::uint64_t moved = answered + broker.acknowledged;
  const bool ends = client_over != pulse.client_over || broker_over != pulse.broker_over;
  pulse.client_over = client_over;
  pulse.broker_over = broker_over;
  if (answered != std::exchange(pulse.answered, answered) || ends) pulse.answered_since = worker_.now();
  if (moved != std::exchange(pulse.moved, moved) || ends) pulse.since = worker_.now();
  if (client_over && state_ == State::dialling) {
    dial_->shorten(dial_after_end);
    return true;
  }
  if (!client_over && !broker_over) {
    // As with keep-alive, which TCP does not use while something is unacknowledged.
    const config::Limits& limits = worker_.limits();
    const Duration patience =
        seconds(limits.keepalive_idle_s + limits.keepalive_interval_s * limits.keepalive_probes);
    const bool gone = client.awaits_ack && client.silence >= patience;
    const bool unread = client.undelivered && worker_.now() - pulse.taken_since >= unread_timeout &&
                        (responses_.ready_size() > 0 || broker_.splicing()) &&
                        !conversation_.awaits(kafka::fetch_key) &&
                        !conversation_.awaits(kafka::share_fetch_key);
    if (unread) {
      end_stalled_client(client, "has answered, and its client took none of it for ", unread_timeout);
      return false;
    }
    if (!gone && !(broker.awaits_ack && broker.silence >= patience)) return true;
    on_break(gone ? client_ : broker_, {Leg::Break::How::receiving, ETIMEDOUT});
    return false;
  }
  const bool undelivered =
      open && (requests_.ready_size() > 0 || broker_.sending() || client_.splicing() || broker.undelivered);
  // Of a broker that has every request, only an answer is awaited: that it acknowledged them is no news.
  const Duration quiet = worker_.now() - (undelivered || broker_over ? pulse.since : pulse.answered_since);
  if (quiet < (broker_over ? stall_after_end : silence_after_end)) return true;
  if (broker_over) {
    end_stalled_client(client, "has ended the connection, and its client took none of what came before for ",
                       stall_after_end);
    return false;
  }
  const bool vanished = broker.awaits_ack && broker.silence >= silence_after_end;
  if (undelivered && !vanished && quiet < delivery_after_end) return true;
  report_silence();
  // What was not delivered whole must not look complete.
  close(true, undelivered || !requests_.empty() || !client_.ended());
  return false;
}

// The client neither takes what waits for it nor closes.
void Session::end_stalled_client(const ring::TcpState& client, std::string_view what, Duration time) {
  const bool told = client_.shut() && !client_.sending() && responses_.empty() && !client.undelivered;
  if (!told) {
    log(Severity::info, "client_stalled",
        "broker " + to_string(dialled_) + " " + std::string(what) +
            std::to_string(std::chrono::duration_cast<seconds>(time).count()) + " s: the client is reset");
  }
  close(!told, !broker_.ended());
}

}  // namespace kferry::proxy
