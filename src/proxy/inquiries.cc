#include "proxy/inquiries.h"

#include <utility>

#include "base/assert.h"
#include "config/same_upstream.h"
#include "proxy/worker.h"

namespace kferry::proxy {
namespace {

// A resolver's request: a mark, the watch's mark, generation, slot, and for a watch the bootstrap server.
constexpr std::uint64_t own = std::uint64_t{1} << 63U;
constexpr std::uint64_t for_watch = std::uint64_t{1} << 62U;
constexpr unsigned generation_shift = 46;
constexpr unsigned slot_shift = 24;
constexpr std::uint64_t slot_mask = (std::uint64_t{1} << (generation_shift - slot_shift)) - 1;
constexpr std::uint64_t server_mask = (std::uint64_t{1} << slot_shift) - 1;

std::uint64_t request_of(ring::Token token) {
  KFERRY_ASSERT(token.slot <= slot_mask);
  return own | (std::uint64_t{token.generation} << generation_shift) |
         (std::uint64_t{token.slot} << slot_shift);
}

}  // namespace

void Inquiries::begin(const std::shared_ptr<PlanView>& view) {
  const std::vector<std::shared_ptr<ClusterState>>& clusters = view->live()->clusters;
  std::vector<bool> kept;
  for (std::uint32_t c = 0; c < clusters.size(); ++c) kept.push_back(keep(view, c));
  for (std::uint32_t slot = 0; Inquiry & inquiry : inquiries_) {
    if (inquiry.plan != view->live()) stop(slot);
    ++slot;
  }
  for (std::uint32_t c = 0; c < clusters.size(); ++c) {
    if (kept[c]) continue;
    const std::uint32_t slot = inquiries_.take();
    Inquiry& inquiry = inquiries_.at(slot);
    ++count_;
    inquiry.stopping = false;
    inquiry.cluster = clusters[c];
    inquiry.plan = view->live();
    inquiry.index = c;
    const ring::Token first{slot, inquiry.generation, kind_};
    const ring::Token timer{slot, inquiry.generation,
                            static_cast<std::uint16_t>(kind_ + Discovery::operations)};
    inquiry.watch = std::make_unique<BootstrapWatch>(worker_, view, c, timer);
    inquiry.watch->start();
    if (!Discovery::possible(view->cluster_config(c).upstream)) continue;
    inquiry.discovery = std::make_unique<Discovery>(worker_, view, c, first);
    inquiry.discovery->start();
  }
  worker_.drop_unused_views();
}

bool Inquiries::keep(const std::shared_ptr<PlanView>& view, std::uint32_t cluster) {
  for (Inquiry& inquiry : inquiries_) {
    if (!inquiry.watch || inquiry.stopping || inquiry.cluster != view->live()->clusters[cluster]) continue;
    const config::Upstream& before = inquiry.plan->plan->clusters()[inquiry.index].config.upstream;
    if (!config::same_upstream(before, view->cluster_config(cluster).upstream)) return false;
    if (inquiry.discovery && !inquiry.discovery->calm()) return false;
    inquiry.watch->move_to(view, cluster);
    if (inquiry.discovery) inquiry.discovery->move_to(view, cluster);
    inquiry.plan = view->live();
    inquiry.index = cluster;
    return true;
  }
  return false;
}

void Inquiries::stop() {
  for (std::uint32_t slot = 0; const Inquiry& inquiry : inquiries_) {
    if (inquiry.watch) stop(slot);
    ++slot;
  }
}

void Inquiries::stop(std::uint32_t slot) {
  Inquiry& inquiry = inquiries_.at(slot);
  if (!inquiry.watch || inquiry.stopping) return;
  inquiry.stopping = true;
  inquiry.watch->stop();
  if (inquiry.discovery) inquiry.discovery->stop();
  free_if_stopped(slot);
}

void Inquiries::free_if_stopped(std::uint32_t slot) {
  Inquiry& inquiry = inquiries_.at(slot);
  if (!inquiry.stopping || !inquiry.watch->stopped()) return;
  if (inquiry.discovery && !inquiry.discovery->stopped()) return;
  inquiry.discovery.reset();
  inquiry.watch.reset();
  inquiry.cluster.reset();
  inquiry.plan.reset();
  ++inquiry.generation;
  inquiries_.give_back(slot);
  --count_;
  worker_.drop_unused_views();
}

Inquiries::Inquiry* Inquiries::find(std::uint32_t slot, std::uint16_t generation) {
  Inquiry& inquiry = inquiries_.at(slot);
  return inquiry.generation == generation ? &inquiry : nullptr;
}

void Inquiries::on_completion(const ring::Completion& completion) {
  const ring::Token token = completion.token;
  Inquiry* const inquiry = find(token.slot, token.generation);
  KFERRY_ASSERT(inquiry != nullptr);  // it outlives its operations
  const auto kind = static_cast<std::uint16_t>(token.kind - kind_);
  if (kind == Discovery::operations) {
    inquiry->watch->on_timer();
  } else {
    inquiry->discovery->on_completion(kind, completion);
  }
  free_if_stopped(token.slot);
}

void Inquiries::receive_again(ring::Token leg) {
  Inquiry* const inquiry = find(leg.slot, leg.generation);
  if (inquiry == nullptr || inquiry->stopping) return;
  inquiry->discovery->receive_again();
}

void Inquiries::run_wanted() {
  for (Inquiry& inquiry : inquiries_) {
    if (!inquiry.discovery || inquiry.stopping) continue;
    inquiry.discovery->on_turn();
    std::atomic<bool>& wanted = inquiry.cluster->discovery_wanted;
    if (wanted.load(std::memory_order_relaxed) && wanted.exchange(false)) inquiry.discovery->soon();
  }
}

void Inquiries::resolve_for_discovery(ring::Token discovery, const HostPort& where) {
  worker_.ask_resolver(request_of(discovery), where);
}

void Inquiries::resolve_for_watch(ring::Token watch, std::size_t server, const HostPort& where) {
  KFERRY_ASSERT(server <= server_mask);
  worker_.ask_resolver(request_of(watch) | for_watch | server, where);
}

bool Inquiries::is_own(std::uint64_t request) {
  return (request & own) != 0;
}

void Inquiries::on_resolved(net::Answer answer) {
  const auto slot = static_cast<std::uint32_t>((answer.request >> slot_shift) & slot_mask);
  const auto generation = static_cast<std::uint16_t>(answer.request >> generation_shift);
  Inquiry* const inquiry = find(slot, generation);
  if (inquiry == nullptr || inquiry->stopping) return;
  if ((answer.request & for_watch) == 0)
    return inquiry->discovery->on_resolved(std::move(answer.addresses), answer.error);
  if (answer.stale || !answer.error.empty()) answer.addresses.clear();
  inquiry->watch->on_resolved(static_cast<std::size_t>(answer.request & server_mask), answer.addresses);
}

void Inquiries::on_bootstrap_moved(ring::Token watch) {
  Inquiry& inquiry = inquiries_.at(watch.slot);
  if (inquiry.discovery) return inquiry.discovery->at_once();
  inquiry.cluster->topology.bootstrap_moved(worker_.now());
}

}  // namespace kferry::proxy
