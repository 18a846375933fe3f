// How a worker lets clients in: what is judged when a socket is accepted, the PROXY protocol header in front of some,
// and the end of those that are refused. Documented in proxy/admission.h.
#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "proxy/close_table.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Whether the connection may begin with a header that is believed.
bool reads_header(const config::Listener& listener, const SocketAddress& sender) {
  return listener.proxy_protocol != config::ProxyProtocol::off &&
         (listener.proxy_protocol_from.empty() || any_contains(listener.proxy_protocol_from, sender));
}

const PortEntry& port_of(const Arrival& arrival) {
  return arrival.live->plan->ports()[arrival.port];
}

// The first of the listeners on the socket, which speaks for all of them where that is the same for all.
const config::Listener& listener_of(const Arrival& arrival) {
  return arrival.live->plan->listener_of(port_of(arrival));
}

const std::string& cluster_name(const Arrival& arrival) {
  return arrival.live->plan->clusters()[port_of(arrival).cluster].config.name;
}

// By the lists of all listeners on the socket: one that lets the client in is enough, as long as it may be meant.
std::optional<Failure> judge_by_lists(const Arrival& arrival, const Applicant& client) {
  const PortEntry& port = port_of(arrival);
  std::optional<Failure> refusal = Admission::judge(listener_of(arrival), client);
  for (const PortEntry& other : port.sharing) {
    if (!refusal) break;
    if (!Admission::judge(arrival.live->plan->listener_of(other), client)) refusal.reset();
  }
  return refusal;
}

}  // namespace

// --- what is accepted

// The first worker, before a byte is read. The lists come first: what they refuse takes nothing from the limits.
bool Worker::lets_in(Arrival& arrival) {
  const config::Listener& listener = listener_of(arrival);
  const SocketAddress client = ring_.remote_address(arrival.socket);
  const Applicant applicant{client};
  const bool header_follows = reads_header(listener, client);
  std::optional<Failure> refusal;
  if (!header_follows) {
    refusal = judge_by_lists(arrival, applicant);
    if (!refusal && listener.proxy_protocol == config::ProxyProtocol::required) {
      refusal = Failure{"proxy_source_not_allowed",
                        "the connection does not come from a load balancer that proxy_protocol_from lists"};
    }
  }
  if (!refusal) {
    std::size_t connections = 0;
    for (const auto& worker : runtime_.workers)
      connections += worker->sessions.load(std::memory_order_relaxed);
    refusal = runtime_.admission.enter(arrival.live->plan->config().limits, connections, now());
    if (refusal && refusal->cause == "memory_limited") memory_return_.on_shortage();
  }
  if (!refusal && !header_follows && port_of(arrival).sharing.empty())
    refusal = runtime_.admission.admit(cluster_name(arrival), listener, applicant, arrival.ticket);
  if (!refusal) return true;
  refuse(arrival, client, std::move(*refusal));
  return false;
}

