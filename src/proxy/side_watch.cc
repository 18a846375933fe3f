#include "proxy/side_watch.h"

#include <utility>

#include "base/limits.h"
#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

// Less than this is no progress of a client: what is acknowledged byte by byte, in answer to probes of its full
// window, was not read.
constexpr std::uint64_t client_progress_min = 4 * KiB;

}  // namespace

void SideWatch::note_progress(const Sides& sides, bool client_over, bool broker_over) {
  const std::uint64_t taken = sides.client.acknowledged / client_progress_min;
  if (std::exchange(taken_, taken) != taken || !sides.client.undelivered || taken_since_ == Instant{})
    taken_since_ = sides.now;
  const std::uint64_t answered = taken + sides.broker.received;
  const std::uint64_t moved = answered + sides.broker.acknowledged;
  const bool client_ends = std::exchange(client_over_, client_over) != client_over;
  const bool broker_ends = std::exchange(broker_over_, broker_over) != broker_over;
  const bool ends = client_ends || broker_ends;
  if (std::exchange(answered_, answered) != answered || ends) answered_since_ = sides.now;
  if (std::exchange(moved_, moved) != moved || ends) since_ = sides.now;
}

SideWatch::Verdict SideWatch::judge(const Sides& sides) {
  const ring::TcpState& client = sides.client;
  const ring::TcpState& broker = sides.broker;
  if (client.reset && !sides.client_receiving) return Verdict::client_reset;
  const bool open = sides.upstream == Upstream::open;
  const bool client_over = sides.client_ended || client.ended;
  const bool broker_over = open && (sides.broker_ended || broker.ended || broker.reset);
  note_progress(sides, client_over, broker_over);
  if (client_over && !open) return Verdict::client_left;
  if (!client_over && !broker_over) {
    // What fills the socket of a client that fetches may be the answer to a Fetch.
    const bool between_polls = sides.fetch_unanswered || (sides.fetches && !sides.responses_wait);
    const bool unread = client.undelivered && sides.now - taken_since_ >= unread_timeout && !between_polls;
    if (unread) return Verdict::unread;
    // As with keep-alive, which TCP does not use while something is unacknowledged.
    if (client.awaits_ack && client.silence >= sides.patience) return Verdict::client_gone;
    if (broker.awaits_ack && broker.silence >= sides.patience) return Verdict::broker_gone;
    return Verdict::wait;
  }
  const bool undelivered = open && (sides.requests_wait || broker.undelivered);
  // Of a broker that has every request, only an answer is awaited: that it acknowledged them is no news.
  const Duration quiet = sides.now - (undelivered || broker_over ? since_ : answered_since_);
  if (quiet < (broker_over ? stall_after_end : silence_after_end)) return Verdict::wait;
  if (broker_over) return Verdict::stalled;
  if (!undelivered) return Verdict::silent;
  const bool vanished = broker.awaits_ack && broker.silence >= silence_after_end;
  return vanished || quiet >= delivery_after_end ? Verdict::undeliverable : Verdict::wait;
}

SideWatch::Sides sides_of(const connection::Leg& client, const connection::Leg& broker, Upstream upstream,
                          const kafka::Conversation& conversation, Instant now,
                          const config::Limits& limits) {
  using std::chrono::seconds;
  SideWatch::Sides sides;
  sides.now = now;
  sides.upstream = upstream;
  sides.client = client.tcp_state();
  if (upstream == Upstream::open) sides.broker = broker.tcp_state();
  sides.client_receiving = client.receiving();
  sides.client_ended = client.ended();
  sides.broker_ended = broker.ended();
  sides.responses_wait = client.output().ready_size() > 0 || broker.splicing();
  sides.fetch_unanswered =
      conversation.awaits(kafka::fetch_key) || conversation.awaits(kafka::share_fetch_key);
  sides.fetches = conversation.fetches;
  sides.requests_wait = broker.output().ready_size() > 0 || broker.sending() || client.splicing();
  sides.patience = seconds(limits.keepalive_idle_s + limits.keepalive_interval_s * limits.keepalive_probes);
  return sides;
}

}  // namespace kferry::proxy
