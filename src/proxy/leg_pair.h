// The two legs of one client connection, the frames that flow between them, and what is counted of both. Takes the
// steps by which bytes flow once it is decided that they may: what is sent, received, spliced and looked at next.
//
//   client leg ─▶ requests ─▶ broker leg        client leg ◀─ responses ◀─ broker leg
//
// What may be forwarded the session decides, as the walkers' judge; when it ends, by the close table. The legs call the
// session. Lives on its worker's thread.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "connection/leg.h"
#include "proxy/connection_meter.h"
#include "proxy/frame_flow.h"
#include "ring/ring.h"

namespace kferry::proxy {

class LegPair {
 public:
  using Leg = connection::Leg;

  // Whether frames go on after those that are under way: a session that ends waits for its sends alone, and wants to
  // hear of each at once.
  enum class Ahead : std::uint8_t { more, nothing };

  // Everything outlives the pair. The tokens are those of the legs' first operations.
  LegPair(Leg::Shared& shared, Leg::Owner& owner, ring::Token client_token, ring::Token broker_token,
          const kafka::Policy& policy, kafka::RequestJudge& judge, kafka::ClusterView& cluster,
          WorkerCounters& counters);
  LegPair(const LegPair&) = delete;
  LegPair& operator=(const LegPair&) = delete;

  Leg& other(const Leg& leg) { return leg.remote() == tls::Remote::client ? broker : client; }
  std::uint32_t outstanding() const { return client.outstanding() + broker.outstanding(); }

  // --- steps. The broker's leg takes part once it is open.
  // Notes what the sockets have taken by now. Cheap where nothing waits for them.
  void note_taken() {
    if (meter.awaits_sockets()) note_requests_and_answers_taken();
  }
  // The structure behind the records that come next is walked in the broker's socket, where that pays.
  LookAhead::Outcome look_ahead(ring::Ring& ring, std::uint64_t run_min);
  // Sends what is ready. Does nothing where send() of the leg would not. `splice_min`: of the shortest run that is
  // spliced, bytes.
  void send(Leg& to, std::uint64_t splice_min, Ahead ahead) {
    if (to.may_send()) send_ready(to, splice_min, ahead);
  }
  // Splices or receives.
  void pull(Leg& from, std::uint64_t splice_min);
  // What is read next may depend on a deferred send alone: on its room, on its end, or on the splice that follows it.
  // Then it is told of at once.
  void wake_awaited_sends();
  // Every send is told of at once.
  void expedite();
  void close(bool reset_client, bool reset_broker);

  // Whether a side has ended.
  bool any_ended() const { return client.ended() || broker.ended(); }
  // The client has not sent a byte.
  bool untouched() const {
    return !frames.received_anything() && (client.tls() == nullptr || !client.tls()->heard());
  }

 private:
  void send_ready(Leg& to, std::uint64_t splice_min, Ahead ahead);
  void note_requests_and_answers_taken();
  void note_handed(const Leg& to);

 public:
  FrameFlow frames;
  ConnectionMeter meter;
  Leg client;
  Leg broker;
};

}  // namespace kferry::proxy
