// The rows of responses that name the leaders of partitions, which kferry reads only while some broker is left out:
// what follows the cluster id in Metadata, and DescribeTopicPartitions. A part of the table in api_table.cc.
#pragma once

#include <array>

#include "kafka/schema.h"

namespace kferry::kafka::leader_rows {

using enum Wire;

inline constexpr std::array metadata_partition_fields{
    Field{"error_code", i16},
    Field{"partition_index", i32},
    Field{"leader_id", i32, always, Role::leader},
    Field{"leader_epoch", i32, since(7)},
    Field{"replica_nodes", i32_list},
    Field{"isr_nodes", i32_list},
    Field{"offline_replicas", i32_list, since(5)},
};
inline constexpr std::array metadata_topic_fields{
    Field{"error_code", i16},
    Field{"name", nullable_str},  // null since version 12, where the id was not found
    Field{"topic_id", uuid, since(10)},
    Field{"is_internal", i8, since(1)},
    Field{"partitions", array, always, Role::none, metadata_partition_fields},
    Field{"topic_authorized_operations", i32, since(8)},
};
inline constexpr std::array metadata_fields{
    Field{"controller_id", i32, since(1), Role::controller},
    Field{"topics", array, always, Role::none, metadata_topic_fields},
};
inline constexpr Field metadata{"response", structure, always, Role::none, metadata_fields};

// DescribeTopicPartitions has leaders without addresses (KIP-966).
inline constexpr std::array described_partition_fields{
    Field{"error_code", i16},
    Field{"partition_index", i32},
    Field{"leader_id", i32, always, Role::leader},
    Field{"leader_epoch", i32},
    Field{"replica_nodes", i32_list},
    Field{"isr_nodes", i32_list},
    Field{"eligible_leader_replicas", i32_list},
    Field{"last_known_elr", i32_list},
    Field{"offline_replicas", i32_list},
};
inline constexpr std::array described_topic_fields{
    Field{"error_code", i16},
    Field{"name", nullable_str},
    Field{"topic_id", uuid},
    Field{"is_internal", i8},
    Field{"partitions", array, always, Role::none, described_partition_fields},
    Field{"topic_authorized_operations", i32},
};
inline constexpr std::array described_fields{
    Field{"header", structure},
    Field{"throttle_time_ms", i32},
    Field{"topics", array, always, Role::none, described_topic_fields},
};
inline constexpr Field described{"response", structure, always, Role::none, described_fields};

}  // namespace kferry::kafka::leader_rows
