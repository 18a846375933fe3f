#include "kafka/api_table.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/limits.h"
#include "kafka/leader_rows.h"
#include "kafka/own_answer.h"
#include "kafka/treatments.h"

namespace kferry::kafka {
namespace {

using enum Wire;

// ---- headers: what follows the correlation id. A flexible response header is only a tag section.

// How many bytes of a field an observer may capture. The largest are OAUTHBEARER tokens with many claims.
constexpr std::uint16_t client_id_max = 256;
constexpr std::uint16_t software_max = 64;
constexpr std::uint16_t mechanism_max = 64;
constexpr std::uint16_t sasl_bytes_max = 16 * KiB;
constexpr bool secret = true;

constexpr Field client_id =
    Field{"client_id", classic_nullable_str, always, Role::client_id}.capture(client_id_max);
constexpr std::array client_id_alone{client_id};
constexpr Field request_header{"header", structure, always, Role::none, client_id_alone};
constexpr Field response_header{"header", structure};

// ---- a broker and where it listens

constexpr std::array node_fields{
    Field{"node_id", i32, always, Role::node_id},
    Field{"host", str, always, Role::host},
    Field{"port", i32, always, Role::port},
    Field{"rack", nullable_str},
};

// ---- Produce

constexpr std::array produce_request{
    request_header,
    Field{"transactional_id", nullable_str, since(3)},
    Field{"acks", i16, always, Role::acks},
};

constexpr std::array record_error_fields{
    Field{"batch_index", i32},
    Field{"batch_index_error_message", nullable_str},
};
constexpr std::array produce_partition_fields{
    Field{"index", i32},
    Field{"error_code", i16},
    Field{"base_offset", i64},
    Field{"log_append_time_ms", i64},
    Field{"log_start_offset", i64},
    Field{"record_errors", array, always, Role::none, record_error_fields},
    Field{"error_message", nullable_str},
};
constexpr std::array produce_topic_fields{
    Field{"name", str, between(10, 12)},
    Field{"topic_id", uuid, since(13)},  // KIP-516
    Field{"partition_responses", array, always, Role::none, produce_partition_fields},
};
constexpr std::array produce_response{
    response_header, Field{"responses", array, always, Role::none, produce_topic_fields},
    Field{"throttle_time_ms", i32},
    Field{"node_endpoints", array, since(10), Role::nodes, node_fields, 0},  // KIP-951
};

// ---- Fetch

constexpr std::array aborted_transaction_fields{
    Field{"producer_id", i64},
    Field{"first_offset", i64},
};
constexpr std::array fetch_partition_fields{
    Field{"partition_index", i32},
    Field{"error_code", i16},
    Field{"high_watermark", i64},
    Field{"last_stable_offset", i64},
    Field{"log_start_offset", i64},
    Field{"aborted_transactions", nullable_array, always, Role::none, aborted_transaction_fields},
    Field{"preferred_read_replica", i32},
    Field{"records", nullable_bytes},
};
constexpr std::array fetch_topic_fields{
    Field{"topic_id", uuid},
    Field{"partitions", array, always, Role::none, fetch_partition_fields},
};
constexpr std::array fetch_response{
    response_header,
    Field{"throttle_time_ms", i32},
    Field{"error_code", i16},
    Field{"session_id", i32},
    Field{"responses", array, always, Role::none, fetch_topic_fields},
    Field{"node_endpoints", array, since(16), Role::nodes, node_fields, 0},  // KIP-951
};

// ---- Metadata

constexpr std::array metadata_broker_fields{
    Field{"node_id", i32, always, Role::node_id},
    Field{"host", str, always, Role::host},
    Field{"port", i32, always, Role::port},
    Field{"rack", nullable_str, since(1)},
};
constexpr std::array metadata_response{
    response_header,
    Field{"throttle_time_ms", i32, since(3)},
    Field{"brokers", array, always, Role::brokers, metadata_broker_fields},
    Field{"cluster_id", nullable_str, since(2), Role::cluster_id},
};

// ---- FindCoordinator

constexpr std::array coordinator_fields{
    Field{"key", str},
    Field{"node_id", i32, always, Role::node_id},
    Field{"host", str, always, Role::host},
    Field{"port", i32, always, Role::port},
    Field{"error_code", i16, always, Role::error_code},
    Field{"error_message", nullable_str},
};
constexpr std::array find_coordinator_response{
    response_header,
    Field{"throttle_time_ms", i32, since(1)},
    Field{"error_code", i16, between(0, 3), Role::error_code},
    Field{"error_message", nullable_str, between(1, 3)},
    Field{"node_id", i32, between(0, 3), Role::node_id},
    Field{"host", str, between(0, 3), Role::host},
    Field{"port", i32, between(0, 3), Role::port},
    Field{"coordinators", array, since(4), Role::coordinators, coordinator_fields},
};

// ---- SaslHandshake: never flexible; the answer to version 0 decides whether raw tokens follow

constexpr std::array sasl_handshake_request{
    request_header,
    Field{"mechanism", str, always, Role::mechanism}.capture(mechanism_max),
};
constexpr std::array sasl_handshake_response{Field{"error_code", i16, always, Role::error_code}};

// ---- SaslAuthenticate; after SaslHandshake 0 the token is the whole frame

constexpr Field sasl_bytes =
    Field{"auth_bytes", nullable_bytes, always, Role::sasl_bytes}.capture(sasl_bytes_max, secret);
constexpr std::array sasl_authenticate_request{request_header, sasl_bytes};
constexpr std::array sasl_authenticate_response{response_header,
                                                Field{"error_code", i16, always, Role::error_code}};

// ---- ApiVersions: the response's header never has a tag section

constexpr std::array api_versions_request{
    request_header,
    Field{"client_software_name", str, since(3), Role::software_name}.capture(software_max),
    Field{"client_software_version", str, since(3), Role::software_version}.capture(software_max),
    Field{"cluster_id", nullable_str, since(5), Role::asked_cluster},  // KIP-1242
    Field{"node_id", i32, since(5), Role::asked_node},
};
constexpr std::array api_range_fields{
    Field{"api_key", i16, always, Role::api_key},
    Field{"min_version", i16, always, Role::min_version},
    Field{"max_version", i16, always, Role::max_version},
};
constexpr std::array api_versions_response{
    Field{"error_code", i16, always, Role::version_error},
    Field{"api_keys", array, always, Role::api_ranges, api_range_fields},
};

// ---- DescribeQuorum: the listeners are those of controllers

constexpr std::array replica_fields{
    Field{"replica_id", i32},
    Field{"replica_directory_id", uuid, since(2)},
    Field{"log_end_offset", i64},
    Field{"last_fetch_timestamp", i64, since(1)},
    Field{"last_caught_up_timestamp", i64, since(1)},
};
constexpr std::array quorum_partition_fields{
    Field{"partition_index", i32},
    Field{"error_code", i16},
    Field{"error_message", nullable_str, since(2)},
    Field{"leader_id", i32},
    Field{"leader_epoch", i32},
    Field{"high_watermark", i64},
    Field{"current_voters", array, always, Role::none, replica_fields},
    Field{"observers", array, always, Role::none, replica_fields},
};
constexpr std::array quorum_topic_fields{
    Field{"topic_name", str},
    Field{"partitions", array, always, Role::none, quorum_partition_fields},
};
constexpr std::array listener_fields{
    Field{"name", str}, Field{"host", str}, Field{"port", i16},  // unsigned
};
constexpr std::array quorum_node_fields{
    Field{"node_id", i32},
    Field{"listeners", array, always, Role::blanked, listener_fields},
};
constexpr std::array describe_quorum_response{
    response_header,
    Field{"error_code", i16},
    Field{"error_message", nullable_str, since(2)},
    Field{"topics", array, always, Role::none, quorum_topic_fields},
    Field{"nodes", array, since(2), Role::none, quorum_node_fields},
};

// ---- DescribeCluster

constexpr std::array cluster_broker_fields{
    Field{"broker_id", i32, always, Role::node_id},
    Field{"host", str, always, Role::host},
    Field{"port", i32, always, Role::port},
    Field{"rack", nullable_str},
    Field{"is_fenced", i8, since(2)},
};
constexpr std::array describe_cluster_response{
    response_header,
    Field{"throttle_time_ms", i32},
    Field{"error_code", i16, always, Role::error_code},
    Field{"error_message", nullable_str},
    Field{"endpoint_type", i8, since(1), Role::endpoint_type},
    Field{"cluster_id", str, always, Role::cluster_id},
    Field{"controller_id", i32, always, Role::controller},
    Field{"brokers", array, always, Role::brokers, cluster_broker_fields},
};

// ---- ShareFetch and ShareAcknowledge: their node endpoints are not tagged

constexpr std::array leader_fields{
    Field{"leader_id", i32},
    Field{"leader_epoch", i32},
};
constexpr std::array acquired_fields{
    Field{"first_offset", i64},
    Field{"last_offset", i64},
    Field{"delivery_count", i16},
};
constexpr std::array share_fetch_partition_fields{
    Field{"partition_index", i32},
    Field{"error_code", i16},
    Field{"error_message", nullable_str},
    Field{"acknowledge_error_code", i16},
    Field{"acknowledge_error_message", nullable_str},
    Field{"current_leader", structure, always, Role::none, leader_fields},
    Field{"records", nullable_bytes},
    Field{"acquired_records", array, always, Role::none, acquired_fields},
};
constexpr std::array share_fetch_topic_fields{
    Field{"topic_id", uuid},
    Field{"partitions", array, always, Role::none, share_fetch_partition_fields},
};
constexpr std::array share_fetch_response{
    response_header,
    Field{"throttle_time_ms", i32},
    Field{"error_code", i16},
    Field{"error_message", nullable_str},
    Field{"acquisition_lock_timeout_ms", i32},
    Field{"responses", array, always, Role::none, share_fetch_topic_fields},
    Field{"node_endpoints", array, always, Role::nodes, node_fields},
};

constexpr std::array share_acknowledge_partition_fields{
    Field{"partition_index", i32},
    Field{"error_code", i16},
    Field{"error_message", nullable_str},
    Field{"current_leader", structure, always, Role::none, leader_fields},
};
constexpr std::array share_acknowledge_topic_fields{
    Field{"topic_id", uuid},
    Field{"partitions", array, always, Role::none, share_acknowledge_partition_fields},
};
constexpr std::array share_acknowledge_response{
    response_header,
    Field{"throttle_time_ms", i32},
    Field{"error_code", i16},
    Field{"error_message", nullable_str},
    Field{"acquisition_lock_timeout_ms", i32, since(2)},
    Field{"responses", array, always, Role::none, share_acknowledge_topic_fields},
    Field{"node_endpoints", array, always, Role::nodes, node_fields},
};

// ---- ControlledShutdown: the only request with header version 0, in its version 0: it has no client id

constexpr std::array controlled_shutdown_request{
    Field{"client_id", classic_nullable_str, since(1), Role::client_id}.capture(client_id_max),
};

// ---- the table

constexpr bool clamped = true;
constexpr bool any_version = false;

constexpr Field request(std::span<const Field> fields) {
  return {"request", structure, always, Role::none, fields};
}
constexpr Field response(std::span<const Field> fields) {
  return {"response", structure, always, Role::none, fields};
}
constexpr Field plain = request(client_id_alone);

constexpr std::array table{
    // key, versions, flexible, walked responses, shape, treatment, request, response, refusal,
    // read for, leaders
    Api{produce_key, between(0, 13), clamped, since(9), since(10), Shape::tail_without_records,
        map_node_endpoints, request(produce_request), response(produce_response)},
    Api{fetch_key, between(0, 18), clamped, since(12), since(16), Shape::tail, map_node_endpoints, plain,
        response(fetch_response)},
    Api{metadata_key, between(0, 13), clamped, since(9), always, Shape::head, map_brokers, plain,
        response(metadata_response), nullptr, Role::none, &leader_rows::metadata},
    Api{controlled_shutdown_key, always, any_version, since(3), never, Shape::head, nullptr,
        request(controlled_shutdown_request), response({})},
    Api{find_coordinator_key, between(0, 6), clamped, since(3), always, Shape::head, map_coordinators, plain,
        response(find_coordinator_response)},
    Api{sasl_handshake_key, always, any_version, never, between(0, 1), Shape::head, note_sasl_handshake,
        request(sasl_handshake_request), response(sasl_handshake_response)},
    Api{sasl_authenticate_key, between(0, 2), any_version, since(2), between(0, 2), Shape::head,
        note_sasl_answer, request(sasl_authenticate_request), response(sasl_authenticate_response), nullptr,
        Role::sasl_bytes},
    Api{api_versions_key, between(0, 5), clamped, since(3), always, Shape::head, limit_api_ranges,
        request(api_versions_request), response(api_versions_response), &unsupported_api_versions},
    Api{describe_quorum_key, between(0, 2), clamped, always, since(2), Shape::head, blank_listeners, plain,
        response(describe_quorum_response)},
    Api{describe_cluster_key, between(0, 2), clamped, always, always, Shape::head, map_described_cluster,
        plain, response(describe_cluster_response)},
    Api{describe_topic_partitions_key, always, any_version, always, between(0, 0), Shape::leaders, nullptr,
        plain, leader_rows::described},
    Api{share_fetch_key, between(1, 2), clamped, always, always, Shape::tail, map_node_endpoints, plain,
        response(share_fetch_response)},
    Api{share_acknowledge_key, between(1, 2), clamped, always, always, Shape::tail, map_node_endpoints, plain,
        response(share_acknowledge_response)},
};

constexpr std::uint8_t no_row = 255;
constexpr std::uint8_t controllers_row = 254;
constexpr std::array controllers_keys{vote_key,     begin_quorum_epoch_key, end_quorum_epoch_key,
                                      envelope_key, fetch_snapshot_key,     update_raft_voter_key};

constexpr auto rows_by_key = [] {
  std::array<std::uint8_t, newest_api_key + 1> rows{};
  rows.fill(no_row);
  for (std::size_t i = 0; i < table.size(); ++i)
    rows[static_cast<std::size_t>(number(table[i].key))] = static_cast<std::uint8_t>(i);
  for (const ApiKey key : controllers_keys) rows[static_cast<std::size_t>(number(key))] = controllers_row;
  return rows;
}();

std::uint8_t row_of(ApiKey key) {
  const std::int16_t index = number(key);
  return index >= 0 && index <= newest_api_key ? rows_by_key[static_cast<std::size_t>(index)] : no_row;
}

}  // namespace

const Api* find_api(ApiKey key) {
  const std::uint8_t row = row_of(key);
  return row < table.size() ? &table[row] : nullptr;
}

bool used_by_controllers_only(ApiKey key) {
  return row_of(key) == controllers_row;
}

bool hidden(ApiKey key, std::span<const std::int16_t> pass_api_keys) {
  const std::int16_t index = number(key);
  const bool known = (index >= 0 && index <= newest_api_key) || index >= first_vendor_api_key;
  if (known && !used_by_controllers_only(key)) return false;
  return std::find(pass_api_keys.begin(), pass_api_keys.end(), index) == pass_api_keys.end();
}

const Field& plain_request() {
  return plain;
}

const Field& client_id_field() {
  return client_id;
}

const Field& raw_token_field() {
  return sasl_bytes;
}

}  // namespace kferry::kafka
