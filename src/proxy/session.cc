#include "proxy/session.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "kafka/api_names.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What one direction may hold between its two sockets; reading goes on below half.
constexpr std::size_t direction_quota = 128 * KiB;
// One receive, so that the buffers of a ring are shared fairly.
constexpr std::size_t receive_size_max = 64 * KiB;
// Receive buffers one direction may keep from the others.
constexpr std::size_t leased_max = 16;
// A broker that closes leaves the client this long to close too.
constexpr Duration half_close_timeout = seconds(30);
// What is queued when a session is ended is delivered within this, or dropped.
constexpr Duration drain_timeout = seconds(5);
// Stand-ins are replaced over this long, so that clients do not reconnect all at once.
constexpr milliseconds retire_spread(5'000);

static_assert(receive_size_max <= direction_quota / 2);

constexpr const char* own_listener = "is a listener of kferry's own";
// A client that leaves after its broker has said nothing for this long tells of a broker that hangs.
constexpr Duration silence_worth_a_line = seconds(10);

bool is_reset(int result) {
  return result < 0 && result != -ENOBUFS && result != -ECANCELED;
}

}  // namespace

Session::Session(Worker& worker, std::uint32_t slot, std::uint16_t generation, const PortEntry& port,
                 ring::Socket client, const SocketAddress& client_address)
    : worker_(worker),
      port_(port),
      slot_(slot),
      generation_(generation),
      client_address_(client_address),
      requests_(worker.pool()),
      responses_(worker.pool()),
      request_output_(requests_),
      response_output_(responses_),
      conversation_(worker.cluster(port.cluster).policy),
      request_walker_(conversation_, *this, request_output_),
      response_walker_(conversation_, *this, response_output_) {
  client_.socket = client;
}

ring::Token Session::token(Operation operation) const {
  return ring::Token{slot_, generation_, static_cast<std::uint16_t>(operation)};
}

void Session::start() {
  worker_.set_options(client_.socket);
  set_deadline(Deadline::first_byte, milliseconds(worker_.limits().first_byte_timeout_ms));
  receive(client_, requests_, Operation::client_receive);
}

// --- completions
// -----------------------------------------------------------------------------------------------------

void Session::on_completion(Operation operation, const ring::Completion& completion) {
  KFERRY_ASSERT(outstanding_ > 0);
  --outstanding_;
  switch (operation) {
    case Operation::client_receive:
      on_received(client_, requests_, completion);
      break;
    case Operation::broker_receive:
      on_received(broker_, responses_, completion);
      break;
    case Operation::client_send:
      on_sent(client_, responses_, completion);
      break;
    case Operation::broker_send:
      on_sent(broker_, requests_, completion);
      break;
    case Operation::connect:
      on_connected(completion);
      break;
    case Operation::deadline:
      timer_armed_ = false;
      on_deadline();
      break;
    case Operation::end_:
      KFERRY_ASSERT(false);
  }
  if (finished()) close_sockets();
}

void Session::on_received(Leg& from, net::Rope& rope, const ring::Completion& completion) {
  from.receiving = false;
  rope.received(completion.pieces);
  if (state_ == State::closing) return;
  if (completion.result == -ENOBUFS) {
    from.starved = true;
    worker_.starve(slot_, generation_, &from == &client_);
    return;
  }
  if (is_reset(completion.result)) {
    if (&from == &broker_) {
      report_cut(std::strerror(-completion.result));
    } else {
      report_silence();
    }
    // An error after the end is how a peer that is gone for good answers.
    close(&from == &client_ || !from.ended, &from == &broker_ || !from.ended);
    return;
  }
  if (&from == &broker_) heard_at_ = worker_.now();
  if (completion.result == 0) {
    from.ended = true;
    if (&from == &client_) report_silence();
  }
  if (&from == &client_ && completion.result > 0) received_anything_ = true;
  pump();
}

