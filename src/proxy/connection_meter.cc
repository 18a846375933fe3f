#include "proxy/connection_meter.h"

#include <utility>

#include "base/assert.h"

namespace kferry::proxy {

ConnectionMeter::~ConnectionMeter() {
  if (timing()) give_back();
}

void ConnectionMeter::begin(ListenerCounters& listener) {
  KFERRY_ASSERT(!begun());
  node_ = &listener.none();
  listener.accepted.add();
  node_->active.add();
}

void ConnectionMeter::move_to(NodeCounters& node) {
  KFERRY_ASSERT(begun());
  node_->active.subtract();
  node_ = &node;
  node_->active.add();
}

void ConnectionMeter::end(CloseCause cause, bool probe) {
  KFERRY_ASSERT(begun() && cause != CloseCause::end_);
  ListenerCounters& counters = listener();
  if (timing()) {
    counters.unanswered.add(times_->unanswered());
    give_back();
  }
  if (probe) counters.probes.add();
  counters.closed[static_cast<std::size_t>(cause)].add();
  node_->active.subtract();
  node_ = &worker().nowhere().none();
}

void ConnectionMeter::give_back() {
  worker().times.give_back(std::exchange(times_, nullptr));
}

void ConnectionMeter::queued(const kafka::Unanswered& request) {
  using Kind = RequestTimes::Kind;
  Kind kind = request.own == nullptr ? Kind::forwarded : Kind::own;
  if (request.asked_by_kferry) {
    kind = Kind::hidden;
  } else {
    listener().count_request(request.key, request.version);
    listener().awaited.add();
  }
  times().queued(kind, timed_api(request.key), worker().clock.turn);
}

void ConnectionMeter::unacknowledged(ApiKey key, ApiVersion version) {
  listener().count_request(key, version);
  waits_no_more();
}

void ConnectionMeter::waits_no_more() {
  if (!timing()) return;
  times_->passed();
  give_back_if_idle();
}

void ConnectionMeter::rewritten(const kafka::Unanswered& request) {
  if (!request.asked_by_kferry) worker().rewrites[counted_api(request.key)].add();
}

void ConnectionMeter::answered(const kafka::Unanswered& request) {
  if (!request.asked_by_kferry) listener().answered.add();
  times_->answered(worker().clock.turn, listener());
}

}  // namespace kferry::proxy
