// A response's list of brokers, made comparable: sorted by id, each id once, names in one spelling, without entries
// that name no place. Pure; linear but for one sort, which is done outside of any lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/host_port.h"
#include "base/ids.h"
#include "base/socket_address.h"
#include "kafka/cluster_view.h"

namespace kferry::proxy {

// More brokers than any cluster has. A longer list teaches nothing, and a topology never holds more.
inline constexpr std::size_t brokers_max = 4096;

// The spelling that addresses are compared in: lower case, without a final dot, brackets and needless zeros. A name of
// a single label keeps its final dot, because search domains apply to it without one.
HostPort canonical(std::string_view host, std::int32_t port);

// Why this address is never a broker's, for messages; empty: it may be. An unspecified address would lead to this host.
std::string_view why_no_broker(const SocketAddress& address);

struct NamedBroker {
  NodeId id{};
  HostPort address;  // canonical
};

struct CleanList {
  std::vector<NamedBroker> brokers;  // by id
  bool too_long = false;             // more than brokers_max: `brokers` is empty
};

CleanList clean_list(const kafka::BrokerList& list);

}  // namespace kferry::proxy
