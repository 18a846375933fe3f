// Describes messages: one row per field, with the versions that have the field and what it means to kferry.
// Compact encodings and tag sections follow from the API's row: in its flexible versions strings and counts
// are compact, and every structure ends in a tag section.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>

#include "base/ids.h"

namespace kferry::kafka {

enum class Wire : std::uint8_t {
  i8,
  i16,
  i32,
  i64,
  uuid,
  str,
  nullable_str,
  classic_nullable_str,  // classic even in flexible versions, as the client id is
  nullable_bytes,
  array,
  nullable_array,
  i32_list,  // an array of numbers, always skipped: its elements have no tag section; null is taken for empty
  structure,
};

// In bytes; 0 for a type without a fixed size.
constexpr std::uint8_t fixed_size(Wire wire) {
  constexpr std::array<std::uint8_t, 14> sizes{1, 2, 4, 8, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  return sizes[static_cast<std::size_t>(wire)];
}

constexpr bool is_array(Wire wire) {
  return wire == Wire::array || wire == Wire::nullable_array || wire == Wire::i32_list;
}

constexpr bool is_nullable(Wire wire) {
  return wire == Wire::nullable_str || wire == Wire::classic_nullable_str || wire == Wire::nullable_bytes ||
         wire == Wire::nullable_array || wire == Wire::i32_list;
}

// In bytes, of the length or count in the classic encoding.
constexpr std::uint32_t classic_length_size(Wire wire) {
  return is_array(wire) || wire == Wire::nullable_bytes ? 4 : 2;
}

// What a field means to kferry. A walker reports fields with a role and skips the others.
enum class Role : std::uint8_t {
  none,
  error_code,
  version_error,  // an error code; after 35 the rest of the message is of version 0 (KIP-511)
  cluster_id,
  endpoint_type,
  brokers,       // array; an element that cannot be mapped is left out
  coordinators,  // array; an element that cannot be mapped becomes an error
  nodes,         // array at the end of a response that streams: NodeEndpoints
  blanked,       // array that is written empty
  node_id,
  host,
  port,
  controller,  // the id becomes -1 where its broker is left out
  leader,      // the same, and the partition's error code, an i16 and an i32 before it, becomes 5
  api_ranges,  // array
  api_key,
  min_version,
  max_version,
  // in requests
  client_id,
  acks,
  mechanism,
  software_name,
  software_version,
  asked_cluster,
  asked_node,
  sasl_bytes,
  count_
};

// A set of roles.
class Roles {
 public:
  constexpr Roles(std::initializer_list<Role> roles = {}) {
    for (const Role role : roles) bits_ |= bit(role);
  }
  constexpr bool has(Role role) const { return (bits_ & bit(role)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static_assert(static_cast<unsigned>(Role::count_) <= 32);
  static constexpr std::uint32_t bit(Role role) { return std::uint32_t{1} << static_cast<unsigned>(role); }

  std::uint32_t bits_ = 0;
};

struct Versions {
  ApiVersion from = 0;
  ApiVersion to = std::numeric_limits<ApiVersion>::max();  // from <= to
  constexpr bool has(ApiVersion version) const {
    return static_cast<unsigned>(version - from) <= static_cast<unsigned>(to - from);
  }
};
inline constexpr Versions always{};
inline constexpr Versions never{std::numeric_limits<ApiVersion>::max(),
                                std::numeric_limits<ApiVersion>::max()};
constexpr Versions since(ApiVersion version) {
  return {version, std::numeric_limits<ApiVersion>::max()};
}
constexpr Versions between(ApiVersion from, ApiVersion to) {
  return {from, to};
}

inline constexpr std::int32_t untagged = -1;

struct Field {
  std::string_view name;
  Wire wire;
  Versions versions = always;
  Role role = Role::none;
  std::span<const Field> fields = {};  // of a structure or of an array's elements
  std::int32_t tag = untagged;         // in the message's own tag section; arrays only
  // The size of a field that is skipped unread; 0 if a walker must look at it.
  std::uint8_t skipped = role == Role::none ? fixed_size(wire) : std::uint8_t{0};
  bool secret = false;             // see capture()
  std::uint16_t captured_max = 0;  // bytes; 0: the field cannot be captured

  // The same field, but an observer may capture its first `bytes_max` bytes (observer.h). For texts and bytes
  // at the top level of a request. The walker zeroes its copies of a secret.
  constexpr Field capture(std::uint16_t bytes_max, bool is_secret = false) const {
    Field field = *this;
    field.captured_max = bytes_max;
    field.secret = is_secret;
    return field;
  }
};

// Where a response has its described fields. That decides how much of it is kept until it can be rewritten.
enum class Shape : std::uint8_t {
  head,  // near the front: kept up to the last described field, the rest flows
  tail,  // at the end: held whole up to Policy::exact_rewrite_size_max; a larger one flows up to its tail
  tail_without_records,  // the same, but held whole up to Policy::held_size_max
  leaders,  // anywhere, ids of leaders alone: changed in place as they flow, and only while some broker is left out
};

struct OwnAnswer;
struct WalkedResponse;
enum class Treated : std::uint8_t;
// Turns a response whose described fields have been walked into what the client gets (treatments.h).
using Treatment = Treated (*)(WalkedResponse&);

struct Api {
  ApiKey key;
  // The versions that kferry forwards if `clamped`: ApiVersions offers only these, and others are refused.
  Versions versions;
  bool clamped;  // false: any version passes
  Versions flexible;
  Versions walked;  // the responses of these versions are walked, others are opaque
  Shape shape;
  Treatment treatment;  // of walked responses; nullptr: no version is walked
  // Structures: what follows the correlation id, as far as kferry reads it.
  Field request;
  Field response;
  // kferry's answer to a version outside `versions`; nullptr: such a request ends the connection.
  const OwnAnswer* refusal = nullptr;
  // If set, the request's fields beyond the client id are read only while an observer captures this role, and
  // only in `versions`.
  Role read_for = Role::none;
  // What follows `response` and names the leaders: walked, by Shape::leaders, only where a broker was left out.
  const Field* leaders = nullptr;
};

}  // namespace kferry::kafka
