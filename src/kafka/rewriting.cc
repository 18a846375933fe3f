#include "kafka/rewriting.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "kafka/api_table.h"
#include "kafka/error_codes.h"

namespace kferry::kafka {
namespace {

// No client knows it, it takes one byte, and it is above Kafka's own tags.
constexpr std::uint32_t neutral_tag = 0x7F;
// What a client gets where there is no broker, as Kafka's Node.noNode().
constexpr std::string_view no_host;
constexpr std::int32_t no_port = -1;
constexpr std::int32_t no_node = -1;

std::span<const std::byte> piece(const Bytes& bytes, std::uint32_t begin, std::size_t end) {
  return std::span(bytes).subspan(begin, end - begin);
}

// Without an address the placeholder.
void append_address(Bytes& out, const std::optional<HostPort>& where, bool compact) {
  append_string(out, where ? where->host : no_host, compact);
  append_integer(out, where ? where->port : no_port);
}

// Which entries have an id that an earlier one has. Empty: not one of them. n entries take n log n steps.
std::vector<bool> repeated_ids(const std::vector<FoundBroker>& brokers) {
  constexpr std::size_t few = 16;  // are compared pair by pair, without an allocation
  if (brokers.size() <= few) {
    bool any = false;
    for (std::size_t i = 1; i < brokers.size() && !any; ++i)
      any = std::any_of(brokers.begin(), brokers.begin() + static_cast<std::ptrdiff_t>(i),
                        [&](const FoundBroker& before) { return before.id == brokers[i].id; });
    if (!any) return {};
  }
  std::vector<std::pair<std::int32_t, std::size_t>> order;
  order.reserve(brokers.size());
  for (std::size_t i = 0; i < brokers.size(); ++i) order.emplace_back(number(brokers[i].id), i);
  std::sort(order.begin(), order.end());
  std::vector<bool> repeated(brokers.size());
  for (std::size_t i = 1; i < order.size(); ++i)
    repeated[order[i].second] = order[i].first == order[i - 1].first;
  return repeated;
}

// Appends the brokers that a client may see, each id once, with the addresses that it may dial. Returns how many. Stops
// beyond `size_max`.
std::uint32_t append_brokers(Bytes& out, Findings& found, ApiKey source, bool compact, ClusterView& cluster,
                             std::size_t size_max) {
  std::uint32_t kept = 0;
  const std::vector<bool> repeated = repeated_ids(found.brokers);
  for (std::size_t i = 0; i < found.brokers.size() && out.size() <= size_max; ++i) {
    const FoundBroker& broker = found.brokers[i];
    // An id below 0 names no broker: Kafka's own placeholder goes with it, never the address that came.
    const bool placeholder = number(broker.id) < 0;
    if (!placeholder && !repeated.empty() && repeated[i]) continue;
    const std::optional<HostPort> where = placeholder ? std::nullopt : cluster.advertised(broker.id);
    if (!where && !placeholder) {
      cluster.left_out(source, broker.id);
      found.left_out.push_back(broker.id);
      continue;
    }
    append(out, piece(found.bytes, broker.begin, broker.host_at));
    append_address(out, where, compact);
    append(out, piece(found.bytes, broker.port_at + 4, broker.end));
    ++kept;
  }
  std::ranges::sort(found.left_out);
  return kept;
}

}  // namespace

bool teach(const Findings& found, ApiKey source, bool full, ClusterView& cluster) {
  std::vector<BrokerEntry> brokers;
  brokers.reserve(found.brokers.size());
  for (const FoundBroker& broker : found.brokers)
    if (number(broker.id) >= 0) brokers.push_back({broker.id, found.host(broker), broker.port});
  if (brokers.empty() && !full) return true;
  return cluster.learn({source, full, found.cluster_id(), brokers});
}

Bytes with_mapped_brokers(Findings& found, ApiKey source, bool compact, ClusterView& cluster,
                          std::size_t size_max) {
  Bytes brokers;
  const std::uint32_t kept = append_brokers(brokers, found, source, compact, cluster, size_max);
  if (found.controller_at) {
    std::byte* const controller = &found.bytes[*found.controller_at];
    if (found.leaves_out(NodeId{load<std::int32_t>(controller)})) store(controller, no_node);
  }
  Bytes out;
  out.reserve(found.bytes.size() + brokers.size());
  append(out, piece(found.bytes, 0, found.list.begin));
  append_count(out, kept, compact);
  append(out, brokers);
  append(out, piece(found.bytes, found.list.end, found.bytes.size()));
  return out;
}

Bytes without_brokers(const Findings& found, bool compact) {
  Bytes out;
  append(out, piece(found.bytes, 0, found.list.begin));
  append_count(out, 0, compact);
  append(out, piece(found.bytes, found.list.end, found.bytes.size()));
  return out;
}

Bytes with_mapped_coordinators(Findings& found, bool compact, ClusterView& cluster, std::size_t size_max) {
  Bytes out;
  std::uint32_t copied = 0;
  for (const FoundBroker& broker : found.brokers) {
    if (out.size() > size_max) return out;
    const bool placeholder = number(broker.id) < 0;
    const std::optional<HostPort> where = placeholder ? std::nullopt : cluster.advertised(broker.id);
    if (!where && !placeholder) {
      cluster.left_out(find_coordinator_key, broker.id);
      store<std::int16_t>(&found.bytes[broker.error_at], error_coordinator_not_available);
      store(&found.bytes[broker.id_at], no_node);
    }
    append(out, piece(found.bytes, copied, broker.host_at));
    append_address(out, where, compact);
    copied = broker.port_at + 4;
  }
  append(out, piece(found.bytes, copied, found.bytes.size()));
  return out;
}

Bytes with_blanked_lists(const Findings& found, bool compact) {
  Bytes out;
  std::uint32_t copied = 0;
  for (const FoundList& list : found.blanked) {
    append(out, piece(found.bytes, copied, list.begin));
    append_count(out, 0, compact);
    copied = list.end;
  }
  append(out, piece(found.bytes, copied, found.bytes.size()));
  return out;
}

Bytes with_mapped_nodes(Findings& found, ApiKey source, ClusterView& cluster, std::size_t size_max) {
  Bytes nodes;
  const std::uint32_t kept = append_brokers(nodes, found, source, true, cluster, size_max);
  Bytes out;
  if (!found.tag) {
    append_count(out, kept, true);
    append(out, nodes);
    append(out, piece(found.bytes, found.list.end, found.bytes.size()));
    return out;
  }
  // Kafka writes no tag for an empty list.
  const std::uint32_t tags = load_uvarint(found.bytes);
  append_uvarint(out, kept > 0 ? tags : tags - 1);
  append(out, piece(found.bytes, static_cast<std::uint32_t>(uvarint_width(found.bytes)), found.tag->begin));
  if (kept > 0) {
    append_uvarint(out, 0);
    append_uvarint(out, static_cast<std::uint32_t>(uvarint_size(kept + 1) + nodes.size()));
    append_count(out, kept, true);
    append(out, nodes);
  }
  append(out, piece(found.bytes, found.tag->end, found.bytes.size()));
  return out;
}

Bytes neutralised(const Findings& found) {
  const Bytes& was = found.bytes;
  Bytes out;
  out.reserve(was.size());
  if (found.tag) {
    const FoundTag& tag = *found.tag;
    const std::span<const std::byte> number_and_size = piece(was, tag.begin, tag.content);
    const std::size_t number_width = uvarint_width(number_and_size);
    append(out, piece(was, 0, tag.begin));
    append(out, piece(was, tag.end, was.size()));
    append_uvarint(out, neutral_tag, number_width);
    append(out, number_and_size.subspan(number_width));
  } else {
    const std::span<const std::byte> tags = piece(was, found.list.end, was.size());
    const std::span<const std::byte> others = tags.subspan(uvarint_width(tags));
    append_count(out, 0, true);
    append_uvarint(out, load_uvarint(tags) + 1);
    append(out, others);
    append_uvarint(out, neutral_tag);
    // No minimal encoding may fit the room exactly; the length is then written one byte longer.
    const std::size_t room = was.size() - out.size();
    std::size_t width = 1;
    while (uvarint_size(static_cast<std::uint32_t>(room - width)) > width) ++width;
    append_uvarint(out, static_cast<std::uint32_t>(room - width), width);
  }
  KFERRY_ASSERT(out.size() <= was.size());
  out.resize(was.size());
  return out;
}

}  // namespace kferry::kafka
