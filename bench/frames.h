// The Kafka frames of the benchmarks, laid out as a broker and a client write them (flexible versions, one
// topic). Deterministic: load's two sides build the same frame and compare every byte with it. Correlation id
// each holds 0; the sender patches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kafka/wire.h"

namespace kferry::bench {

using Frame = kafka::Bytes;  // whole, with its length in front

inline constexpr std::string_view client_id = "kferry-bench";
inline constexpr std::size_t request_correlation_offset = 8;   // length, key, version
inline constexpr std::size_t response_correlation_offset = 4;  // length

void set_correlation_id(Frame& frame, std::size_t offset, std::int32_t id);

// --- requests
Frame api_versions_request(std::int16_t version);  // 0-4
Frame metadata_request();                          // of everything; version 12
// Asks for a response of `response_size` bytes (its `max_bytes`): the fake broker answers with exactly what
// fetch_response() makes of it. Versions 15-17; at most 100 partitions.
Frame fetch_request(std::int16_t version, std::size_t response_size, std::size_t partitions);
// As large as `size` bytes, the length included. Versions 9-12, acks 1.
Frame produce_request(std::int16_t version, std::size_t size);
// About 100 bytes, as is its answer; opaque to a proxy. Version 7.
Frame offset_fetch_request();

// --- responses
Frame api_versions_response(std::int16_t version);  // 0-4, everything a Kafka 4 broker offers
// `brokers` brokers of 30-byte host names, ids from 1, and one topic of `brokers` partitions. Version 12.
Frame metadata_response(std::size_t brokers);
// Where metadata_response(n) says that this broker is, at port 9092.
std::string broker_host(std::int32_t id);
// What discovery asks: version 0-13, one broker, no topics.
Frame metadata_response(std::int16_t version, std::int32_t node_id, std::string_view host, std::int32_t port);
Frame find_coordinator_response();  // version 4, one key
Frame fetch_response(std::int16_t version, std::size_t size, std::size_t partitions);
Frame produce_response(std::int16_t version);  // 9-12
Frame offset_fetch_response();

// --- what the fake broker reads of a request
struct FetchAsked {
  std::size_t response_size = 0;
  std::size_t partitions = 0;
};
// `body` starts after the request header and holds at least fetch_asked_size bytes.
inline constexpr std::size_t fetch_asked_size = 4 + 4 + 4 + 1 + 4 + 4 + 1 + 16 + 1;
FetchAsked fetch_asked(std::span<const std::byte> body);

std::int16_t read_i16(std::span<const std::byte> bytes, std::size_t offset);
std::int32_t read_i32(std::span<const std::byte> bytes, std::size_t offset);

}  // namespace kferry::bench
