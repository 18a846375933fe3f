#include "frames.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/assert.h"
#include "kafka/api_keys.h"
#include "kafka/writer.h"

namespace kferry::bench {
namespace {

constexpr std::int16_t none = 0;  // error code
constexpr std::string_view topic = "orders";
const Frame topic_id(16, std::byte{0x42});
constexpr std::string_view cluster_id = "kferryBenchCluster0001";

struct ApiRange {
  std::int16_t key;
  std::int16_t min;
  std::int16_t max;
};
// Ranges of a Kafka 4.0 broker as far as the proxy's table reaches; unknown keys would be hidden, and the
// answer through a proxy would differ from the one sent.
constexpr auto api_ranges = std::to_array<ApiRange>({
    {0, 0, 12}, {1, 4, 17}, {2, 1, 10}, {3, 0, 13}, {8, 2, 9},  {9, 1, 9},  {10, 0, 6}, {11, 2, 9},
    {12, 0, 4}, {13, 0, 5}, {14, 0, 5}, {15, 0, 6}, {16, 0, 5}, {17, 0, 1}, {18, 0, 4}, {19, 2, 7},
    {20, 1, 6}, {21, 0, 2}, {22, 0, 5}, {23, 2, 4}, {24, 0, 5}, {25, 0, 4}, {26, 0, 5}, {27, 1, 1},
    {28, 0, 5}, {29, 1, 3}, {30, 1, 3}, {31, 1, 3}, {32, 1, 4}, {33, 0, 2}, {34, 1, 2}, {35, 1, 4},
    {36, 0, 2}, {37, 0, 3}, {38, 1, 3}, {39, 1, 2}, {40, 1, 2}, {41, 1, 3}, {42, 0, 2}, {43, 0, 2},
    {44, 0, 1}, {45, 0, 1}, {46, 0, 0}, {47, 0, 0}, {48, 0, 1}, {49, 0, 1}, {50, 0, 0}, {51, 0, 0},
    {55, 0, 2}, {57, 0, 2}, {60, 0, 2}, {61, 0, 0}, {65, 0, 0}, {66, 0, 1}, {68, 0, 1}, {69, 0, 1},
    {71, 0, 0}, {72, 0, 0}, {74, 0, 0}, {75, 0, 0},
});

kafka::Writer request(ApiKey key, ApiVersion version, bool flexible) {
  return kafka::begin_request(key, version, CorrelationId{0}, client_id, flexible);
}

kafka::Writer response(bool flexible, bool flexible_head) {
  kafka::Writer out(flexible);
  out.i32(0);
  if (flexible_head) out.tags();
  return out;
}

// Bytes that never repeat within a frame at a short period: a lost, doubled or moved byte cannot go unseen.
Frame pseudo_random(std::size_t size) {
  Frame bytes(size);
  std::uint64_t state = 0x9E3779B97F4A7C15;
  for (std::size_t i = 0; i < size; i += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    for (std::size_t j = i; j < std::min(size, i + 8); ++j)
      bytes[j] = static_cast<std::byte>(state >> (8 * (j - i)));
  }
  return bytes;
}

// Finds how many bytes of records make the whole frame `size` bytes long: the records' own varint length
// makes the rest depend on it.
template <typename Build>
Frame build_to_size(std::size_t size, Build build) {
  const Frame empty = build(0);
  KFERRY_ASSERT(size > empty.size() + 16);
  std::size_t records = size - empty.size();
  Frame frame = build(records);
  while (frame.size() > size) {
    records -= frame.size() - size;
    frame = build(records);
  }
  return frame;
}

}  // namespace

void set_correlation_id(Frame& frame, std::size_t offset, std::int32_t id) {
  for (std::size_t i = 0; i < 4; ++i) frame[offset + i] = static_cast<std::byte>(id >> (24 - 8 * i));
}

std::int16_t read_i16(std::span<const std::byte> bytes, std::size_t offset) {
  return static_cast<std::int16_t>(std::to_integer<int>(bytes[offset]) << 8 |
                                   std::to_integer<int>(bytes[offset + 1]));
}

std::int32_t read_i32(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[offset + i]);
  return static_cast<std::int32_t>(value);
}

Frame api_versions_request(std::int16_t version) {
  auto out = request(kafka::api_versions_key, version, version >= 3);
  if (version >= 3) out.str("kferry-bench").str(KFERRY_VERSION).tags();
  return out.frame();
}

Frame metadata_request() {
  auto out = request(kafka::metadata_key, 12, true);
  return out.null_array().i8(0).i8(0).tags().frame();
}

Frame fetch_request(std::int16_t version, std::size_t response_size, std::size_t partitions) {
  KFERRY_ASSERT(partitions >= 1 && partitions <= 100);
  auto out = request(kafka::fetch_key, version, true);
  out.i32(500).i32(1).i32(static_cast<std::int32_t>(response_size)).i8(0).i32(0).i32(-1);
  out.array(1).raw(topic_id).array(partitions);
  for (std::size_t i = 0; i < partitions; ++i)
    out.i32(static_cast<std::int32_t>(i)).i32(5).i64(123456789).i32(-1).i64(-1).i32(1 << 20).tags();
  out.tags().array(0).str("").tags();  // forgotten topics, rack
  return out.frame();
}

