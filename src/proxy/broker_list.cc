#include "proxy/broker_list.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/lower_case.h"

namespace kferry::proxy {
HostPort canonical(std::string_view host, std::int32_t port) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const bool absolute = host.size() >= 2 && host.back() == '.';
  if (absolute && host.find('.') + 1 < host.size()) host.remove_suffix(1);
  if (host.find(':') != std::string_view::npos) {
    if (const auto literal = SocketAddress::parse(host, 0)) return {literal->host_text(), port};
  }
  return {lower_case(host), port};
}

std::string_view why_no_broker(const SocketAddress& address) {
  if (address.is_wildcard()) return "is the unspecified address";
  if (address.is_multicast()) return "is a multicast address";
  if (address.is_broadcast()) return "is the broadcast address";
  return {};
}

CleanList clean_list(const kafka::BrokerList& list, std::size_t brokers_max) {
  CleanList clean;
  if (list.cluster_id) clean.cluster_id = list.cluster_id->substr(0, cluster_id_size_max);
  std::vector<std::pair<std::int32_t, std::size_t>> order;  // ids and their places
  order.reserve(list.brokers.size());
  for (std::size_t i = 0; i < list.brokers.size(); ++i) {
    const kafka::BrokerEntry& broker = list.brokers[i];
    const bool names_a_place = number(broker.id) >= 0 && !broker.host.empty() &&
                               broker.host.size() <= host_size_max && broker.port > 0 && broker.port <= 65535;
    if (names_a_place) order.emplace_back(number(broker.id), i);
  }
  std::sort(order.begin(), order.end());
  const auto same_id = [](const auto& a, const auto& b) { return a.first == b.first; };
  order.erase(std::unique(order.begin(), order.end(), same_id), order.end());
  clean.too_long = order.size() > brokers_max;
  if (clean.too_long) return clean;
  clean.brokers.reserve(order.size());
  for (const auto& [id, place] : order) {
    const kafka::BrokerEntry& broker = list.brokers[place];
    clean.brokers.push_back({broker.id, canonical(broker.host, broker.port)});
  }
  return clean;
}

}  // namespace kferry::proxy
