// A worker's part in a drain (proxy/drain_orders.h): the first one closes the ports one by one, so that clients lose
// their connections to different brokers at different times, and every worker ends the sessions of the ports that are
// closed.
#include <algorithm>
#include <span>
#include <utility>

#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;

// All ports are closed within this time, in so many steps at most.
constexpr Duration closing_time = milliseconds(1500);
constexpr std::size_t closing_steps = 30;
// A client that has just connected sends its PROXY protocol header within this time.
constexpr Duration header_patience = milliseconds(1000);

}  // namespace

void Worker::follow_drain() {
  drain_news_ = runtime_.drain.news();
  if (stopping_) return;
  if (index_ == 0) {
    if (const auto begun = runtime_.drain.take_begun()) begin_drain(*begun);
  }
  const DrainOrders::Orders orders = runtime_.drain.orders();
  const auto news = std::span(orders.closed).subspan(drained_ports_);
  if (news.empty() && orders.every_session == drains_all_) return;
  drained_ports_ = orders.closed.size();
  drains_all_ = orders.every_session;
  drain_until_ = orders.until;
  if (drains_all_)
    headers_.hurry(std::clamp<Duration>(drain_until_ - now(), Duration::zero(), header_patience));
  for (Slot& slot : slots_) {
    if (!slot.session) continue;
    if (drains_all_ || std::ranges::find(news, slot.session->address()) != news.end()) drain(slot);
  }
}

void Worker::drain(Slot& slot) {
  slot.session->drain();
  arm_drain_timer();
}

void Worker::begin_drain(DrainOrders::Begun begun) {
  runtime_.moves.stop();
  runtime_.drain.set_deadline(now() + begun.time);
  const std::size_t ports = acceptor_.accepting();
  ports_per_step_ = begun.time > Duration::zero() ? ports / closing_steps + 1 : ports;
  const std::size_t steps = (ports + ports_per_step_ - 1) / std::max<std::size_t>(1, ports_per_step_);
  closing_step_ =
      std::min(closing_time, begun.time / 2) / std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
  if (begun.ports == DrainOrders::Ports::at_once) closed_ports_ = acceptor_.close_some(ports);
  drain_some_ports();
}

bool Worker::has_ports_to_drain() const {
  return ports_per_step_ > 0 && acceptor_.accepting() + closed_ports_.size() > 0;
}

// Where no client is connected, nothing is to be spread.
void Worker::drain_some_ports() {
  const bool idle = std::ranges::all_of(runtime_.workers, [](const auto& worker) {
    return worker->sessions.load(std::memory_order_relaxed) == 0;
  });
  const std::size_t wanted = idle ? acceptor_.accepting() + closed_ports_.size() : ports_per_step_;
  std::vector<SocketAddress> ports = acceptor_.close_some(wanted);
  while (ports.size() < wanted && !closed_ports_.empty()) {
    ports.push_back(closed_ports_.back());
    closed_ports_.pop_back();
  }
  runtime_.drain.close(ports, !has_ports_to_drain());
  drain_ports_at_ = now() + closing_step_;
  if (has_ports_to_drain()) arm_drain_timer();
}

void Worker::arm_drain_timer() {
  if (std::exchange(drain_armed_, true)) return;
  Instant at = now() + Retirement::drain_interval;
  if (has_ports_to_drain()) at = std::min(at, drain_ports_at_);
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::drain)}, at);
}

void Worker::step_drain() {
  drain_armed_ = false;
  if (stopping_) return;
  if (has_ports_to_drain() && now() >= drain_ports_at_) drain_some_ports();
  if (now() >= drain_step_at_) {
    drain_step_at_ = now() + Retirement::drain_interval;
    bool any = false;
    const bool expired = now() >= drain_until_;
    for (Slot& slot : slots_) {
      if (!slot.session) continue;
      any = true;
      slot.session->drain_step(expired);
      free_if_finished(slot);
    }
    if (!any && !has_ports_to_drain()) return;
  }
  arm_drain_timer();
}

void Worker::note_lingering() {
  const auto size = static_cast<std::uint32_t>(lingering_.size());
  runtime_.workers[index_]->lingering.store(size, std::memory_order_relaxed);
}

}  // namespace kferry::proxy
