#include "proxy/own_places.h"

#include <algorithm>
#include <utility>

#include "config/sni.h"
#include "proxy/broker_list.h"

namespace kferry::proxy {

AdvertisedPlaces::AdvertisedPlaces(const config::Config& config) {
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      const std::string name = canonical(listener.advertised_host, 0).host;
      const auto [found, is_new] = by_name_.try_emplace(name, hosts_.size());
      if (is_new) hosts_.push_back({name, {}});
      for (const config::Port& port : listener.ports) hosts_[found->second].ports.insert(port.advertised);
      if (listener.sni && !listener.ports.empty())
        names_.emplace_back(*listener.sni, listener.ports.front().advertised);
    }
  }
}

bool AdvertisedPlaces::has(const HostPort& place) const {
  const HostPort same = canonical(place.host, place.port);
  if (const auto found = by_name_.find(same.host);
      found != by_name_.end() && hosts_[found->second].ports.contains(same.port))
    return true;
  return std::ranges::any_of(names_, [&](const auto& listener) {
    return listener.second == same.port && config::sni_target(listener.first, same.host);
  });
}

OwnPlaces::OwnPlaces(net::Resolver& resolver, std::shared_ptr<const AdvertisedPlaces> advertised)
    : resolver_(resolver), answers_(std::make_shared<net::AnswerQueue>([] {})) {
  begin(std::move(advertised));
}

OwnPlaces::~OwnPlaces() {
  answers_->close();
}

void OwnPlaces::begin(std::shared_ptr<const AdvertisedPlaces> advertised) {
  advertised_ = std::move(advertised);
  ++plans_;
  hosts_.clear();
  known_.assign(advertised_->hosts().size(), {});
  ask();
}

void OwnPlaces::ask() {
  for (std::size_t i = 0; i < known_.size(); ++i) {
    const AdvertisedPlaces::Host& host = advertised_->hosts()[i];
    if (host.name.empty() || host.ports.empty()) continue;
    resolver_.resolve((std::uint64_t{plans_} << 32U) | i, {host.name, *host.ports.begin()}, answers_);
  }
}

void OwnPlaces::take_answers() {
  for (const net::Answer& answer : answers_->drain()) {
    // Without addresses, the last good answer holds.
    if (answer.addresses.empty() || answer.request >> 32U != plans_) continue;
    const auto host = static_cast<std::size_t>(answer.request & 0xFFFF'FFFFU);
    for (const std::string& address : known_[host]) std::erase(hosts_[address], host);
    known_[host].clear();
    for (const SocketAddress& address : answer.addresses) {
      known_[host].push_back(address.host_text());
      hosts_[known_[host].back()].push_back(host);
    }
    std::erase_if(hosts_, [](const auto& entry) { return entry.second.empty(); });
  }
}

bool OwnPlaces::has(const std::shared_ptr<const AdvertisedPlaces>& advertised, const SocketAddress& address,
                    Instant now) {
  const std::scoped_lock lock(mutex_);
  if (advertised != advertised_) begin(advertised);
  take_answers();
  if (now >= asked_at_ + ask_interval) {
    asked_at_ = now;
    ask();
  }
  const auto found = hosts_.find(address.host_text());
  return found != hosts_.end() && std::ranges::any_of(found->second, [&](std::size_t host) {
           return advertised_->hosts()[host].ports.contains(address.port());
         });
}

}  // namespace kferry::proxy
