#include "proxy/worker.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// In a long turn the clock is read again after so many completions, which take some tens of microseconds.
constexpr std::uint32_t completions_per_reading = 8;
// How often the worker's own gauges are brought up to date, while it turns.
constexpr Duration sample_interval = milliseconds(100);
// A send that has been pending for this long gives its buffers back if others find none.
constexpr Duration stalled_after = milliseconds(5);

}  // namespace

Worker::Worker(Runtime& runtime, std::size_t index, ring::Ring& ring, net::Resolver& resolver,
               std::uint64_t seed)
    : runtime_(runtime),
      index_(index),
      counters_(runtime.workers[index]->counters),
      view_(view_of(runtime.moves.current())),
      engine_(view_->plan().config().engine),
      ring_(ring),
      pool_(ring),
      resolver_(resolver),
      answers_(std::make_shared<net::AnswerQueue>([&ring] { ring.wake(); })),
      random_(seed),
      session_ids_(seed),
      legs_{ring, pool_, engine_options().receive_size_bytes, engine_options().standing_receive_bytes,
            engine_options().splice_threshold_bytes == 0 ? UINT64_MAX
                                                         : engine_options().splice_threshold_bytes},
      kernel_tls_{view_->plan().config().tls.kernel_send, view_->plan().config().tls.kernel_receive},
      memory_return_(ring, {0, 0, static_cast<std::uint16_t>(Operation::memory_return)}),
      acceptor_(*this, runtime, index, ring, static_cast<std::uint16_t>(Operation::acceptor)),
      lingering_(ring, static_cast<std::uint16_t>(Operation::lingering)),
      headers_(*this, ring, static_cast<std::uint16_t>(Operation::headers)),
      refused_(ring, {0, 0, static_cast<std::uint16_t>(Operation::refused)}, runtime.refused_held),
      ages_(ring, {0, 0, static_cast<std::uint16_t>(Operation::ages)}),
      inquiries_(*this, static_cast<std::uint16_t>(Operation::inquiries)) {}

Worker::~Worker() {
  answers_->close();
}

std::int64_t Worker::random(std::int64_t below) {
  return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
}

void Worker::set_options(ring::Socket socket, const config::Limits& limits) {
  ring_.set_options(socket, seconds(limits.keepalive_idle_s), seconds(limits.keepalive_interval_s),
                    static_cast<int>(limits.keepalive_probes));
}

// --- start and end

void Worker::stop() {
  ring::Ring& ring = ring_;  // it outlives the worker, which may be gone once the flag is seen
  stop_asked_.store(true, std::memory_order_release);
  ring.wake();
}

void Worker::begin_to_stop() {
  stopping_ = true;
  if (index_ == 0) runtime_.moves.stop();
  acceptor_.stop();
  headers_.stop();
  refused_.stop();
  ages_.stop();
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::pressure)});
  memory_return_.stop();
  inquiries_.stop();
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::look)});
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::glance)});
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::drain)});
  for (Slot& slot : slots_) {
    if (!slot.session) continue;
    slot.session->abort();
    free_if_finished(slot);
  }
  lingering_.stop();
  note_lingering();
}

bool Worker::stopped() const {
  return stopping_ && session_count_ == 0 && lingering_.stopped() && !drain_armed_ && acceptor_.stopped() &&
         headers_.stopped() && refused_.stopped() && !ages_.armed() && inquiries_.stopped() &&
         !pressure_armed_ && !memory_return_.armed() && !look_armed_ && !glance_armed_;
}

// --- the turn