void Session::on_sent(Leg& to, net::Rope& rope, const ring::Completion& completion) {
  to.sending = false;
  const bool unsending = std::exchange(to.unsending, false);
  rope.sent(completion.result > 0 ? static_cast<std::size_t>(completion.result) : 0);
  if (state_ == State::closing) return;
  if (is_reset(completion.result)) {
    // A broker that has closed in order takes no more requests; its client got the end already.
    const bool after_end = &to == &broker_ && broker_.ended && client_.fin_sent;
    if (&to == &broker_ && !after_end) report_cut(std::strerror(-completion.result));
    close(!after_end, !after_end);
    return;
  }
  if (unsending) rope.move_to_heap();
  pump();
}

void Session::receive_again(bool from_client) {
  Leg& from = from_client ? client_ : broker_;
  if (!std::exchange(from.starved, false) || state_ == State::closing) return;
  pump();
}

// --- the flow
// --------------------------------------------------------------------------------------------------------

void Session::pump() {
  walk_responses();
  walk_requests();
  if (state_ == State::closing) return;
  if (state_ == State::open && !delivering_) send(broker_, requests_, Operation::broker_send);
  send(client_, responses_, Operation::client_send);
  if (!delivering_) {
    const bool stopped = stopping_ && (judge_waits_ || request_walker_.at_boundary());
    if (!stopped) receive(client_, requests_, Operation::client_receive);
    if (state_ == State::open) receive(broker_, responses_, Operation::broker_receive);
  }
  pass_on_ends();
  check_stopped();
}