FetchAsked fetch_asked(std::span<const std::byte> body) {
  return {.response_size = static_cast<std::size_t>(read_i32(body, 8)),
          .partitions = std::to_integer<std::size_t>(body[fetch_asked_size - 1]) - 1};
}

Frame fetch_response(std::int16_t version, std::size_t size, std::size_t partitions) {
  KFERRY_ASSERT(version >= 15 && version <= 17 && partitions >= 1);
  const Frame bytes = pseudo_random(size);
  return build_to_size(size, [&](std::size_t records) {
    auto out = response(true, true);
    out.i32(0).i16(none).i32(0).array(1).raw(topic_id).array(partitions);
    std::size_t from = 0;
    for (std::size_t i = 0; i < partitions; ++i) {
      const std::size_t to = records * (i + 1) / partitions;
      out.i32(static_cast<std::int32_t>(i))
          .i16(none)
          .i64(123456789)
          .i64(123456789)
          .i64(0)
          .null_array()
          .i32(-1);
      out.bytes(std::span(bytes).subspan(from, to - from)).tags();
      from = to;
    }
    return out.tags().tags().frame();
  });
}

Frame produce_request(std::int16_t version, std::size_t size) {
  KFERRY_ASSERT(version >= 9 && version <= 12);
  const Frame bytes = pseudo_random(size);
  return build_to_size(size, [&](std::size_t records) {
    auto out = request(kafka::produce_key, version, true);
    out.null_str().i16(1).i32(30000).array(1).str(topic).array(1);
    out.i32(0).bytes(std::span(bytes).first(records)).tags().tags().tags();
    return out.frame();
  });
}

Frame produce_response(std::int16_t version) {
  KFERRY_ASSERT(version >= 9 && version <= 12);
  auto out = response(true, true);
  out.array(1).str(topic).array(1);
  out.i32(0).i16(none).i64(987654321).i64(-1).i64(0).array(0).null_str().tags().tags().i32(0).tags();
  return out.frame();
}

Frame offset_fetch_request() {
  auto out = request(kafka::offset_fetch_key, 7, true);
  out.str("billing-service").array(1).str(topic).array(10);
  for (std::int32_t partition = 0; partition < 10; ++partition) out.i32(partition);
  return out.tags().i8(1).tags().frame();
}

Frame offset_fetch_response() {
  auto out = response(true, true);
  out.i32(0).array(1).str(topic).array(3);
  for (std::int32_t partition = 0; partition < 3; ++partition)
    out.i32(partition).i64(123456789 + partition).i32(5).str("worker-07").i16(none).tags();
  return out.tags().i16(none).tags().frame();
}

Frame api_versions_response(std::int16_t version) {
  KFERRY_ASSERT(version >= 0 && version <= 4);
  auto out = response(version >= 3, false);
  out.i16(none).array(api_ranges.size());
  for (const auto& range : api_ranges) out.i16(range.key).i16(range.min).i16(range.max).tags();
  if (version >= 1) out.i32(0);
  return out.tags().frame();
}

std::string broker_host(std::int32_t id) {
  std::string host = "broker-" + std::to_string(id);
  host.append(std::string_view(".kafka.internal.example.com").substr(0, 30 - host.size()));
  return host;
}

Frame metadata_response(std::size_t brokers) {
  auto out = response(true, true);
  const auto count = static_cast<std::int32_t>(brokers);
  out.i32(0).array(brokers);
  for (std::int32_t id = 1; id <= count; ++id) {
    out.i32(id).str(broker_host(id)).i32(9092).str("rack-a").tags();
  }
  out.str(cluster_id).i32(1).array(1);
  out.i16(none).str(topic).raw(topic_id).i8(0).array(brokers);
  for (std::int32_t partition = 0; partition < count; ++partition) {
    out.i16(none).i32(partition).i32(1 + partition).i32(5);
    out.array(2).i32(1 + partition).i32(1 + (partition + 1) % count);
    out.array(2).i32(1 + partition).i32(1 + (partition + 1) % count).array(0).tags();
  }
  return out.i32(-2147483647 - 1).tags().tags().frame();
}

Frame metadata_response(std::int16_t version, std::int32_t node_id, std::string_view host,
                        std::int32_t port) {
  const bool flexible = version >= 9;
  auto out = response(flexible, flexible);
  if (version >= 3) out.i32(0);
  out.array(1).i32(node_id).str(host).i32(port);
  if (version >= 1) out.null_str();
  out.tags();
  if (version >= 2) out.str(cluster_id);
  if (version >= 1) out.i32(node_id);
  out.array(0);
  if (version >= 8 && version <= 10) out.i32(-2147483647 - 1);
  if (version >= 13) out.i16(none);
  return out.tags().frame();
}

Frame find_coordinator_response() {
  auto out = response(true, true);
  out.i32(0).array(1).str("billing-service").i32(2).str("broker-2.kafka.internal.example").i32(9092);
  return out.i16(none).null_str().tags().tags().frame();
}

}  // namespace kferry::bench