void Worker::turn() {
  const std::span<const ring::Completion> completions = ring_.wait();
  std::atomic<std::uint64_t>& turns = runtime_.workers[index_]->turns;
  turns.store(turns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const Ticks woken = ticks_of(now());
  counters_.clock = {woken, woken};
  if (runtime_.moves.news() != news_) follow_plans();
  refresh();
  answer_resolved();
  std::uint32_t dispatched = 0;
  for (const ring::Completion& completion : completions) {
    if (++dispatched % completions_per_reading == 0) counters_.clock.moment = ticks_of(ring_.clock());
    dispatch(completion);
  }
  if (runtime_.drain.news() != drain_news_) follow_drain();
  if (!stopping_ && stop_asked_.load(std::memory_order_acquire)) begin_to_stop();
  if (!starved_.empty()) feed_starved();
  lingering_.feed();
  headers_.feed();
  refresh();
  reconsider();
  if (now() >= sample_at_) sample();
}

void Worker::sample() {
  sample_at_ = now() + sample_interval;
  const std::size_t free = ring_.buffers_free();
  counters_.buffers_free.set(free);
  counters_.buffers_in_use.set(ring_.buffer_count() - free);
  counters_.held_bytes.set(pool_.heap_bytes());
  for (std::size_t side = 0; side < 2; ++side) {
    counters_.kernel_sends[side].set(kernel_tls_.sending[side]);
    counters_.kernel_receives[side].set(kernel_tls_.receiving[side]);
  }
}

void Worker::dispatch(const ring::Completion& completion) {
  const ring::Token token = completion.token;
  if (token.kind < Session::kinds) {
    Session* session = find(token.slot, token.generation);
    KFERRY_ASSERT(session != nullptr);  // a session outlives its operations
    session->on_completion(token.kind, completion);
    if (session->finished()) free_if_finished(slots_.at(token.slot));
    return;
  }
  if (token.kind >= static_cast<std::uint16_t>(Operation::inquiries))
    return inquiries_.on_completion(completion);
  if (token.kind == static_cast<std::uint16_t>(Operation::glance)) {
    glance_armed_ = false;
    if (!stopping_) glance();
    return;
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::ages)) return end_aged();
  if (token.kind == static_cast<std::uint16_t>(Operation::refused)) return refused_.on_timer();
  if (token.kind >= static_cast<std::uint16_t>(Operation::headers)) {
    return headers_.on_completion(
        static_cast<HeaderReader::Operation>(token.kind - static_cast<std::uint16_t>(Operation::headers)),
        completion);
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::pressure)) {
    pressure_armed_ = false;
    if (!stopping_) on_pressure();
    return;
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::memory_return)) return memory_return_.on_timer();
  if (token.kind == static_cast<std::uint16_t>(Operation::look)) {
    look_armed_ = false;
    if (!stopping_) look();
    return;
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::drain)) return step_drain();
  if (token.kind >= static_cast<std::uint16_t>(Operation::lingering)) {
    lingering_.on_completion(
        static_cast<Lingering::Operation>(token.kind - static_cast<std::uint16_t>(Operation::lingering)),
        completion);
    return note_lingering();
  }
  acceptor_.on_completion(
      static_cast<Acceptor::Operation>(token.kind - static_cast<std::uint16_t>(Operation::acceptor)),
      completion);
  note_if_settled();
}

// --- sessions

Session* Worker::find(std::uint32_t slot, std::uint16_t generation) {
  return slots_.at(slot).generation == generation ? slots_.at(slot).session : nullptr;
}

void Worker::free_if_finished(Slot& slot) {
  if (!slot.session || !slot.session->finished()) return;
  const std::uint32_t number = slot.session->slot();
  const bool of_former_plan = &slot.session->view() != view_.get();
  if (const ring::Socket socket = slot.session->take_lingering(); socket != ring::Socket::none) {
    lingering_.take(socket);
    note_lingering();
  }
  session_memory_.destroy(std::exchange(slot.session, nullptr));
  if (of_former_plan) drop_unused_views();
  ++slot.generation;
  questions_.forget(number);
  slots_.give_back(number);
  --session_count_;
  runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::look_after(ring::Token session) {
  looked_after_.push_back({session, {}});
  if (std::exchange(look_armed_, true)) return;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::look)}, now() + SideWatch::interval);
}

// A look may add sessions behind those that are being looked at.
void Worker::look() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < looked_after_.size(); ++i) {
    LookedAfter one = looked_after_[i];
    Session* session = find(one.session.slot, one.session.generation);
    if (session == nullptr) continue;
    if (session->look(one.watch)) looked_after_[kept++] = one;
    free_if_finished(slots_.at(one.session.slot));
  }
  looked_after_.resize(kept);
  if (kept == 0 || std::exchange(look_armed_, true)) return;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::look)}, now() + SideWatch::interval);
}

void Worker::arm_glances() {
  if (std::exchange(glance_armed_, true)) return;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::glance)}, now() + SideWatch::glance_interval);
}

void Worker::glance() {
  for (Slot& slot : slots_) {
    if (slot.session) slot.session->glance();
  }
  if (session_count_ > 0) arm_glances();
}

// --- buffers

void Worker::starve(ring::Token leg) {
  starved_.push_back(leg);
  if (std::exchange(pressure_armed_, true)) return;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::pressure)}, now() + stalled_after);
}

void Worker::feed_starved() {
  std::size_t rounds = std::min(starved_.size(), ring_.buffers_free());
  for (; rounds > 0; --rounds) {
    const ring::Token next = starved_.front();
    starved_.pop_front();
    if (next.kind >= Session::kinds) {
      inquiries_.receive_again(next);
      continue;
    }
    Session* session = find(next.slot, next.generation);
    if (session == nullptr) continue;
    session->receive_again(next.kind < Session::broker_kind ? tls::Remote::client : tls::Remote::broker);
    free_if_finished(slots_.at(next.slot));
  }
}

