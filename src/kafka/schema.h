// How a message is described: one row per field, with the versions that have it and what it means to kferry.
// Compactness and tag sections follow from the API's row: in its flexible versions strings and counts
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
  classic_nullable_str,  // classic even in flexible versions: the client id
  nullable_bytes,
  array,
  nullable_array,
  structure,
};

// Octets of a type of fixed size; 0 for the others.
constexpr std::uint8_t fixed_size(Wire wire) {
  constexpr std::array<std::uint8_t, 13> sizes{1, 2, 4, 8, 16, 0, 0, 0, 0, 0, 0, 0, 0};
  return sizes[static_cast<std::size_t>(wire)];
}

constexpr bool is_array(Wire wire) {
  return wire == Wire::array || wire == Wire::nullable_array;
}

constexpr bool is_nullable(Wire wire) {
  return wire == Wire::nullable_str || wire == Wire::classic_nullable_str || wire == Wire::nullable_bytes ||
         wire == Wire::nullable_array;
}

// Of a length in classic form: strings have two octets, the rest four.
constexpr std::uint32_t classic_length_size(Wire wire) {
  return is_array(wire) || wire == Wire::nullable_bytes ? 4 : 2;
}

// What kferry does with a field. A walker reports the fields that have one and skips the others.
enum class Role : std::uint8_t {
  none,
  error_code,
  version_error,  // an error code; 35 says that what follows it is of version 0 (KIP-511)
  cluster_id,
  endpoint_type,
  brokers,       // array; an element that cannot be mapped is left out
  coordinators,  // array; an element that cannot be mapped becomes an error
  nodes,         // array at the end of a response that streams: NodeEndpoints
  blanked,       // array that is written empty
  node_id,
  host,
  port,
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
  // Octets that are skipped unseen; 0 where there is something to look at.
  std::uint8_t skipped = role == Role::none ? fixed_size(wire) : std::uint8_t{0};
  bool secret = false;             // see capture()
  std::uint16_t captured_max = 0;  // bytes; 0: the field cannot be captured

  // The same field, of which an observer may have the first `bytes_max` bytes (observer.h). For texts and bytes among
  // the request's own fields. A `secret` one is zeroed wherever the walker has copied it.
  constexpr Field capture(std::uint16_t bytes_max, bool is_secret = false) const {
    Field field = *this;
    field.captured_max = bytes_max;
    field.secret = is_secret;
    return field;
  }
};

// Where the described fields of a response are, which decides how much of it is kept until it can be rewritten.
enum class Shape : std::uint8_t {
  head,  // near the front: kept up to the last described field, the rest flows
  tail,  // at the very end: held whole up to Policy::exact_rewrite_size_max; a larger one flows, up to its end
  tail_without_records,  // the same, but held whole up to Policy::held_size_max
};

struct OwnAnswer;
struct WalkedResponse;
enum class Treated : std::uint8_t;
// What becomes of a response once its described fields have been walked: treatments.h.
using Treatment = Treated (*)(WalkedResponse&);

struct Api {
  ApiKey key;
  // What kferry forwards where `clamped`: ApiVersions offers no more, and a request of another version is refused.
  Versions versions;
  bool clamped;  // false: any version passes
  Versions flexible;
  Versions walked;  // responses of these versions are walked, others are opaque
  Shape shape;
  Treatment treatment;  // of the responses that are walked; nullptr: there are none
  // Structures: what follows the correlation id, as far as kferry reads.
  Field request;
  Field response;
  // kferry's answer to a request of another version than `versions`; nullptr: it ends the connection.
  const OwnAnswer* refusal = nullptr;
  // The request's fields beyond the client id are read only where this role is captured, and only of `versions`;
  // none: always.
  Role read_for = Role::none;
};

}  // namespace kferry::kafka
