// A session's rules: when its broker is dialled, which requests may go to the broker that answers there, and when a
// connection that leads elsewhere is retired. Documented in proxy/session.h.
#include <utility>

#include "base/assert.h"
#include "proxy/close_texts.h"
#include "proxy/dial_plan.h"
#include "proxy/reports.h"
#include "proxy/session.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// Stand-ins are replaced over this long, so that clients do not reconnect all at once.
constexpr milliseconds retire_spread(5'000);
// A client that has just connected to a listener that is taken away sends its first request within this time.
constexpr milliseconds newcomer_patience(1'000);

}  // namespace

// --- dialling

void Session::dial() {
  KFERRY_ASSERT(state_ == State::accepted && dial_ == nullptr);
  state_ = State::dialling;
  wait_ = Wait::none;
  BrokerDial::Host& host = *this;
  ring::Token first = legs_.client.id();
  first.kind = dial_kind;
  dial_.reset(worker().dial_memory().make(host, worker(), link_, legs_.broker, first));
  dial_->start();
}

void Session::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  KFERRY_ASSERT(!finished());
  if (state_ == State::dialling) return dial_->on_resolved(std::move(addresses), error);
  if (state_ != State::open || !link_.identifying()) return;
  link_.on_resolved(legs_.broker, addresses);
  if (link_.identifying()) return;
  note_place();
  pump();
}

void Session::clear_dial_deadline() {
  if (wait_ == Wait::dial) wait_ = Wait::none;
}

void Session::on_not_dialled(Severity severity, std::string_view cause, std::string text) {
  KFERRY_ASSERT(state_ == State::dialling);
  fail(severity, cause, std::move(text));
}

void Session::on_dialled(const connection::Candidate& broker) {
  KFERRY_ASSERT(state_ == State::dialling);
  state_ = State::open;
  deadline_.cancel(timer());  // an idle session costs no timer
  link_.opened(broker);
  legs_.broker.set_owner(*this);
  dial_.reset();  // and with it `broker`
  worker().set_options(legs_.broker.socket());
  if (legs_.broker.tls() != nullptr)
    worker().counters().handshakes.count_complete(HandshakeCounters::broker, *legs_.broker.tls());
  worker().refresh();
  server_ = link_.in_place() ? Server::own : Server::stand_in;
  note_place();
  pump();
  if (retirement_.is_plan_gone()) leave_plan();
}

// --- requests

// True: the judge is asked again when the map has been learnt, or none is to be expected any more.
bool Session::wait_for_map() {
  if (!link_.question().may_help(link_.place().snapshot())) return false;
  if (link_.question().begin()) set_deadline(Wait::map, MapQuestion::question_timeout);
  return true;
}

// Between two frames of the client: the walker has stopped before the one that waits.
void Session::ask_for_map() {
  if (!link_.question().waiting()) return;
  const auto question =
      link_.question().ask(legs_.frames.conversation(), link_.client_id(), link_.place().cluster());
  if (!question.empty()) legs_.frames.requests().insert_ready(question);
}

kafka::Judgement Session::refuse(std::string text) {
  worker().refusal() = std::move(text);
  return kafka::Judgement::close;
}

kafka::Judgement Session::judge(const kafka::Request& request) {
  const kafka::Judgement judgement = decide(request);
  if (request.key == kafka::sasl_handshake_key && trail_ == nullptr) begin_trail(nullptr);
  if (judgement == kafka::Judgement::wait) {
    legs_.meter.judge_waits();
  } else if (request.raw_token) {
    legs_.meter.waits_no_more();
  }
  return judgement;
}

kafka::Judgement Session::decide(const kafka::Request& request) {
  if (phase_ != Phase::serving) return kafka::Judgement::wait;
  if (request.own_answer) return kafka::Judgement::forward;
  if (state_ == State::accepted) {
    if (returns_to_kferry(worker().runtime(), request.client_id, worker().now())) {
      abort();
      return kafka::Judgement::wait;
    }
    link_.set_client_id(request.client_id);
    dial();
  }
  if (state_ != State::open) return kafka::Judgement::wait;
  if (legs_.frames.conversation().empty()) link_.heard(worker().now());
  const Place& place = link_.place();
  const std::optional<NodeId> here = link_.node();
  const std::optional<NodeId> own = place.owner();
  if (server_ == Server::stand_in && link_.in_place()) {
    server_ = Server::own;
    note_place();
  }
  if (request.asked_node && here != request.asked_node)
    return refuse(other_broker_text(*request.asked_node, here, place.text()));
  const std::string& cluster_id = place.snapshot().cluster_id;
  if (request.asked_node && !cluster_id.empty() && request.asked_cluster == cluster_id)
    link_.note_exact(request.correlation_id);
  const auto served = own ? stand_in_serves : any_broker_serves;
  if (server_ == Server::own || request.raw_token || served(request.key)) return kafka::Judgement::forward;
  if (link_.wait_for_identity(legs_.broker) || wait_for_map()) return kafka::Judgement::wait;
  const bool late = own && link_.question().over();
  if (!late) worker().runtime().stand_ins.refused(link_.pacing_key(), worker().now());
  return refuse(stand_in_text({own, late, place.any_broker(), request.key}, place.text()));
}

// --- where the place leads now

// Its listener is known from now on.
void Session::begin_to_count() {
  if (legs_.meter.begun()) return;
  legs_.meter.begin(link_.place().counters());
  worker().limit_age(legs_.client.id(), link_.place().listener());
}

// Counts the connection for the broker that serves the client, or instead of which one does.
void Session::note_place() {
  ListenerCounters& counters = legs_.meter.listener();
  if (server_ == Server::stand_in)
    return legs_.meter.lead_to(link_.place().owner() ? counters.stand_in() : counters.bootstrap());
  const std::optional<NodeId> here = link_.place().any_broker() ? std::nullopt : link_.node();
  legs_.meter.lead_to(here ? counters.node(*here) : counters.bootstrap());
}

void Session::reconsider() {
  if (state_ == State::dialling && phase_ == Phase::serving) return dial_->ask_again();
  if (state_ != State::open || phase_ != Phase::serving || wait_ == Wait::retire) return;
  if (link_.question().waiting()) {
    pump();  // the map may be known now, or it is this session's turn to ask
    if (state_ != State::open || phase_ != Phase::serving) return;
  }
  const std::optional<NodeId> own = link_.place().owner();
  if (!own) return;
  const bool right = link_.node() == own;
  if (server_ == Server::own) {
    if (!right) retire();
  } else if (right) {
    server_ = Server::own;
    note_place();
  } else if (link_.place().topology().reached(*own)) {
    retire();
  }
}

// After a random delay, so that clients do not reconnect all at once.
void Session::retire() {
  if (legs_.client.shut() || phase_ == Phase::delivering) return;
  set_deadline(Wait::retire, retire_spread * worker().random(1000) / 1000);
}

void Session::leave_plan() {
  if (state_ == State::closing || wait_ == Wait::retire) return;
  if (phase_ != Phase::serving) return;
  if (state_ == State::open) return retire();
  // What the client has sent, or is about to send, is answered first.
  retirement_.plan_gone();
  if (state_ == State::accepted && legs_.client.tls() == nullptr)
    set_deadline(Wait::first_byte, newcomer_patience);
}

}  // namespace kferry::proxy