void Session::walk_requests() {
  if (state_ == State::closing || delivering_) return;
  if (queue_full_ && conversation_.size() > conversation_.policy().unanswered_max / 2) return;
  queue_full_ = false;
  for (;;) {
    const std::span<const std::byte> chunk = requests_.pin_input();
    if (chunk.empty() && !judge_waits_) break;
    judge_waits_ = false;
    const auto walked = request_walker_.feed(chunk);
    requests_.unpin();
    if (walked.stop == kafka::RequestWalker::Stop::judge) judge_waits_ = true;
    if (walked.stop == kafka::RequestWalker::Stop::full) queue_full_ = true;
    if (walked.stop == kafka::RequestWalker::Stop::refused) {
      fail(Severity::warning, "stand_in_refused", std::move(*refusal_));
      return;
    }
    if (walked.stop == kafka::RequestWalker::Stop::failed) {
      const kafka::Failure& failure = request_walker_.failure();
      fail(Severity::warning, failure.cause, failure.text);
      return;
    }
    if (walked.stop != kafka::RequestWalker::Stop::input) break;
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  response_walker_.answer_own();
  requests_.spare_buffers(leased_max);
}

void Session::walk_responses() {
  if (state_ == State::closing || delivering_) return;
  for (;;) {
    const std::span<const std::byte> chunk = responses_.pin_input();
    if (chunk.empty()) break;
    const auto walked = response_walker_.feed(chunk);
    responses_.unpin();
    if (walked.stop == kafka::ResponseWalker::Stop::failed) {
      const kafka::Failure& failure = response_walker_.failure();
      fail(Severity::error, failure.cause, failure.text + " (from broker " + to_string(dialled_) + ")");
      return;
    }
    KFERRY_ASSERT(walked.consumed == chunk.size());
  }
  responses_.spare_buffers(leased_max);
}

void Session::send(Leg& to, net::Rope& rope, Operation operation) {
  if (to.sending || rope.ready_size() == 0 || to.fin_sent) return;
  std::array<iovec, leased_max> pieces;
  const std::size_t count = rope.gather(pieces);
  to.sending = true;
  to.sending_since = worker_.now();
  ++outstanding_;
  worker_.ring().send(token(operation), to.socket, std::span(pieces).first(count));
}

void Session::receive(Leg& from, net::Rope& rope, Operation operation) {
  if (from.receiving || from.ended || from.starved) return;
  const std::size_t queued = rope.input_size() + rope.ready_size();
  if (queued > direction_quota / 2) return;
  from.receiving = true;
  ++outstanding_;
  worker_.ring().receive(token(operation), from.socket, receive_size_max);
}

void Session::pass_on_ends() {
  if (state_ == State::closing || delivering_) return;
  const bool requests_gone = requests_.input_size() == 0 && requests_.ready_size() == 0 && !broker_.sending;
  if (client_.ended && state_ == State::accepted) {
    if (responses_.ready_size() > 0 || client_.sending) return;  // answers of our own
    if (received_anything_ && !request_walker_.started()) {
      fail(
          Severity::warning, "header_cut_short",
          "the client closed inside its first request header: not a Kafka client, or its connection was cut");
      return;
    }
    close(false, false);
    return;
  }
  if (client_.ended && !broker_.fin_sent && requests_gone) {
    if (!request_walker_.at_boundary() && requests_.held_size() > 0) {
      fail(Severity::warning, "header_cut_short",
           "the client closed inside a request header: its connection was cut");
      return;
    }
    worker_.ring().shut_write(broker_.socket);
    broker_.fin_sent = true;
  }
  const bool responses_gone =
      responses_.input_size() == 0 && responses_.ready_size() == 0 && !client_.sending;
  if (broker_.ended && !client_.fin_sent && responses_gone) {
    if (!response_walker_.at_boundary()) {
      fail(Severity::warning, "response_cut_short",
           "broker " + to_string(dialled_) +
               " closed inside a response: the client is reset, so that it cannot take "
               "the response for complete");
      return;
    }
    worker_.ring().shut_write(client_.socket);
    client_.fin_sent = true;
    set_deadline(Deadline::half_close, half_close_timeout);
  }
  if (client_.fin_sent && client_.ended) close(false, false);
}

// A session that takes no more requests ends when everything is answered and delivered.
void Session::check_stopped() {
  if (state_ == State::closing) return;
  const bool delivered = responses_.ready_size() == 0 && !client_.sending;
  if (delivering_ && delivered) {
    close(!response_walker_.at_boundary(), false);
    return;
  }
  if (!stopping_ || delivering_) return;
  const bool asked =
      (judge_waits_ || request_walker_.at_boundary()) && requests_.ready_size() == 0 && !broker_.sending;
  if (asked && conversation_.empty() && delivered && responses_.empty()) close(false, false);
}

void Session::give_buffers_back(Instant since) {
  if (state_ == State::closing) return;
  for (const bool towards_client : {true, false}) {
    Leg& to = towards_client ? client_ : broker_;
    net::Rope& rope = towards_client ? responses_ : requests_;
    if (rope.leased() == 0) continue;
    if (!to.sending || to.sending_since <= since) rope.move_to_heap();
    if (!to.sending || to.unsending || to.sending_since > since || rope.leased() == 0) continue;
    to.unsending = true;
    worker_.ring().cancel(token(towards_client ? Operation::client_send : Operation::broker_send));
  }
}

// --- dialling
// --------------------------------------------------------------------------------------------------------

std::optional<NodeId> Session::owner() const {
  return worker_.routes(port_.listener_index).owner(port_.port_index);
}

std::optional<NodeId> Session::proven() const {
  if (node_) return node_;
  const Node* listed = worker_.snapshot(port_.cluster).at(dialled_);
  return listed != nullptr ? std::optional(listed->id) : std::nullopt;
}

void Session::dial() {
  KFERRY_ASSERT(state_ == State::accepted);
  state_ = State::dialling;
  clear_deadline();
  const ClusterState& cluster = worker_.cluster(port_.cluster);
  const std::optional<NodeId> own = owner();
  dial_ = std::make_unique<Dial>();
  dial_->targets =
      dial_plan(worker_.snapshot(port_.cluster), own, own && cluster.topology.may_dial(*own, worker_.now()),
                port_.port_index, cluster.config.upstream.bootstrap_servers);
  next_target();
}

void Session::next_target() {
  if (dial_->target == dial_->targets.size()) {
    fail(Severity::error, "upstream_unreachable",
         "no broker of cluster " + worker_.cluster(port_.cluster).config.name + " could be reached: tried" +
             dial_->tried + ": check the bootstrap servers, DNS and the network from this host");
    return;
  }
  worker_.resolve(slot_, generation_, dial_->targets[dial_->target].address);
}

void Session::on_resolved(std::vector<SocketAddress> addresses, const std::string& error) {
  if (state_ != State::dialling) return;
  if (addresses.empty())
    dial_->tried += " " + to_string(dial_->targets[dial_->target].address) + " (" + error + ")";
  dial_->addresses = std::move(addresses);
  dial_->address = 0;
  const DialTarget& target = dial_->targets[dial_->target];
  if (!target.node) worker_.note_bootstrap_addresses(port_.cluster, dial_->addresses);
  next_address();
  if (finished()) close_sockets();
}

std::string_view Session::forbidden(const SocketAddress& address) const {
  const ClusterState& cluster = worker_.cluster(port_.cluster);
  if (worker_.engine().is_own(address)) return own_listener;
  if (!dial_->targets[dial_->target].node) return {};
  if (address.is_loopback() && !cluster.bootstrap_on_loopback) return "learnt, on loopback: not dialled";
  if (address.is_link_local() && !cluster.bootstrap_on_link_local) return "learnt, link-local: not dialled";
  return {};
}

void Session::next_address() {
  while (dial_->address < dial_->addresses.size()) {
    const SocketAddress& address = dial_->addresses[dial_->address];
    const std::string_view why_not = forbidden(address);
    if (why_not.empty()) {
      const auto opened = worker_.ring().connect(token(Operation::connect), address);
      if (opened.error == 0) {
        broker_.socket = opened.socket;
        connecting_ = true;
        ++outstanding_;
        dial_->timed_out = false;
        set_deadline(Deadline::connect, milliseconds(worker_.limits().upstream_connect_timeout_ms));
        return;
      }
      dial_->tried += " " + address.text() + " (" + std::strerror(opened.error) + ")";
    } else {
      dial_->tried += " " + address.text() + " (" + std::string(why_not) + ")";
    }
    ++dial_->address;
  }
  const DialTarget& target = dial_->targets[dial_->target];
  // A node is unreachable once no address of it is left to try.
  const bool more_of_it = dial_->target + 1 < dial_->targets.size() && target.node &&
                          dial_->targets[dial_->target + 1].node == target.node;
  if (target.node && !more_of_it) {
    worker_.note_unreachable(port_, *target.node, dial_->tried);
    worker_.cluster(port_.cluster).topology.dial_failed(*target.node, worker_.now());
    worker_.want_discovery(port_.cluster);
  }
  ++dial_->target;
  next_target();
}

void Session::on_connected(const ring::Completion& completion) {
  connecting_ = false;
  if (state_ != State::dialling) return;
  clear_deadline();
  const SocketAddress& address = dial_->addresses[dial_->address];
  const bool connected = completion.result >= 0;
  // A host's own addresses change: the kernel tells which one it took for this connection.
  const bool ourselves =
      connected && worker_.engine().is_own(address, worker_.ring().local_address(broker_.socket));
  if (connected && !ourselves) {
    open();
    return;
  }
  dial_->tried += " " + address.text() + " (" +
                  (ourselves          ? own_listener
                   : dial_->timed_out ? "timed out"
                                      : std::strerror(-completion.result)) +
                  ")";
  worker_.ring().close(std::exchange(broker_.socket, ring::Socket::none), true);
  ++dial_->address;
  next_address();
}

void Session::open() {
  state_ = State::open;
  const DialTarget target = dial_->targets[dial_->target];
  dial_.reset();
  dialled_ = target.address;
  node_ = target.node;
  origin_.bootstrap = !target.node;
  worker_.set_options(broker_.socket);
  if (node_) worker_.cluster(port_.cluster).topology.dial_succeeded(*node_, dialled_);
  worker_.refresh();
  const std::optional<NodeId> own = owner();
  stand_in_ = !own || proven() != own;
  pump();
}

// --- rules
// -----------------------------------------------------------------------------------------------------------

kafka::Judgement Session::refuse(std::string text) {
  refusal_ = std::make_unique<std::string>(std::move(text));
  return kafka::Judgement::close;
}

kafka::Judgement Session::judge(const kafka::Request& request) {
  if (stopping_) return kafka::Judgement::wait;
  if (request.own_answer) return kafka::Judgement::forward;
  if (state_ == State::accepted) dial();
  if (state_ != State::open) return kafka::Judgement::wait;
  if (conversation_.empty()) heard_at_ = worker_.now();
  const std::optional<NodeId> here = proven();
  const std::optional<NodeId> own = owner();
  if (stand_in_ && own && here == own) stand_in_ = false;
  if (request.asked_node && here != request.asked_node) {
    return refuse("the client asks for broker " + std::to_string(number(*request.asked_node)) + " on port " +
                  std::to_string(port_.address.port()) + ", where " +
                  (here ? "broker " + std::to_string(number(*here)) : "a bootstrap server") +
                  " answers now: closed, as a dead broker would");
  }
  if (stand_in_ && !request.raw_token && !stand_in_serves(request.key)) {
    return refuse((own ? "broker " + std::to_string(number(*own)) + " of port " +
                             std::to_string(port_.address.port()) + " cannot be reached"
                       : "no broker is known for port " + std::to_string(port_.address.port())) +
                  ": a stand-in serves bootstrap only, so a request with API key " +
                  std::to_string(number(request.key)) + " is refused, as a dead broker would");
  }
  return kafka::Judgement::forward;
}

bool Session::learn(const kafka::BrokerList& list) {
  const bool ours = worker_.cluster(port_.cluster).topology.learn(list, origin_, worker_.now());
  worker_.refresh();
  return ours;
}

std::optional<HostPort> Session::advertised(NodeId id) {
  return worker_.routes(port_.listener_index).advertised(id);
}

void Session::left_out(ApiKey source, NodeId id) {
  worker_.note_left_out(port_, source, id);
}

void Session::hidden_api(ApiKey key) {
  worker_.note_hidden_api(port_, key);
}

void Session::reconsider() {
  if (state_ != State::open || stopping_ || deadline_ == Deadline::retire) return;
  const std::optional<NodeId> own = owner();
  if (!own) return;
  const bool right = proven() == own;
  if (stand_in_) {
    if (right) {
      stand_in_ = false;
    } else if (worker_.cluster(port_.cluster).topology.reached(*own)) {
      retire();
    }
  } else if (!right) {
    retire();
  }
}

// The stop itself comes a random while later, so that clients do not reconnect all at once.
void Session::retire() {
  if (client_.fin_sent || delivering_) return;
  set_deadline(Deadline::retire, retire_spread * worker_.random(1000) / 1000);
}

// --- time
// ------------------------------------------------------------------------------------------------------------

void Session::set_deadline(Deadline purpose, Duration in) {
  deadline_ = purpose;
  deadline_at_ = worker_.now() + in;
  if (!timer_armed_) {
    timer_armed_ = true;
    timer_at_ = deadline_at_;
    ++outstanding_;
    worker_.ring().timer(token(Operation::deadline), timer_at_);
  } else if (deadline_at_ < timer_at_) {
    worker_.ring().cancel(token(Operation::deadline));  // completes, and is armed anew there
  }
}

void Session::on_deadline() {
  if (state_ == State::closing || deadline_ == Deadline::none) return;
  if (worker_.now() < deadline_at_) {
    set_deadline(deadline_, deadline_at_ - worker_.now());
    return;
  }
  switch (std::exchange(deadline_, Deadline::none)) {
    case Deadline::none:
      return;
    case Deadline::first_byte:
      if (!received_anything_) {
        close(false, false);
      } else {
        fail(Severity::warning, "first_request_too_slow",
             "the first request header was not complete in time: not a Kafka client, or a very slow one");
      }
      return;
    case Deadline::connect:
      if (!connecting_) return;
      dial_->timed_out = true;
      worker_.ring().cancel(token(Operation::connect));
      return;
    case Deadline::retire:
      stopping_ = true;
      set_deadline(Deadline::drain, drain_timeout);
      pump();
      return;
    case Deadline::deliver:
      close(true, true);
      return;
    case Deadline::drain:
      close(true, true);
      return;
    case Deadline::half_close:
      close(false, false);
      return;
  }
}

// --- ends
// ------------------------------------------------------------------------------------------------------------

void Session::log(Severity severity, std::string_view cause, std::string text) {
  const config::Listener& listener = worker_.cluster(port_.cluster).config.listeners[port_.listener];
  worker_.engine().log.write({severity, cause, client_address_.host_text(),
                              "listener " + listener.name + " port " + std::to_string(port_.address.port()) +
                                  ": " + std::move(text)});
}

// What the client still waits for, for messages.
std::string Session::unanswered_text() const {
  const kafka::Unanswered& first = conversation_.front();
  return std::to_string(conversation_.size()) + (conversation_.size() == 1 ? " request" : " requests") +
         " unanswered, the first " + std::string(kafka::api_name(first.key)) + " v" +
         std::to_string(first.version);
}

// The broker's side broke with requests unanswered; without any, a broker that restarts is no news.
void Session::report_cut(const char* how) {
  if (state_ != State::open || conversation_.empty() || delivering_) return;
  log(Severity::warning, "broker_cut",
      "the connection to broker " + to_string(dialled_) + " broke (" + how + ") with " + unanswered_text() +
          ": the client is reset; see the broker's log and the network between");
}

// The client leaves a broker that has long said nothing.
void Session::report_silence() {
  if (state_ != State::open || conversation_.empty() || delivering_) return;
  const Duration silence = worker_.now() - heard_at_;
  if (silence < silence_worth_a_line) return;
  log(Severity::warning, "broker_silent",
      "the client left after broker " + to_string(dialled_) + " had said nothing for " +
          std::to_string(std::chrono::duration_cast<seconds>(silence).count()) + " s, with " +
          unanswered_text() + ": the broker hangs, or the network between loses packets");
}

void Session::fail(Severity severity, std::string_view cause, std::string text) {
  if (state_ == State::closing || delivering_) return;
  log(severity, cause, std::move(text));
  delivering_ = true;
  set_deadline(Deadline::deliver, drain_timeout);
  send(client_, responses_, Operation::client_send);
  check_stopped();
}

void Session::abort() {
  if (state_ != State::closing) close(true, true);
  if (finished()) close_sockets();
}

void Session::close(bool reset_client, bool reset_broker) {
  if (state_ == State::closing) return;
  state_ = State::closing;
  client_.reset = reset_client;
  broker_.reset = reset_broker;
  ring::Ring& ring = worker_.ring();
  if (client_.receiving) ring.cancel(token(Operation::client_receive));
  if (client_.sending) ring.cancel(token(Operation::client_send));
  if (broker_.receiving) ring.cancel(token(Operation::broker_receive));
  if (broker_.sending) ring.cancel(token(Operation::broker_send));
  if (connecting_) ring.cancel(token(Operation::connect));
  if (timer_armed_) ring.cancel(token(Operation::deadline));
}

void Session::close_sockets() {
  requests_.clear();
  responses_.clear();
  if (client_.socket != ring::Socket::none) worker_.ring().close(client_.socket, client_.reset);
  if (broker_.socket != ring::Socket::none) worker_.ring().close(broker_.socket, broker_.reset);
  client_.socket = broker_.socket = ring::Socket::none;
}

}  // namespace kferry::proxy
