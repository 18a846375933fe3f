#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

namespace kferry::net {
namespace {

using State = ProxyRead::State;

constexpr std::string_view v1_prefix = "PROXY ";
constexpr std::size_t v1_size_max = 107;
constexpr std::string_view v2_signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t v2_fixed_size = 16;

constexpr std::size_t authority_size_max = 255;
constexpr std::size_t aws_id_size_max = 64;

// TLV types, section 2.2.
constexpr unsigned type_authority = 0x02;
constexpr unsigned type_crc32c = 0x03;
// Of clouds: their documentation of private endpoints.
constexpr unsigned type_gcp = 0xE0;
constexpr unsigned type_aws = 0xEA;
constexpr unsigned type_azure = 0xEE;
constexpr unsigned subtype_aws_vpce = 0x01;
constexpr unsigned subtype_azure_link = 0x01;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

unsigned at(std::span<const std::byte> bytes, std::size_t index) {
  return std::to_integer<unsigned>(bytes[index]);
}

std::size_t u16(std::span<const std::byte> bytes, std::size_t index) {
  return at(bytes, index) << 8U | at(bytes, index + 1);
}

ProxyRead malformed(std::string_view fault) {
  return {State::malformed, 0, fault};
}

// The bytes are the beginning of `prefix`, or it is theirs.
bool may_begin(std::string_view bytes, std::string_view prefix) {
  const std::size_t size = std::min(bytes.size(), prefix.size());
  return bytes.substr(0, size) == prefix.substr(0, size);
}

// --- version 1

std::optional<std::uint16_t> port_of(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  const bool plain = digits.size() == 1 || (!digits.empty() && digits.front() != '0');
  return whole && plain ? std::optional(port) : std::nullopt;
}

// The literal is of this family as written, so that an IPv4-mapped address is one of IPv6.
std::optional<SocketAddress> address_of(std::string_view literal, bool v6, std::uint16_t port) {
  if ((literal.find(':') != std::string_view::npos) != v6) return std::nullopt;
  return SocketAddress::parse(literal, port);
}

ProxyRead read_v1(std::string_view bytes, ProxyHeader& into) {
  const std::string_view line = bytes.substr(0, std::min(bytes.size(), v1_size_max));
  const std::size_t end = line.find('\r');
  if (end == std::string_view::npos) {
    if (bytes.size() >= v1_size_max) return malformed("no line end within 107 bytes");
    return {};
  }
  if (end + 1 == line.size())
    return bytes.size() >= v1_size_max ? malformed("no line end within 107 bytes") : ProxyRead{};
  if (line[end + 1] != '\n') return malformed("a carriage return without a line feed");
  into = {};
  into.version = 1;
  const ProxyRead complete{State::complete, end + 2, {}};
  const std::string_view words = line.substr(v1_prefix.size(), end - v1_prefix.size());
  // What follows UNKNOWN is to be ignored.
  if (words == "UNKNOWN" || words.starts_with("UNKNOWN ")) return complete;
  const bool v6 = words.starts_with("TCP6 ");
  if (!v6 && !words.starts_with("TCP4 ")) return malformed("a protocol other than TCP4, TCP6 and UNKNOWN");
  std::array<std::string_view, 4> fields;
  std::string_view rest = words.substr(5);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t space = i + 1 < fields.size() ? rest.find(' ') : rest.size();
    if (space == std::string_view::npos) return malformed("fewer than two addresses and two ports");
    fields[i] = rest.substr(0, space);
    rest.remove_prefix(std::min(rest.size(), space + 1));
  }
  const auto source_port = port_of(fields[2]);
  const auto destination_port = port_of(fields[3]);
  if (!source_port || !destination_port) return malformed("a port that is not a number up to 65535");
  const auto source = address_of(fields[0], v6, *source_port);
  const auto destination = address_of(fields[1], v6, *destination_port);
  if (!source || !destination) return malformed("an address that is not of the protocol");
  into.source = *source;
  into.destination = *destination;
  return complete;
}

// --- version 2

// CRC-32C (RFC 3720, appendix B.4), with the four bytes of the checksum itself taken as zero.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::size_t checksum_at) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool own = i >= checksum_at && i < checksum_at + 4;
    crc ^= own ? 0U : std::to_integer<std::uint32_t>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

// Values of another form are those of another subtype or of a later version: they name no endpoint.
std::optional<CloudEndpoint> endpoint_of(unsigned type, std::span<const std::byte> value) {
  if (type == type_gcp && value.size() == 8) {
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < 8; ++i) id = id << 8U | at(value, i);
    return CloudEndpoint{CloudEndpoint::Cloud::gcp, std::to_string(id)};
  }
  if (type == type_azure && value.size() == 5 && at(value, 0) == subtype_azure_link) {
    std::uint32_t id = 0;  // little endian
    for (std::size_t i = 4; i > 0; --i) id = id << 8U | at(value, i);
    return CloudEndpoint{CloudEndpoint::Cloud::azure, std::to_string(id)};
  }
  if (type != type_aws || value.size() < 2 || at(value, 0) != subtype_aws_vpce) return std::nullopt;
  const std::string_view id = text_of(value.subspan(1));
  const bool plain = std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!plain || id.size() > aws_id_size_max) return std::nullopt;
  return CloudEndpoint{CloudEndpoint::Cloud::aws, std::string(id)};
}

