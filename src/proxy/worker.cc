#include "proxy/worker.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A send that has been pending for this long gives its buffers back if others find none.
constexpr Duration stalled_after = milliseconds(5);
// Marks a resolver request as discovery's.
constexpr std::uint64_t for_discovery = std::uint64_t{1} << 63U;
// Marks one as the watch's: the cluster, and in the lower half the bootstrap server.
constexpr std::uint64_t for_watch = std::uint64_t{1} << 62U;

}  // namespace

Worker::Worker(Runtime& runtime, std::size_t index, ring::Ring& ring, net::Resolver& resolver,
               std::uint64_t seed)
    : runtime_(runtime),
      plan_(runtime.plan),
      index_(index),
      ring_(ring),
      pool_(ring),
      resolver_(resolver),
      answers_(std::make_shared<net::AnswerQueue>([&ring] { ring.wake(); })),
      random_(seed),
      legs_{ring, pool_, plan_->config().engine.receive_size_bytes,
            plan_->config().engine.standing_receive_bytes,
            plan_->config().engine.splice_threshold_bytes == 0
                ? UINT64_MAX
                : plan_->config().engine.splice_threshold_bytes},
      kernel_tls_{plan_->config().tls.kernel_send, plan_->config().tls.kernel_receive},
      acceptor_(*this, runtime, index, ring, static_cast<std::uint16_t>(Operation::acceptor)) {
  for (const ClusterPlan& cluster : plan_->clusters()) {
    View view;
    view.state = &runtime_.cluster(cluster.config.name);
    view.snapshot = view.state->topology.snapshot();
    views_.push_back(std::move(view));
    for (const config::Listener& listener : cluster.config.listeners) routes_.emplace_back(listener);
    discoveries_.push_back(nullptr);
  }
}

Worker::~Worker() {
  answers_->close();
}

std::int64_t Worker::random(std::int64_t below) {
  return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
}

void Worker::set_options(ring::Socket socket) {
  ring_.set_options(socket, seconds(limits().keepalive_idle_s), seconds(limits().keepalive_interval_s),
                    static_cast<int>(limits().keepalive_probes));
}

// --- start and end

void Worker::discover() {
  for (std::uint32_t c = 0; c < views_.size(); ++c) {
    watches_.push_back(std::make_unique<BootstrapWatch>(
        *this, c, ring::Token{c, 0, static_cast<std::uint16_t>(Operation::watch)}));
    watches_.back()->start();
    if (!Discovery::possible(cluster_config(c).upstream)) continue;
    discoveries_[c] = std::make_unique<Discovery>(*this, c, static_cast<std::uint16_t>(Operation::discovery));
    discoveries_[c]->start();
  }
}

void Worker::stop() {
  ring::Ring& ring = ring_;  // it outlives the worker, which may be gone once the flag is seen
  stop_asked_.store(true, std::memory_order_release);
  ring.wake();
}

void Worker::begin_to_stop() {
  stopping_ = true;
  acceptor_.stop();
  ring_.cancel({0, 0, static_cast<std::uint16_t>(Operation::pressure)});
  for (const auto& discovery : discoveries_) {
    if (discovery) discovery->stop();
  }
  for (const auto& watch : watches_) watch->stop();
  for (Slot& slot : slots_) {
    if (!slot.session) continue;
    slot.session->abort();
    free_if_finished(slot);
  }
}

bool Worker::stopped() const {
  if (!stopping_ || session_count_ > 0 || !acceptor_.stopped() || pressure_armed_) return false;
  return std::all_of(discoveries_.begin(), discoveries_.end(),
                     [](const auto& discovery) { return !discovery || discovery->stopped(); }) &&
         std::all_of(watches_.begin(), watches_.end(), [](const auto& watch) { return watch->stopped(); });
}

// --- the turn

void Worker::turn() {
  const std::span<const ring::Completion> completions = ring_.wait();
  refresh();
  answer_resolved();
  for (const ring::Completion& completion : completions) dispatch(completion);
  if (!stopping_ && stop_asked_.load(std::memory_order_acquire)) begin_to_stop();
  feed_starved();
  refresh();
  reconsider();
}

void Worker::dispatch(const ring::Completion& completion) {
  const ring::Token token = completion.token;
  if (token.kind < Session::kinds) {
    Session* session = find(token.slot, token.generation);
    KFERRY_ASSERT(session != nullptr);  // a session outlives its operations
    session->on_completion(token.kind, completion);
    free_if_finished(slots_.at(token.slot));
    return;
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::watch)) return watches_.at(token.slot)->on_timer();
  if (token.kind >= static_cast<std::uint16_t>(Operation::discovery)) {
    discoveries_.at(token.slot)
        ->on_completion(
            static_cast<std::uint16_t>(token.kind - static_cast<std::uint16_t>(Operation::discovery)),
            completion);
    return;
  }
  if (token.kind == static_cast<std::uint16_t>(Operation::pressure)) {
    pressure_armed_ = false;
    if (!stopping_) on_pressure();
    return;
  }
  acceptor_.on_completion(
      static_cast<Acceptor::Operation>(token.kind - static_cast<std::uint16_t>(Operation::acceptor)),
      token.slot, completion);
}

// --- sessions

