// The PROXY protocol header, versions 1 and 2, by which a load balancer in front tells who its client is (HAProxy's
// doc/proxy-protocol.txt, 2020/03/05). Pure: bytes in, header out.
//
//   version 1   "PROXY TCP4 192.0.2.7 198.51.100.1 56324 6969\r\n", at most 107 bytes
//   version 2   12 bytes of signature, version and command, family, length, addresses, TLVs (type, length, value)
//
// Neither version begins like a Kafka request or a TLS record, so one byte says whether a header comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/socket_address.h"

namespace kferry::net {

// The private endpoint of a cloud that a connection came through: AWS PrivateLink, Azure Private Link, Google's Private
// Service Connect.
struct CloudEndpoint {
  enum class Cloud : std::uint8_t { aws, azure, gcp };
  Cloud cloud = Cloud::aws;
  std::string id;  // "vpce-…" of AWS: letters, digits and hyphens; a decimal number of the others

  // "vpce-…", "azure:67109345", "gcp:12345".
  std::string text() const;
};

struct ProxyHeader {
  enum class Command : std::uint8_t {
    proxy,  // on behalf of a client
    local,  // the load balancer's own connection, such as a health check
  };
  Command command = Command::proxy;
  std::uint8_t version = 0;
  // Empty where the header has no such address: local, UNKNOWN, a family other than IPv4 and IPv6.
  SocketAddress source;
  SocketAddress destination;
  // The host name that the client asked for (PP2_TYPE_AUTHORITY), as sent: at most 255 bytes, of any kind.
  std::string authority;
  std::optional<CloudEndpoint> endpoint;
};

// A longer header is malformed. Version 2 allows 64 KiB; what load balancers send has a few hundred bytes.
inline constexpr std::size_t proxy_header_size_max = 4096;

struct ProxyRead {
  enum class State : std::uint8_t {
    incomplete,  // all bytes so far belong to a header
    complete,    // the first `size` bytes are the header
    absent,      // the bytes do not begin like a header
    malformed,   // they begin like one; `fault` says what is wrong
  };
  State state = State::incomplete;
  std::size_t size = 0;
  std::string_view fault{};  // static storage
};

// Reads a header from the beginning of a stream. `into` is valid once complete.
ProxyRead read_proxy_header(std::span<const std::byte> bytes, ProxyHeader& into);

}  // namespace kferry::net