void Worker::serve(Arrival arrival) {
  if (stopping_) {
    ring_.close(arrival.socket, true);
    runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  const config::Listener& listener = listener_of(arrival);
  const SocketAddress client = ring_.remote_address(arrival.socket);
  if (reads_header(listener, client)) {
    const auto presence = listener.proxy_protocol == config::ProxyProtocol::required
                              ? HeaderReader::Presence::required
                              : HeaderReader::Presence::optional;
    return headers_.take(std::move(arrival), presence, milliseconds(limits().first_byte_timeout_ms));
  }
  std::shared_ptr<PlanView> view = view_of(arrival.live);
  const PortEntry& entry = view->plan().ports()[arrival.port];
  begin_session(arrival, Place(std::move(view), entry),
                {arrival.socket, client, nullptr, std::move(arrival.ticket)});
}

// The address that the header names is the client's from here on.
void Worker::pass(Arrival arrival, std::unique_ptr<const net::ProxyHeader> header) {
  Visitor visitor{arrival.socket, ring_.remote_address(arrival.socket), std::move(header), {}};
  if (visitor.header != nullptr && !visitor.header->source.empty()) visitor.address = visitor.header->source;
  std::shared_ptr<PlanView> view = view_of(arrival.live);
  Place place(view, view->plan().ports()[arrival.port]);
  std::optional<Failure> refusal;
  if (place.listener().routing == config::Routing::authority && !place.choose_authority(*visitor.header)) {
    refusal = Failure{"authority_unknown",
                      "the PROXY protocol header names '" + printable_ascii(visitor.header->authority) +
                          "', and the port serves " + view->plan().names_text(place.port()) +
                          ": let clients come by these names, or correct the host patterns"};
  } else if (place.port().sharing.empty() || place.named()) {
    refusal = runtime_.admission.admit(place.cluster_config().name, place.listener(), visitor.applicant(),
                                       visitor.ticket);
  } else {
    refusal = judge_by_lists(arrival, visitor.applicant());
  }
  if (!refusal) return begin_session(arrival, std::move(place), std::move(visitor));
  runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
  refuse(arrival, visitor.address, std::move(*refusal));
}

void Worker::begin_session(const Arrival& arrival, Place place, Visitor visitor) {
  const std::uint32_t number = slots_.take();
  Slot& slot = slots_.at(number);
  slot.serial = session_ids_.take();
  slot.session =
      session_memory_.make(*this, ring::Token{number, slot.generation, 0}, place, std::move(visitor));
  ++session_count_;
  arm_glances();
  memory_return_.on_connection();
  slot.session->start();
  if (drains_all_) drain(slot);
  if (arrival.live == view_->live() || slot.session->place().stays_under(view_->plan())) return;
  slot.session->leave_plan();  // it was on its way while the plan changed
  free_if_finished(slot);
}

// --- what is refused

void Worker::refuse(const Arrival& arrival, const SocketAddress& client, Failure why) {
  const SessionId id = next_session_id();
  count_refused(arrival, close_cause_of(why.cause), false);
  log_refused(arrival, client, why, id);
  audit_refused(arrival, client, close_cause_of(why.cause), id);
  const std::int64_t delay = limits().refused_close_delay_ms;
  refused_.take(arrival.socket, milliseconds(delay == 0 ? 0 : delay / 2 + random(delay + 1)));
}

// It ends before its header is whole.
void Worker::turn_away(Arrival arrival, Ending ending) {
  runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
  if (ending.why && !stopping_)
    return refuse(arrival, ring_.remote_address(arrival.socket), std::move(*ending.why));
  count_refused(arrival, ending.cause, ending.probe);
  audit_refused(arrival, ring_.remote_address(arrival.socket), ending.cause, next_session_id());
  ring_.close(arrival.socket, false);
}

void Worker::count_refused(const Arrival& arrival, CloseCause cause, bool probe) {
  ListenerCounters& counters = view_of(arrival.live)->counters(port_of(arrival).listener_index);
  counters.accepted.add();
  if (probe) counters.probes.add();
  counters.closed[static_cast<std::size_t>(cause)].add();
  if (arrival.live != view_->live()) drop_unused_views();
}

// `client` differs from the socket's other end where a PROXY protocol header has named it.
void Worker::audit_refused(const Arrival& arrival, const SocketAddress& client, CloseCause cause,
                           SessionId id) {
  if (runtime_.audit == nullptr) return;
  AuditRecord record;
  record.session = id;
  record.cluster = cluster_name(arrival);
  record.listener = listener_of(arrival).name;
  record.client = ring_.remote_address(arrival.socket);
  if (!(record.client == client)) record.proxied.source = client.text();
  record.cause = cause;
  runtime_.audit->write(record);
}

void Worker::log_refused(const Arrival& arrival, const SocketAddress& client, const Failure& failure,
                         SessionId id) {
  const PortEntry& port = port_of(arrival);
  runtime_.log.write({Severity::warning, failure.cause, client.host_text(),
                      "listener " + listener_of(arrival).name + " port " +
                          std::to_string(port.address.port()) + ": " + failure.text,
                      id});
}

// --- age

void Worker::limit_age(ring::Token session, const config::Listener& listener) {
  if (listener.max_connection_age_s == 0) return;
  const Duration age = seconds(listener.max_connection_age_s);
  const Duration jitter(random(age.count() / 5 + 1));
  ages_.add({session.slot, session.generation, 0}, now() + age - age / 10 + jitter,
            [this](ring::Token one) { return find(one.slot, one.generation) != nullptr; });
}

void Worker::end_aged() {
  ages_.on_timer([this](ring::Token one) {
    Session* session = find(one.slot, one.generation);
    if (session == nullptr) return true;
    const bool settled = session->end_by_age();
    free_if_finished(slots_.at(one.slot));
    return settled;
  });
}

}  // namespace kferry::proxy