void Worker::serve(std::uint32_t port, ring::Socket client) {
  if (stopping_) {
    ring_.close(client, true);
    runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  const std::uint32_t number = slots_.take();
  Slot& slot = slots_.at(number);
  slot.session = session_memory_.make(*this, number, slot.generation, plan_->ports()[port], client,
                                      ring_.remote_address(client));
  ++session_count_;
  slot.session->start();
}

Session* Worker::find(std::uint32_t slot, std::uint16_t generation) {
  return slots_.at(slot).generation == generation ? slots_.at(slot).session : nullptr;
}

void Worker::free_if_finished(Slot& slot) {
  if (!slot.session || !slot.session->finished()) return;
  const std::uint32_t number = slot.session->slot();
  session_memory_.destroy(std::exchange(slot.session, nullptr));
  ++slot.generation;
  slots_.give_back(number);
  --session_count_;
  runtime_.workers[index_]->sessions.fetch_sub(1, std::memory_order_relaxed);
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
      discoveries_.at(next.slot)->receive_again();
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

// --- names and topologies

void Worker::resolve(std::uint32_t slot, std::uint16_t generation, const HostPort& where) {
  resolver_.resolve((std::uint64_t{slot} << 16U) | generation, where, answers_);
}

void Worker::resolve_for_discovery(std::uint32_t cluster, const HostPort& where) {
  resolver_.resolve(for_discovery | cluster, where, answers_);
}

void Worker::resolve_for_watch(std::uint32_t cluster, std::size_t server, const HostPort& where) {
  resolver_.resolve(for_watch | (std::uint64_t{cluster} << 32U) | static_cast<std::uint32_t>(server), where,
                    answers_);
}

void Worker::on_bootstrap_moved(std::uint32_t cluster) {
  if (discoveries_[cluster]) return discoveries_[cluster]->at_once();
  views_[cluster].state->topology.bootstrap_moved(now());
}

void Worker::answer_resolved() {
  for (net::Answer& answer : answers_->drain()) {
    if ((answer.request & for_watch) != 0) {
      const auto cluster = static_cast<std::uint32_t>((answer.request & ~for_watch) >> 32U);
      if (answer.stale || !answer.error.empty()) answer.addresses.clear();
      watches_[cluster]->on_resolved(static_cast<std::uint32_t>(answer.request), answer.addresses);
      continue;
    }
    if ((answer.request & for_discovery) != 0) {
      const auto cluster = static_cast<std::uint32_t>(answer.request & ~for_discovery);
      discoveries_[cluster]->on_resolved(std::move(answer.addresses), answer.error);
      continue;
    }
    const auto slot = static_cast<std::uint32_t>(answer.request >> 16U);
    Session* session = find(slot, static_cast<std::uint16_t>(answer.request & 0xFFFFU));
    if (session == nullptr) continue;
    session->on_resolved(std::move(answer.addresses), answer.error);
    free_if_finished(slots_.at(slot));
  }
}

certificates::Usable<tls::ServerContext> Worker::server_context(std::uint32_t cluster,
                                                                std::uint32_t listener) const {
  const config::Cluster& config = cluster_config(cluster);
  return tls_ == nullptr ? certificates::Usable<tls::ServerContext>{}
                         : tls_->listener(config.name, config.listeners[listener].name);
}

std::expected<std::shared_ptr<const tls::ClientContext>, std::string> Worker::upstream_context(
    std::uint32_t cluster) const {
  if (!cluster_config(cluster).upstream.tls) return nullptr;
  if (tls_ == nullptr) return std::unexpected(std::string("no certificate has been read yet"));
  const certificates::Usable<tls::ClientContext> usable = tls_->upstream(cluster_config(cluster).name);
  if (usable.context == nullptr) return std::unexpected(usable.why_not);
  return usable.context;
}

void Worker::refresh() {
  if (runtime_.tls != nullptr && runtime_.tls->version() != tls_version_) {
    tls_version_ = runtime_.tls->version();
    tls_ = runtime_.tls->snapshot();
  }
  std::uint32_t listener = 0;
  for (std::uint32_t c = 0; c < views_.size(); ++c) {
    const Topology& topology = views_[c].state->topology;
    const auto listeners = static_cast<std::uint32_t>(cluster_config(c).listeners.size());
    View& view = views_[c];
    const std::uint64_t version = topology.version();
    if (version != view.version) {
      view.version = version;
      view.snapshot = topology.snapshot();
      view.reconsider = true;
      for (std::uint32_t l = 0; l < listeners; ++l) routes_[listener + l].refresh(*view.snapshot);
    }
    listener += listeners;
  }
}

// One pass over the sessions, however many clusters have changed.
void Worker::reconsider() {
  if (stopping_) return;
  bool any = false;
  for (std::uint32_t c = 0; c < views_.size(); ++c) {
    View& view = views_[c];
    std::atomic<bool>& wanted = view.state->discovery_wanted;
    if (discoveries_[c] && wanted.load(std::memory_order_relaxed) && wanted.exchange(false))
      discoveries_[c]->soon();
    view.reconsidering = std::exchange(view.reconsider, false);
    any = any || view.reconsidering;
  }
  if (!any) return;
  for (const Slot& slot : slots_) {
    if (slot.session && views_[slot.session->cluster()].reconsidering) slot.session->reconsider();
  }
}

void Worker::note_bootstrap_addresses(std::uint32_t cluster, const std::vector<SocketAddress>& addresses) {
  for (const SocketAddress& address : addresses) {
    if (address.is_loopback()) views_[cluster].state->bootstrap_on_loopback = true;
    if (address.is_link_local()) views_[cluster].state->bootstrap_on_link_local = true;
  }
}

void Worker::want_discovery(std::uint32_t cluster) {
  views_[cluster].state->discovery_wanted.store(true);
  if (index_ != 0) runtime_.workers.front()->ring->wake();
}

}  // namespace kferry::proxy
