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
constexpr std::size_t closing_steps_max = 30;

}  // namespace

void Worker::follow_drain() {
  drain_news_ = runtime_.drain.news();
  if (stopping_) return;
  if (index_ == 0) {
    if (const std::optional<Duration> time = runtime_.drain.take_begun()) begin_drain(*time);
  }
  const DrainOrders::Orders orders = runtime_.drain.orders();
  const auto news = std::span(orders.closed).subspan(drained_ports_);
  if (news.empty() && orders.every_session == drains_all_) return;
  drained_ports_ = orders.closed.size();
  drains_all_ = orders.every_session;
  drain_until_ = orders.until;
  for (Slot& slot : slots_) {
    if (!slot.session) continue;
    if (drains_all_ || std::ranges::find(news, slot.session->address()) != news.end()) drain(slot);
  }
}

void Worker::drain(Slot& slot) {
  slot.session->drain();
  arm_drain_timer();
}

void Worker::begin_drain(Duration time) {
  runtime_.moves.stop();
  runtime_.drain.set_deadline(now() + time);
  const std::size_t accepting = acceptor_.accepting();
  ports_per_step_ = time > Duration::zero() ? accepting / closing_steps_max + 1 : accepting;
  const std::size_t steps = (accepting + ports_per_step_ - 1) / std::max<std::size_t>(1, ports_per_step_);
  closing_step_ =
      std::min(closing_time, time / 2) / std::max<std::int64_t>(1, static_cast<std::int64_t>(steps));
  close_some_ports();
}

// Where no client is connected, nothing is to be spread.
void Worker::close_some_ports() {
  const bool idle = std::ranges::all_of(runtime_.workers, [](const auto& worker) {
    return worker->sessions.load(std::memory_order_relaxed) == 0;
  });
  const std::vector<SocketAddress> closed = acceptor_.close_some(idle ? acceptor_.accepting() : ports_per_step_);
  runtime_.drain.close(closed, acceptor_.accepting() == 0);
  close_next_at_ = now() + closing_step_;
  if (acceptor_.accepting() > 0) arm_drain_timer();
}

void Worker::arm_drain_timer() {
  if (std::exchange(drain_armed_, true)) return;
  Instant at = now() + Session::drain_step_interval;
  if (acceptor_.accepting() > 0) at = std::min(at, close_next_at_);
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::drain)}, at);
}

void Worker::step_drain() {
  drain_armed_ = false;
  if (stopping_) return;
  if (acceptor_.accepting() > 0 && now() >= close_next_at_) close_some_ports();
  if (now() >= drain_step_at_) {
    drain_step_at_ = now() + Session::drain_step_interval;
    bool any = false;
    const bool expired = now() >= drain_until_;
    for (Slot& slot : slots_) {
      if (!slot.session) continue;
      any = true;
      slot.session->drain_step(expired);
      free_if_finished(slot);
    }
    if (!any && acceptor_.accepting() == 0) return;
  }
  arm_drain_timer();
}

void Worker::note_lingering() {
  const auto size = static_cast<std::uint32_t>(lingering_.size());
  runtime_.workers[index_]->lingering.store(size, std::memory_order_relaxed);
}

}  // namespace kferry::proxy
