// What a session tells its meter: which listener and broker it counts for, and when its sockets were given requests and
// answers and have taken them. Documented in proxy/session_meter.h and proxy/request_times.h.
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {

void Session::begin_to_count() {
  if (meter_.begun()) return;
  meter_.begin(link_.place().counters());
  worker_.limit_age(client_.id(), link_.place().listener());
}

// Which broker serves the client, or instead of which.
void Session::note_place() {
  ListenerCounters& counters = meter_.listener();
  const std::optional<NodeId> own = link_.place().owner();
  const std::optional<NodeId> here = link_.node();
  if (server_ == Server::stand_in) {
    meter_.lead_to(own ? counters.stand_in() : counters.bootstrap());
  } else {
    meter_.lead_to(here && !link_.place().any_broker() ? counters.node(*here) : counters.bootstrap());
  }
}

// Of the client's TLS. Its listener is known from now on, if there was a choice.
void Session::note_handshake(HandshakeCounters::Outcome outcome) {
  HandshakeCounters& handshakes = worker_.counters().handshakes;
  if (outcome == HandshakeCounters::failed) return handshakes.count_failed(HandshakeCounters::client);
  begin_to_count();
  handshakes.count_complete(HandshakeCounters::client, *client_.tls());
}

// The client has not sent a byte.
bool Session::is_probe() const {
  return !frames_.received_anything() && (client_.tls() == nullptr || !client_.tls()->heard());
}

// A socket that no send is pending on has taken what the last one covered, unless that was cut short.
void Session::note_taken() {
  if (state_ == State::open && !broker_.sending() && !broker_.congested())
    meter_.taken_by_broker(frames_.requests().ready_size() == 0, !frames_.at_boundary(Remote::client));
  if (!client_.sending() && !client_.congested())
    meter_.taken_by_client(frames_.responses().ready_size() == 0);
}

// A deferred send takes what the socket has room for and never waits, so that it counts as taken.
void Session::note_handed(const Leg& to) {
  if (to.remote() == Remote::broker) {
    meter_.handed_to_broker(to.send_covers_output(), !frames_.at_boundary(Remote::client), to.deferred());
  } else {
    meter_.handed_to_client(to.send_covers_output(), frames_.response_cut(), to.deferred());
  }
}

}  // namespace kferry::proxy
