#include "proxy/bootstrap_watch.h"

#include <algorithm>
#include <utility>

#include "proxy/worker.h"

namespace kferry::proxy {

BootstrapWatch::BootstrapWatch(Worker& worker, std::shared_ptr<PlanView> view, std::uint32_t cluster,
                               ring::Token timer)
    : worker_(worker),
      view_(std::move(view)),
      cluster_(cluster),
      timer_(timer),
      alarm_(worker.ring(), timer),
      seen_(view_->cluster_config(cluster).upstream.bootstrap_servers.size()) {}

void BootstrapWatch::start() {
  const auto is_name = [](const HostPort& server) { return !SocketAddress::parse(server.host, 0); };
  if (std::ranges::none_of(view_->cluster_config(cluster_).upstream.bootstrap_servers, is_name)) return;
  stopped_ = false;
  alarm_.set(worker_.now());
}

void BootstrapWatch::move_to(std::shared_ptr<PlanView> view, std::uint32_t cluster) {
  view_ = std::move(view);
  cluster_ = cluster;
}

void BootstrapWatch::stop() {
  stopped_ = true;
  alarm_.cancel();
}

void BootstrapWatch::on_timer() {
  if (!alarm_.on_timer(!stopped_)) return;
  alarm_.set(worker_.now() + interval);
  ClusterState& cluster = view_->cluster(cluster_);
  const bool dialled = cluster.dialled.load(std::memory_order_relaxed) && cluster.dialled.exchange(false);
  const bool unseen = std::ranges::any_of(seen_, [](const auto& addresses) { return addresses.empty(); });
  if (!dialled && (!unseen || worker_.now() < ask_again_at_)) return;
  if (unseen) {
    ask_again_at_ = worker_.now() + pause_;
    pause_ = std::min(2 * pause_, longest_pause);
  }
  const std::vector<HostPort>& servers = view_->cluster_config(cluster_).upstream.bootstrap_servers;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    worker_.doubt_name(servers[i].host);
    worker_.inquiries().resolve_for_watch(timer_, i, servers[i]);
  }
}

void BootstrapWatch::on_resolved(std::size_t server, const std::vector<SocketAddress>& addresses) {
  if (stopped_ || addresses.empty()) return;
  std::vector<SocketAddress>& seen = seen_[server];
  const auto is_seen = [&](const SocketAddress& address) {
    return std::ranges::find(seen, address) != seen.end();
  };
  const bool moved = !seen.empty() && std::ranges::none_of(addresses, is_seen);
  if (moved) seen.clear();
  for (const SocketAddress& address : addresses) {
    if (is_seen(address)) continue;
    if (seen.size() == addresses_max) seen.erase(seen.begin());
    seen.push_back(address);
  }
  if (moved) worker_.inquiries().on_bootstrap_moved(timer_);
}

}  // namespace kferry::proxy
