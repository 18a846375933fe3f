#include "proxy/dial_plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kafka/api_keys.h"

namespace kferry::proxy {
namespace {

// Brokers that a connection tries instead of its own one. The dial's budget rarely lasts for so many.
constexpr std::size_t stand_ins_max = 32;
// Bootstrap servers that it tries after them.
constexpr std::size_t bootstrap_servers_max = 32;

}  // namespace

std::vector<connection::Candidate> dial_plan(const Snapshot& snapshot, std::optional<NodeId> owner,
                                             bool owner_may_be_dialled, std::size_t port_index,
                                             std::span<const HostPort> bootstrap_servers,
                                             std::span<const HostPort> failed) {
  std::vector<connection::Candidate> plan;
  if (owner && owner_may_be_dialled) plan = own_candidates(snapshot, *owner);
  const auto own_size = static_cast<std::ptrdiff_t>(plan.size());
  const auto add = [&](const HostPort& address, std::optional<NodeId> node) {
    const bool known =
        std::any_of(plan.begin(), plan.end(), [&](const auto& t) { return t.address == address; });
    if (!known) plan.push_back(connection::Candidate{address, node});
  };
  const Node* own = owner ? snapshot.find(*owner) : nullptr;
  const std::size_t nodes = snapshot.nodes.size();
  const std::size_t stand_ins_end = plan.size() + stand_ins_max;
  for (std::size_t i = 0; i < nodes && plan.size() < stand_ins_end; ++i) {
    const Node& node = snapshot.nodes[(port_index + i) % nodes];
    if (node.listed && (own == nullptr || node.id != own->id)) add(node.address, node.id);
  }
  for (std::size_t i = 0; i < std::min(bootstrap_servers.size(), bootstrap_servers_max); ++i) {
    const HostPort& address = bootstrap_servers[(port_index + i) % bootstrap_servers.size()];
    const Node* listed = snapshot.at(address);
    if (listed != nullptr && own != nullptr && listed->id == own->id && !owner_may_be_dialled) continue;
    add(address, listed != nullptr ? std::optional(listed->id) : std::nullopt);
  }
  if (failed.empty()) return plan;
  std::vector<connection::Candidate> last;
  for (auto one = plan.begin() + own_size; one != plan.end();) {
    const bool late = std::find(failed.begin(), failed.end(), one->address) != failed.end();
    if (late) last.push_back(std::move(*one));
    one = late ? plan.erase(one) : one + 1;
  }
  plan.insert(plan.end(), last.begin(), last.end());
  return plan;
}

void hurry_stand_ins(std::span<connection::Candidate> candidates, std::optional<NodeId> owner) {
  if (candidates.empty()) return;
  for (connection::Candidate& one : candidates.first(candidates.size() - 1)) {
    if (!owner || one.node != owner) one.patience = stand_in_patience;
  }
}

std::vector<connection::Candidate> own_candidates(const Snapshot& snapshot, NodeId id) {
  std::vector<connection::Candidate> own;
  const Node* node = snapshot.find(id);
  if (node == nullptr || !node->dialable()) return own;
  if (node->candidate) own.push_back({*node->candidate, id});
  if (own.empty() || own.front().address != node->address) own.push_back({node->address, id});
  return own;
}

bool stand_in_serves(ApiKey key) {
  // What a client asks of whichever broker it bootstraps at.
  static constexpr std::array keys{
      kafka::metadata_key,         kafka::find_coordinator_key,
      kafka::sasl_handshake_key,   kafka::api_versions_key,
      kafka::init_producer_id_key, kafka::sasl_authenticate_key,
      kafka::describe_cluster_key, kafka::get_telemetry_subscriptions_key,
      kafka::push_telemetry_key,
  };
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool any_broker_serves(ApiKey key) {
  using kafka::key_of;
  static constexpr std::array keys{key_of("CreateTopics"),
                                   key_of("DeleteTopics"),
                                   key_of("DescribeAcls"),
                                   key_of("CreateAcls"),
                                   key_of("DeleteAcls"),
                                   key_of("CreatePartitions"),
                                   key_of("CreateDelegationToken"),
                                   key_of("RenewDelegationToken"),
                                   key_of("ExpireDelegationToken"),
                                   key_of("DescribeDelegationToken"),
                                   key_of("ElectLeaders"),
                                   key_of("AlterPartitionReassignments"),
                                   key_of("ListPartitionReassignments"),
                                   key_of("DescribeClientQuotas"),
                                   key_of("AlterClientQuotas"),
                                   key_of("DescribeUserScramCredentials"),
                                   key_of("AlterUserScramCredentials"),
                                   key_of("UpdateFeatures"),
                                   key_of("DescribeTopicPartitions")};
  return stand_in_serves(key) || std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool adds_to(std::span<const connection::Candidate> candidates, const Node& node) {
  return node.listed && !node.provisional &&
         std::ranges::none_of(candidates, [&](const connection::Candidate& one) {
           return canonical(one.address.host, one.address.port) == node.address;
         });
}

}  // namespace kferry::proxy
