#include "base/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace kferry {
namespace {

const sockaddr_in& v4(const sockaddr_in6& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr* address, socklen_t size) {
  const bool known = address != nullptr && ((address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) ||
                                            (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)));
  if (!known) return;
  size_ = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(&storage_, address, size_);
  if (family() != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&storage_.sin6_addr)) return;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = storage_.sin6_port;
  std::memcpy(&four.sin_addr, storage_.sin6_addr.s6_addr + 12, sizeof four.sin_addr);
  storage_ = {};
  size_ = sizeof four;
  std::memcpy(&storage_, &four, size_);
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view literal, std::uint16_t port) {
  const std::string text(literal);
  sockaddr_in four{};
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    return SocketAddress(reinterpret_cast<const sockaddr*>(&four), sizeof four);
  }
  sockaddr_in6 six{};
  if (inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    return SocketAddress(reinterpret_cast<const sockaddr*>(&six), sizeof six);
  }
  return std::nullopt;
}

SocketAddress SocketAddress::from_bytes(std::span<const std::byte> bytes, std::uint16_t port) {
  if (bytes.size() == sizeof(in_addr)) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&four.sin_addr, bytes.data(), bytes.size());
    return SocketAddress(reinterpret_cast<const sockaddr*>(&four), sizeof four);
  }
  if (bytes.size() != sizeof(in6_addr)) return {};
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(&six.sin6_addr, bytes.data(), bytes.size());
  return SocketAddress(reinterpret_cast<const sockaddr*>(&six), sizeof six);
}

std::span<const std::byte> SocketAddress::bytes() const {
  if (empty()) return {};
  if (is_v4()) return std::as_bytes(std::span(&v4(storage_).sin_addr, 1));
  return std::as_bytes(std::span(&storage_.sin6_addr, 1));
}

std::uint16_t SocketAddress::port() const {
  if (empty()) return 0;
  return ntohs(family() == AF_INET ? v4(storage_).sin_port : storage_.sin6_port);
}

std::uint32_t SocketAddress::v4_host_order() const {
  return ntohl(v4(storage_).sin_addr.s_addr);
}

bool SocketAddress::is_loopback() const {
  if (empty()) return false;
  return is_v4() ? (v4_host_order() >> 24U) == 127U : IN6_IS_ADDR_LOOPBACK(&storage_.sin6_addr) != 0;
}

bool SocketAddress::is_link_local() const {
  if (empty()) return false;
  return is_v4() ? (v4_host_order() >> 16U) == 0xA9FEU : IN6_IS_ADDR_LINKLOCAL(&storage_.sin6_addr) != 0;
}

bool SocketAddress::is_wildcard() const {
  if (empty()) return false;
  return is_v4() ? v4_host_order() == 0U : IN6_IS_ADDR_UNSPECIFIED(&storage_.sin6_addr) != 0;
}

bool SocketAddress::is_multicast() const {
  if (empty()) return false;
  return is_v4() ? (v4_host_order() >> 28U) == 0xEU : IN6_IS_ADDR_MULTICAST(&storage_.sin6_addr) != 0;
}

bool SocketAddress::is_broadcast() const {
  return is_v4() && v4_host_order() == 0xFFFFFFFFU;
}

std::string SocketAddress::host_text() const {
  if (empty()) return "(none)";
  char buffer[INET6_ADDRSTRLEN] = {};
  const void* source = family() == AF_INET ? static_cast<const void*>(&v4(storage_).sin_addr)
                                           : static_cast<const void*>(&storage_.sin6_addr);
  inet_ntop(family(), source, buffer, sizeof buffer);
  return buffer;
}

std::string SocketAddress::text() const {
  const std::string host = host_text();
  return (family() == AF_INET6 ? "[" + host + "]" : host) + ":" + std::to_string(port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  if (a.size_ != b.size_) return false;
  if (a.empty()) return true;
  if (a.family() != b.family() || a.port() != b.port()) return false;
  if (a.family() == AF_INET) return v4(a.storage_).sin_addr.s_addr == v4(b.storage_).sin_addr.s_addr;
  return std::memcmp(&a.storage_.sin6_addr, &b.storage_.sin6_addr, sizeof(in6_addr)) == 0 &&
         a.storage_.sin6_scope_id == b.storage_.sin6_scope_id;
}

}  // namespace kferry
