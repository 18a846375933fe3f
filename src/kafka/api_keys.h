// Kafka's API keys and their names. The code names a key; a number appears only in this list.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace kferry::kafka {

// Indexed by key. From kafka-clients 4.4.0 (ApiMessageType), including the keys that only older brokers use.
inline constexpr auto api_names = std::to_array<std::string_view>({
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "LeaderAndIsr",
    "StopReplica",
    "UpdateMetadata",
    "ControlledShutdown",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "SaslHandshake",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "WriteTxnMarkers",
    "TxnOffsetCommit",
    "DescribeAcls",
    "CreateAcls",
    "DeleteAcls",
    "DescribeConfigs",
    "AlterConfigs",
    "AlterReplicaLogDirs",
    "DescribeLogDirs",
    "SaslAuthenticate",
    "CreatePartitions",
    "CreateDelegationToken",
    "RenewDelegationToken",
    "ExpireDelegationToken",
    "DescribeDelegationToken",
    "DeleteGroups",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "AlterPartitionReassignments",
    "ListPartitionReassignments",
    "OffsetDelete",
    "DescribeClientQuotas",
    "AlterClientQuotas",
    "DescribeUserScramCredentials",
    "AlterUserScramCredentials",
    "Vote",
    "BeginQuorumEpoch",
    "EndQuorumEpoch",
    "DescribeQuorum",
    "AlterPartition",
    "UpdateFeatures",
    "Envelope",
    "FetchSnapshot",
    "DescribeCluster",
    "DescribeProducers",
    "BrokerRegistration",
    "BrokerHeartbeat",
    "UnregisterBroker",
    "DescribeTransactions",
    "ListTransactions",
    "AllocateProducerIds",
    "ConsumerGroupHeartbeat",
    "ConsumerGroupDescribe",
    "ControllerRegistration",
    "GetTelemetrySubscriptions",
    "PushTelemetry",
    "AssignReplicasToDirs",
    "ListConfigResources",
    "DescribeTopicPartitions",
    "ShareGroupHeartbeat",
    "ShareGroupDescribe",
    "ShareFetch",
    "ShareAcknowledge",
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
    "DescribeShareGroupOffsets",
    "AlterShareGroupOffsets",
    "DeleteShareGroupOffsets",
    "StreamsGroupTopologyDescriptionUpdate",
    "UnregisterController",
});

// The last key of the list. A key between it and first_vendor_api_key is unknown to this build and may carry
// broker addresses, so clients do not see it.
inline constexpr auto newest_api_key = static_cast<std::int16_t>(api_names.size() - 1);
// Vendors number their own APIs from here; those pass.
inline constexpr std::int16_t first_vendor_api_key = 10'000;

// The key of a name in the list. A name that is missing from the list does not compile.
consteval ApiKey key_of(std::string_view name) {
  std::size_t key = 0;
  while (api_names[key] != name) ++key;
  return ApiKey{static_cast<std::int16_t>(key)};
}

inline constexpr ApiKey produce_key = key_of("Produce");
inline constexpr ApiKey fetch_key = key_of("Fetch");
inline constexpr ApiKey metadata_key = key_of("Metadata");
inline constexpr ApiKey controlled_shutdown_key = key_of("ControlledShutdown");
inline constexpr ApiKey offset_fetch_key = key_of("OffsetFetch");
inline constexpr ApiKey find_coordinator_key = key_of("FindCoordinator");
inline constexpr ApiKey join_group_key = key_of("JoinGroup");
inline constexpr ApiKey sync_group_key = key_of("SyncGroup");
inline constexpr ApiKey sasl_handshake_key = key_of("SaslHandshake");
inline constexpr ApiKey api_versions_key = key_of("ApiVersions");
inline constexpr ApiKey init_producer_id_key = key_of("InitProducerId");
inline constexpr ApiKey sasl_authenticate_key = key_of("SaslAuthenticate");
inline constexpr ApiKey vote_key = key_of("Vote");
inline constexpr ApiKey begin_quorum_epoch_key = key_of("BeginQuorumEpoch");
inline constexpr ApiKey end_quorum_epoch_key = key_of("EndQuorumEpoch");
inline constexpr ApiKey describe_quorum_key = key_of("DescribeQuorum");
inline constexpr ApiKey envelope_key = key_of("Envelope");
inline constexpr ApiKey fetch_snapshot_key = key_of("FetchSnapshot");
inline constexpr ApiKey describe_cluster_key = key_of("DescribeCluster");
inline constexpr ApiKey get_telemetry_subscriptions_key = key_of("GetTelemetrySubscriptions");
inline constexpr ApiKey push_telemetry_key = key_of("PushTelemetry");
inline constexpr ApiKey describe_topic_partitions_key = key_of("DescribeTopicPartitions");
inline constexpr ApiKey share_fetch_key = key_of("ShareFetch");
inline constexpr ApiKey share_acknowledge_key = key_of("ShareAcknowledge");
inline constexpr ApiKey update_raft_voter_key = key_of("UpdateRaftVoter");

// Such as "Metadata"; "unknown API" or "vendor API" for a key that is not in the list.
constexpr std::string_view api_name(ApiKey key) {
  const std::int16_t index = number(key);
  if (index >= 0 && index <= newest_api_key) return api_names[static_cast<std::size_t>(index)];
  return index >= first_vendor_api_key ? "vendor API" : "unknown API";
}

}  // namespace kferry::kafka
