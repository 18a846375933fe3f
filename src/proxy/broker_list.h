// A response's list of brokers, made comparable: sorted by id, each id once, names in one spelling, without entries
// that name no place. Pure; linear but for one sort of integers.
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

// A name in DNS has at most 253 characters (RFC 1035); a longer host name leads nowhere.
inline constexpr std::size_t host_size_max = 255;
// Kafka's own cluster ids have 22 characters. Longer ones are compared by their beginning.
inline constexpr std::size_t cluster_id_size_max = 255;

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
  bool too_long = false;             // more ids than allowed: `brokers` is empty
  std::string_view cluster_id;       // empty: the list has no cluster id
};

// With more than `brokers_max` different ids the list is too long. Of equal ids the first one counts.
CleanList clean_list(const kafka::BrokerList& list, std::size_t brokers_max);

}  // namespace kferry::proxy
