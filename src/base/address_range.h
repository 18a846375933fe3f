// A range of IPv4 or IPv6 addresses, as CIDR writes it (RFC 4632, RFC 4291): 10.0.0.0/8, 2001:db8::/32, 192.0.2.7. A
// range of IPv4-mapped IPv6 addresses (::ffff:10.0.0.0/104) is the range of the IPv4 addresses in it. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/socket_address.h"

namespace kferry {

class AddressRange {
 public:
  // An address alone is the range of this one address. Bits behind the prefix are cleared. nullopt: not a range.
  static std::optional<AddressRange> parse(std::string_view text);

  // False for an empty address. The port does not matter.
  bool contains(const SocketAddress& address) const;
  // As CIDR, with the bits behind the prefix cleared.
  std::string text() const;

  friend bool operator==(const AddressRange&, const AddressRange&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // network order; of IPv4, the first four
  bool v4_ = true;
  std::uint8_t prefix_ = 0;  // bits
};

// True if one of them contains it.
bool any_contains(std::span<const AddressRange> ranges, const SocketAddress& address);

}  // namespace kferry
