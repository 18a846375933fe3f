// The numbers of the Kafka protocol, each with its own type, so that they cannot be mixed up.
#pragma once

#include <cstdint>
#include <functional>

namespace kferry {

// A broker's id in the cluster (`node.id`). Negative: no such node.
enum class NodeId : std::int32_t {};
// Repeated by the broker in its response. Not unique on a connection, so it is asserted and never used as a key.
enum class CorrelationId : std::int32_t {};
// An API key. kafka/api_keys.h names the known ones.
enum class ApiKey : std::int16_t {};
// The version of one API.
using ApiVersion = std::int16_t;

constexpr std::int32_t number(NodeId id) {
  return static_cast<std::int32_t>(id);
}
constexpr std::int32_t number(CorrelationId id) {
  return static_cast<std::int32_t>(id);
}
constexpr std::int16_t number(ApiKey key) {
  return static_cast<std::int16_t>(key);
}

}  // namespace kferry
