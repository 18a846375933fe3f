#include "proxy/prober.h"

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/start_thread.h"
#include "net/buffer_pool.h"
#include "proxy/upstream_probe.h"

namespace kferry::proxy {
namespace {

constexpr std::size_t buffer_size = 16 * KiB;
constexpr std::size_t buffer_count = 16;
constexpr Duration look_interval = std::chrono::seconds(1);
constexpr ring::Token look_token{0, 0, UpstreamProbe::operations};

}  // namespace

class Prober::Loop final : private UpstreamProbe::Host {
 public:
  Loop(Runtime& runtime, net::Resolver& resolver, ring::Ring& ring, const std::atomic<bool>& stop)
      : runtime_(runtime),
        resolver_(resolver),
        ring_(ring),
        stop_(stop),
        pool_(ring),
        legs_{ring, pool_, buffer_size, 0, UINT64_MAX},
        answers_(std::make_shared<net::AnswerQueue>([&ring] { ring.wake(); })) {}
  virtual ~Loop() { answers_->close(); }

  void run() {
    look();
    while (!stopping_ || looking_ || !probes_.empty()) turn();
  }

 private:
  void turn();
  // Follows the plan in force, and asks again where an upstream was doubted or a place is suspected.
  void look();
  void stop_all();

  // UpstreamProbe::Host
  connection::Leg::Shared& legs() override { return legs_; }
  void resolve(std::uint32_t slot, std::uint32_t question, const HostPort& where) override {
    resolver_.resolve((std::uint64_t{slot} << 32U) | question, where, answers_);
  }
  void starve(std::uint32_t slot) override { starved_.push_back(slot); }
  std::string_view why_not_dialled(const ClusterState& cluster, const SocketAddress& address,
                                   const HostPort* learnt, const SocketAddress& from) override {
    return runtime_.why_not_dialled(cluster, address, learnt, ring_.now(), from);
  }
  LoopGuard& loops() override { return runtime_.loops; }
  LogSink& log() override { return runtime_.log; }

  Runtime& runtime_;
  net::Resolver& resolver_;
  ring::Ring& ring_;
  const std::atomic<bool>& stop_;
  net::BufferPool pool_;
  connection::Leg::Shared legs_;
  std::shared_ptr<net::AnswerQueue> answers_;
  std::shared_ptr<const LivePlan> live_;  // whose clusters are asked
  std::map<std::uint32_t, std::unique_ptr<UpstreamProbe>>
      probes_;  // by slot; those of former plans until they end
  std::uint32_t next_slot_ = 0;
  std::vector<std::uint32_t> starved_;
  bool looking_ = false;  // the timer is set
  bool stopping_ = false;
};

void Prober::Loop::turn() {
  const std::span<const ring::Completion> completions = ring_.wait();
  for (net::Answer& answer : answers_->drain()) {
    const auto found = probes_.find(static_cast<std::uint32_t>(answer.request >> 32U));
    if (found == probes_.end()) continue;
    found->second->on_resolved(static_cast<std::uint32_t>(answer.request), std::move(answer.addresses),
                               answer.error);
  }
  for (const ring::Completion& completion : completions) {
    if (completion.token.kind == look_token.kind) {
      looking_ = false;
      if (!stopping_) look();
    } else {
      probes_.at(completion.token.slot)->on_completion(completion.token.kind, completion);
    }
  }
  if (!stopping_ && stop_.load(std::memory_order_acquire)) {
    stopping_ = true;
    ring_.cancel(look_token);
    stop_all();
  }
  if (ring_.buffers_free() > 0) {
    for (const std::uint32_t slot : std::exchange(starved_, {})) {
      const auto found = probes_.find(slot);
      if (found != probes_.end()) found->second->receive_again();
    }
  }
  std::erase_if(probes_, [](const auto& one) { return one.second->stopped(); });
}

void Prober::Loop::look() {
  looking_ = true;
  ring_.timer(look_token, ring_.now() + look_interval);
  if (const auto current = runtime_.moves.current(); live_ != current) {
    live_ = current;
    stop_all();
    UpstreamProbe::Host& host = *this;
    for (std::uint32_t c = 0; c < live_->clusters.size(); ++c) {
      const std::uint32_t slot = next_slot_++;
      auto probe = std::make_unique<UpstreamProbe>(host, live_, c, slot);
      probes_.emplace(slot, std::move(probe)).first->second->start();
    }
  }
  for (const auto& [slot, probe] : probes_) probe->look_again();
}

void Prober::Loop::stop_all() {
  for (const auto& [slot, probe] : probes_) probe->stop();
}

std::expected<std::unique_ptr<Prober>, std::string> Prober::start(Runtime& runtime, net::Resolver& resolver,
                                                                  ring::Backend backend) {
  std::unique_ptr<Prober> prober(new Prober());
  std::promise<std::expected<ring::Ring*, std::string>> made;
  auto ready = made.get_future();
  auto thread =
      start_thread([&runtime, &resolver, backend, &self = *prober, made = std::move(made)]() mutable {
        auto ring = ring::make_ring(backend, {buffer_count, buffer_size});
        if (!ring) return made.set_value(std::unexpected(ring.error()));
        made.set_value(ring->get());
        Loop(runtime, resolver, **ring, self.stop_).run();
        self.finish_.get_future().wait();  // the destructor may still wake the ring
      });
  if (!thread) return std::unexpected(thread.error());
  prober->thread_ = std::move(*thread);
  const auto ring = ready.get();
  if (!ring) return std::unexpected(ring.error());
  prober->ring_ = *ring;
  return prober;
}

Prober::~Prober() {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_release);
  if (ring_ != nullptr) ring_->wake();
  finish_.set_value();
  thread_.join();
}

}  // namespace kferry::proxy
