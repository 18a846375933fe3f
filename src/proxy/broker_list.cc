#include "proxy/broker_list.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/lower_case.h"
#include "base/stable_sort.h"

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

CleanList clean_list(const kafka::BrokerList& list) {
  CleanList clean;
  if (list.brokers.size() > brokers_max) {
    clean.too_long = true;
    return clean;
  }
  clean.brokers.reserve(list.brokers.size());
  for (const kafka::BrokerEntry& broker : list.brokers) {
    const bool names_a_place =
        number(broker.id) >= 0 && !broker.host.empty() && broker.port > 0 && broker.port <= 65535;
    if (names_a_place) clean.brokers.push_back({broker.id, canonical(broker.host, broker.port)});
  }
  const auto same = [](const NamedBroker& a, const NamedBroker& b) { return a.id == b.id; };
  // Of equal ids the first one counts.
  sort_stably(clean.brokers, [](const NamedBroker& broker) { return number(broker.id); });
  clean.brokers.erase(std::unique(clean.brokers.begin(), clean.brokers.end(), same), clean.brokers.end());
  return clean;
}

}  // namespace kferry::proxy
