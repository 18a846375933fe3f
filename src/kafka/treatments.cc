#include "kafka/treatments.h"

#include <algorithm>
#include <utility>

#include "kafka/api_keys.h"
#include "kafka/api_versions.h"
#include "kafka/client_codec.h"
#include "kafka/error_codes.h"
#include "kafka/observer.h"
#include "kafka/rewriting.h"

namespace kferry::kafka {
namespace {

constexpr std::int64_t endpoint_type_brokers = 1;  // KIP-919

std::size_t size_max(const WalkedResponse& response) {
  return response.conversation.policy().held_size_max;
}

Treated replaced(WalkedResponse& response, Bytes bytes) {
  if (bytes.size() > std::max(size_max(response), response.found.bytes.size())) return Treated::too_large;
  response.replacement = std::move(bytes);
  return Treated::rewritten;
}

}  // namespace

Treated map_brokers(WalkedResponse& response) {
  const ApiKey source = response.request.key;
  if (!teach(response.found, source, true, response.cluster)) return Treated::other_cluster;
  return replaced(response, with_mapped_brokers(response.found, source, response.compact, response.cluster,
                                                size_max(response)));
}

Treated map_described_cluster(WalkedResponse& response) {
  Findings& found = response.found;
  const ApiKey source = response.request.key;
  if (found.endpoint_type != endpoint_type_brokers)
    return replaced(response, without_brokers(found, response.compact));
  if (!teach(found, source, found.error_code == error_none, response.cluster)) return Treated::other_cluster;
  return replaced(response,
                  with_mapped_brokers(found, source, response.compact, response.cluster, size_max(response)));
}

Treated map_coordinators(WalkedResponse& response) {
  if (!teach(response.found, response.request.key, false, response.cluster)) return Treated::other_cluster;
  return replaced(response, with_mapped_coordinators(response.found, response.compact, response.cluster,
                                                     size_max(response)));
}

Treated map_node_endpoints(WalkedResponse& response) {
  Findings& found = response.found;
  const ApiKey source = response.request.key;
  if (!teach(found, source, false, response.cluster)) return Treated::other_cluster;
  if (!found.tag && found.list.size == 0) return Treated::unchanged;
  return replaced(response, response.same_size
                                ? neutralised(found)
                                : with_mapped_nodes(found, source, response.cluster, size_max(response)));
}

Treated blank_listeners(WalkedResponse& response) {
  return replaced(response, with_blanked_lists(response.found, response.compact));
}

Treated limit_api_ranges(WalkedResponse& response) {
  if (response.found.error_code == error_rebootstrap_required)
    response.cluster.denied(response.request.correlation_id);
  for (const FoundRange& range : response.found.ranges)
    if (range.key == metadata_key && range.max >= metadata_without_topics)
      response.conversation.metadata_version = std::min(range.max, metadata_asked_max);
  return replaced(response,
                  with_known_ranges(response.found, response.compact,
                                    response.conversation.policy().pass_api_keys, response.cluster));
}

Treated note_sasl_handshake(WalkedResponse& response) {
  response.conversation.on_handshake_answered(response.found.error_code);
  return note_sasl_answer(response);
}

Treated note_sasl_answer(WalkedResponse& response) {
  if (Observer* observer = response.conversation.observer())
    observer->sasl_answered(response.request, static_cast<std::int16_t>(response.found.error_code));
  return Treated::unchanged;
}

}  // namespace kferry::kafka
