#include "base/address_range.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace kferry {
namespace {

constexpr unsigned v4_bits = 32;
constexpr unsigned v6_bits = 128;

// The bits of ::ffff:0:0/96, the prefix of IPv4-mapped addresses.
constexpr unsigned mapped_bits = 96;

std::array<std::uint8_t, 16> bytes_of(const SocketAddress& address) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), address.bytes().data(), address.bytes().size());
  return bytes;
}

void clear_behind(std::array<std::uint8_t, 16>& bytes, unsigned prefix) {
  for (unsigned bit = prefix; bit < v6_bits; ++bit)
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
}

}  // namespace

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view literal = text.substr(0, slash);
  const auto address = SocketAddress::parse(literal, 0);
  if (!address) return std::nullopt;
  const bool mapped = address->is_v4() && literal.find(':') != std::string_view::npos;
  const unsigned written_bits = address->is_v4() && !mapped ? v4_bits : v6_bits;
  unsigned prefix = written_bits;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (error != std::errc() || end != digits.data() + digits.size() || prefix > written_bits)
      return std::nullopt;
  }
  if (mapped && prefix < mapped_bits) return std::nullopt;
  AddressRange range;
  range.v4_ = address->is_v4();
  range.prefix_ = static_cast<std::uint8_t>(mapped ? prefix - mapped_bits : prefix);
  range.bytes_ = bytes_of(*address);
  clear_behind(range.bytes_, range.prefix_);
  return range;
}

bool AddressRange::contains(const SocketAddress& address) const {
  if (address.empty() || address.is_v4() != v4_) return false;
  std::array<std::uint8_t, 16> bytes = bytes_of(address);
  clear_behind(bytes, prefix_);
  return bytes == bytes_;
}

std::string AddressRange::text() const {
  const auto bytes = std::as_bytes(std::span(bytes_)).first(v4_ ? 4 : 16);
  return SocketAddress::from_bytes(bytes, 0).host_text() + "/" + std::to_string(prefix_);
}

bool any_contains(std::span<const AddressRange> ranges, const SocketAddress& address) {
  return std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(address); });
}

}  // namespace kferry
