#include "cli/dial_guard.h"

#include <ifaddrs.h>

#include "base/log_sink.h"

namespace kferry::cli {
namespace {

std::set<std::string> interface_addresses() {
  std::set<std::string> own;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return own;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_INET) own.insert(SocketAddress(entry->ifa_addr, sizeof(sockaddr_in)).host_text());
    if (family == AF_INET6) own.insert(SocketAddress(entry->ifa_addr, sizeof(sockaddr_in6)).host_text());
  }
  freeifaddrs(list);
  return own;
}

}  // namespace

DialGuard::DialGuard(const config::Config& config, net::Resolver& resolver)
    : runtime_(proxy::Plan::make(config), null_log_sink()), own_(interface_addresses()) {
  for (const proxy::AdvertisedPlaces::Host& host : runtime_.moves.current()->plan->advertised()->hosts()) {
    if (host.name.empty() || host.ports.empty()) continue;
    const net::Answer answer = net::resolve_and_wait(resolver, {host.name, *host.ports.begin()});
    for (const SocketAddress& address : answer.addresses)
      for (const std::int32_t port : host.ports) advertised_.emplace(address.host_text(), port);
  }
}

void DialGuard::note_bootstrap(std::size_t cluster, const std::vector<SocketAddress>& addresses) {
  runtime_.moves.current()->clusters[cluster]->note_bootstrap_addresses(addresses);
}

std::string_view DialGuard::refusal(std::size_t cluster, const SocketAddress& address,
                                    const HostPort* place) const {
  const SocketAddress from = own_.contains(address.host_text()) ? address : SocketAddress();
  return runtime_.why_not_dialled(*runtime_.moves.current()->clusters[cluster], address, place, {}, from);
}

std::string DialGuard::why_not(std::size_t cluster, const SocketAddress& address) const {
  return std::string(refusal(cluster, address, nullptr));
}

std::string DialGuard::why_not(std::size_t cluster, const SocketAddress& address,
                               const HostPort& place) const {
  if (const std::string_view why = refusal(cluster, address, &place); !why.empty()) return std::string(why);
  // Behind an ingress TLS with another server name leads elsewhere, though the address is the same.
  const config::Upstream& upstream = runtime_.moves.current()->plan->clusters()[cluster].config.upstream;
  const bool led_by_name = upstream.tls && !SocketAddress::parse(place.host, address.port());
  return !led_by_name && advertised_at(address) ? std::string(proxy::own_advertised) : std::string();
}

bool DialGuard::advertised_at(const SocketAddress& address) const {
  return advertised_.contains({address.host_text(), address.port()});
}

bool DialGuard::advertised(const HostPort& place) const {
  return runtime_.moves.current()->plan->advertised()->has(place);
}

}  // namespace kferry::cli