// Others starve: whatever has been standing for a while gives its buffers back.
void Worker::on_pressure() {
  const Instant since = now() - stalled_after;
  for (const Slot& slot : slots_) {
    if (slot.session) slot.session->give_buffers_back(since);
  }
  if (starved_.empty()) return;
  pressure_armed_ = true;
  ring_.timer({0, 0, static_cast<std::uint16_t>(Operation::pressure)}, now() + stalled_after);
}

// --- names

void Worker::resolve(std::uint32_t slot, const HostPort& where) {
  resolver_.resolve(questions_.ask(slot), where, answers_);
}

void Worker::answer_resolved() {
  for (net::Answer& answer : answers_->drain()) {
    if (Inquiries::is_own(answer.request)) {
      inquiries_.on_resolved(std::move(answer));
      continue;
    }
    const std::optional<std::uint32_t> slot = questions_.answered(answer.request);
    if (!slot || slots_.at(*slot).session == nullptr) continue;
    slots_.at(*slot).session->on_resolved(std::move(answer.addresses), answer.error);
    free_if_finished(slots_.at(*slot));
  }
}

// --- plans and topologies

// The counter first: what is proposed or published after the look is seen in the next turn.
void Worker::follow_plans() {
  news_ = runtime_.moves.news();
  if (index_ == 0 && !stopping_) begin_move();
  const std::shared_ptr<const LivePlan> live = runtime_.moves.current();
  if (live == view_->live()) return;
  const config::Tls before = view_->plan().config().tls;
  view_ = view_of(live);
  const config::Tls& tls = view_->plan().config().tls;
  if (tls.kernel_send != before.kernel_send) kernel_tls_.send = tls.kernel_send;
  if (tls.kernel_receive != before.kernel_receive) kernel_tls_.receive = tls.kernel_receive;
  end_leavers();
  drop_unused_views();
  if (index_ != 0) return runtime_.moves.note_moved();
  settling_ = true;
  if (!stopping_) inquiries_.begin(view_);
  note_if_settled();
}

// Sessions whose listener is gone, or tells clients something else, do not outlast the plan that they began with.
void Worker::end_leavers() {
  for (Slot& slot : slots_) {
    if (!slot.session || slot.session->place().stays_under(view_->plan())) continue;
    slot.session->leave_plan();
    free_if_finished(slot);
  }
}

void Worker::begin_move() {
  std::optional<PlanMoves::Proposal> proposal = runtime_.moves.begin();
  if (!proposal) return;
  const std::shared_ptr<const LivePlan> live = runtime_.make_live(std::move(*proposal));
  if (std::optional<std::string> error = acceptor_.move_to(live))
    return runtime_.moves.refuse(std::move(*error));
  runtime_.publish(live);
}

// The first worker has moved once the ports that the plan lacks refuse connections.
void Worker::note_if_settled() {
  if (!settling_ || !acceptor_.settled()) return;
  settling_ = false;
  runtime_.moves.note_moved();
}

std::shared_ptr<PlanView> Worker::view_of(const std::shared_ptr<const LivePlan>& live) {
  for (const auto& view : views_)
    if (view->live() == live) return view;
  std::vector<std::shared_ptr<KnownCluster>> clusters;
  for (const std::shared_ptr<ClusterState>& state : live->clusters) {
    const auto known = std::ranges::find(cluster_views_, state, &KnownCluster::state);
    clusters.push_back(known != cluster_views_.end()
                           ? *known
                           : cluster_views_.emplace_back(std::make_shared<KnownCluster>(state)));
  }
  return views_.emplace_back(std::make_shared<PlanView>(live, std::move(clusters), counters_));
}

void Worker::drop_unused_views() {
  const auto is_unused = [](const auto& one) { return one.use_count() == 1; };
  std::erase_if(views_, is_unused);
  std::erase_if(cluster_views_, is_unused);
}

void Worker::refresh() {
  view_->refresh_certificates();
  for (const auto& cluster : cluster_views_) {
    if (!cluster->refresh()) continue;
    for (const auto& view : views_) view->on_refreshed(*cluster);
  }
}

// One pass over the sessions, however many clusters have changed.
void Worker::reconsider() {
  if (stopping_) return;
  if (index_ == 0) inquiries_.run_wanted();
  bool any = false;
  for (const auto& cluster : cluster_views_) {
    cluster->reconsidering = std::exchange(cluster->reconsider, false);
    any = any || cluster->reconsidering;
  }
  if (!any) return;
  for (const Slot& slot : slots_) {
    if (slot.session && slot.session->cluster().reconsidering) slot.session->reconsider();
  }
}

void Worker::want_discovery(ClusterState& cluster) {
  cluster.upstream_doubted.store(true, std::memory_order_relaxed);
  cluster.discovery_wanted.store(true);
  if (index_ != 0) runtime_.workers.front()->ring->wake();
}

}  // namespace kferry::proxy