// `header` is whole; the TLVs begin at `from`.
std::string_view read_tlvs(std::span<const std::byte> header, std::size_t from, ProxyHeader& into) {
  for (std::size_t place = from; place < header.size();) {
    if (header.size() - place < 3) return "a TLV that is cut short";
    const unsigned type = at(header, place);
    const std::size_t size = u16(header, place + 1);
    place += 3;
    if (header.size() - place < size) return "a TLV that is longer than the header";
    const auto value = header.subspan(place, size);
    if (type == type_crc32c) {
      if (size != 4) return "a checksum that is not of four bytes";
      std::uint32_t sent = 0;
      for (std::size_t i = 0; i < 4; ++i) sent = sent << 8U | at(value, i);
      if (sent != crc32c(header, place)) return "a wrong checksum";
    } else if (type == type_authority) {
      if (size > authority_size_max) return "an authority of more than 255 bytes";
      into.authority = text_of(value);
    } else if (const auto endpoint = endpoint_of(type, value)) {
      into.endpoint = endpoint;
    }
    place += size;
  }
  return {};
}

// `size` bytes of an address, and its port.
SocketAddress address_at(std::span<const std::byte> bytes, std::size_t size, std::size_t address,
                         std::size_t port) {
  return SocketAddress::from_bytes(bytes.subspan(address, size),
                                   static_cast<std::uint16_t>(u16(bytes, port)));
}

ProxyRead read_v2(std::span<const std::byte> bytes, ProxyHeader& into) {
  if (bytes.size() < v2_fixed_size) return {};
  const unsigned version = at(bytes, 12) >> 4U;
  const unsigned command = at(bytes, 12) & 0x0FU;
  const unsigned family = at(bytes, 13);
  const std::size_t size = v2_fixed_size + u16(bytes, 14);
  if (version != 2) return malformed("a version other than 2 behind its signature");
  if (command > 1) return malformed("a command other than LOCAL and PROXY");
  if (size > proxy_header_size_max) return malformed("a header of more than 4096 bytes");
  if (bytes.size() < size) return {};
  const auto header = bytes.first(size);
  into = {};
  into.version = 2;
  const ProxyRead complete{State::complete, size, {}};
  if (command == 0) {
    into.command = ProxyHeader::Command::local;
    return complete;  // the rest is to be ignored
  }
  // Address family and transport: TCP over IPv4 and IPv6; AF_UNSPEC and AF_UNIX name no address of use here.
  std::size_t addresses = 0;
  if (family == 0x11) {
    addresses = 12;
  } else if (family == 0x21) {
    addresses = 36;
  } else if (family == 0x31) {
    addresses = 216;
  } else if (family != 0) {
    return malformed("a transport other than TCP");
  }
  if (size - v2_fixed_size < addresses) return malformed("a header that is shorter than its addresses");
  if (family == 0x11) {
    into.source = address_at(header, 4, 16, 24);
    into.destination = address_at(header, 4, 20, 26);
  } else if (family == 0x21) {
    into.source = address_at(header, 16, 16, 48);
    into.destination = address_at(header, 16, 32, 50);
  }
  const std::string_view fault = read_tlvs(header, v2_fixed_size + addresses, into);
  return fault.empty() ? complete : malformed(fault);
}

}  // namespace

std::string CloudEndpoint::text() const {
  switch (cloud) {
    case Cloud::aws:
      return id;
    case Cloud::azure:
      return "azure:" + id;
    case Cloud::gcp:
      return "gcp:" + id;
  }
  return id;
}

ProxyRead read_proxy_header(std::span<const std::byte> bytes, ProxyHeader& into) {
  const std::string_view text = text_of(bytes);
  if (may_begin(text, v2_signature))
    return text.size() < v2_signature.size() ? ProxyRead{} : read_v2(bytes, into);
  if (may_begin(text, v1_prefix)) return text.size() < v1_prefix.size() ? ProxyRead{} : read_v1(text, into);
  return {State::absent, 0, {}};
}

}  // namespace kferry::net
