// An IPv4 or IPv6 address with a port, in the kernel's form. An IPv4-mapped IPv6 address, as a socket that serves both
// families names its IPv4 peers, is the IPv4 address in it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kferry {

class SocketAddress {
 public:
  SocketAddress() = default;
  // Copies at most sizeof(sockaddr_in6) bytes. Families other than AF_INET and AF_INET6 give an empty address.
  SocketAddress(const sockaddr* address, socklen_t size);

  // Parses an address literal: IPv4, or IPv6 without brackets and without a zone such as %eth0. Never asks DNS.
  static std::optional<SocketAddress> parse(std::string_view literal, std::uint16_t port);

  // `bytes`: in network order, 4 of an IPv4 address or 16 of an IPv6 one. Anything else gives an empty address.
  static SocketAddress from_bytes(std::span<const std::byte> bytes, std::uint16_t port);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return get()->sa_family; }
  bool empty() const { return size_ == 0; }
  std::uint16_t port() const;
  // In network order: 4 of an IPv4 address, 16 of an IPv6 one, none of an empty one. Valid as long as this.
  std::span<const std::byte> bytes() const;

  bool is_v4() const { return !empty() && family() == AF_INET; }
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_wildcard() const;
  bool is_multicast() const;
  bool is_broadcast() const;  // 255.255.255.255

  // "1.2.3.4:5" or "[::1]:5".
  std::string text() const;
  // Without the port and brackets.
  std::string host_text() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);

 private:
  std::uint32_t v4_host_order() const;  // of an IPv4 address

  sockaddr_in6 storage_{};
  socklen_t size_ = 0;
};

}  // namespace kferry
