#include "proxy/leg_pair.h"

namespace kferry::proxy {

using tls::Remote;

LegPair::LegPair(Leg::Shared& shared, Leg::Owner& owner, ring::Token client_token, ring::Token broker_token,
                 const kafka::Policy& policy, kafka::RequestJudge& judge, kafka::ClusterView& cluster,
                 WorkerCounters& counters)
    : frames(shared.pool, policy, judge, cluster),
      meter(counters),
      client(shared, owner, Remote::client, client_token, frames.requests(), frames.responses()),
      broker(shared, owner, Remote::broker, broker_token, frames.responses(), frames.requests()) {
  frames.conversation().observe(&meter);
}

LookAhead::Outcome LegPair::look_ahead(ring::Ring& ring, std::uint64_t run_min) {
  if (run_min == 0 || !broker.can_peek() || !broker.can_splice_to(client)) return LookAhead::Outcome::looked;
  return frames.look_ahead(ring, broker.socket(), run_min);
}

void LegPair::send_ready(Leg& to, std::uint64_t splice_min, Ahead ahead) {
  const Leg& from = other(to);
  const std::uint64_t run = frames.opaque_run(from.remote());
  const bool splice_follows = run >= splice_min && from.can_splice_to(to);
  const auto completion =
      ahead == Ahead::nothing || splice_follows ? Leg::Completion::at_once : Leg::Completion::deferrable;
  const bool more = splice_follows || (run > 0 && !from.ended() && frames.frame_continues(from.remote()));
  const bool pending = to.sending();
  to.send(completion, more ? connection::Follow::more : connection::Follow::nothing);
  if (!pending && to.sending() && meter.timing()) note_handed(to);
}

void LegPair::pull(Leg& from, std::uint64_t splice_min) {
  const std::uint64_t run = frames.opaque_run(from.remote());
  Leg& to = other(from);
  if (run >= splice_min && from.can_splice_to(to) && from.splice_to(to, run)) return;
  from.receive();
}

void LegPair::wake_awaited_sends() {
  const auto awaited = [](const Leg& to, const Leg& from) {
    return to.deferred() && !from.receiving() && !from.splicing();
  };
  if (awaited(client, broker)) client.expedite();
  if (awaited(broker, client)) broker.expedite();
}

void LegPair::expedite() {
  client.expedite();
  broker.expedite();
}

void LegPair::close(bool reset_client, bool reset_broker) {
  client.close(reset_client);
  broker.close(reset_broker);
}

// A socket that no send is pending on has taken what the last one covered, unless that was cut short.
void LegPair::note_requests_and_answers_taken() {
  if (broker.stage() == Leg::Stage::open && !broker.sending() && !broker.congested())
    meter.taken_by_broker(frames.requests().ready_size() == 0, !frames.at_boundary(Remote::client));
  if (!client.sending() && !client.congested()) meter.taken_by_client(frames.responses().ready_size() == 0);
}

// A deferred send takes what the socket has room for and never waits, so that it counts as taken.
void LegPair::note_handed(const Leg& to) {
  if (to.remote() == Remote::broker) {
    meter.handed_to_broker(to.send_covers_output(), !frames.at_boundary(Remote::client), to.deferred());
  } else {
    meter.handed_to_client(to.send_covers_output(), frames.response_cut(), to.deferred());
  }
}

}  // namespace kferry::proxy
