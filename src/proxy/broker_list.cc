#include "proxy/broker_list.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

namespace kferry::proxy {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

HostPort canonical(std::string_view host, std::int32_t port) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const bool absolute = host.size() >= 2 && host.back() == '.';
  if (absolute && host.find('.') + 1 < host.size()) host.remove_suffix(1);
  if (host.find(':') != std::string_view::npos) {
    if (const auto literal = SocketAddress::parse(host, 0)) return {literal->host_text(), port};
  }
  std::string name(host);
  std::transform(name.begin(), name.end(), name.begin(), lower);
  return {std::move(name), port};
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
  // Of equal ids the first one counts. Not std::stable_sort: libstdc++ 12 implements it with what clang calls
  // deprecated.
  std::vector<std::size_t> order(clean.brokers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(number(clean.brokers[i].id), i); });
  std::vector<NamedBroker> sorted;
  sorted.reserve(order.size());
  for (const std::size_t i : order) sorted.push_back(std::move(clean.brokers[i]));
  clean.brokers = std::move(sorted);
  clean.brokers.erase(std::unique(clean.brokers.begin(), clean.brokers.end(), same), clean.brokers.end());
  return clean;
}

}  // namespace kferry::proxy
