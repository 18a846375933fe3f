#include "base/socket_address.h"

#include <doctest/doctest.h>

using kferry::SocketAddress;

TEST_CASE("address literals are printed as they were read") {
  CHECK(SocketAddress::parse("10.1.2.3", 9092)->text() == "10.1.2.3:9092");
  CHECK(SocketAddress::parse("::1", 9092)->text() == "[::1]:9092");
  CHECK_FALSE(SocketAddress::parse("kafka1", 9092));
  CHECK_FALSE(SocketAddress::parse("", 9092));
}

TEST_CASE("address classes see through IPv4-mapped addresses") {
  CHECK(SocketAddress::parse("127.9.9.9", 1)->is_loopback());
  CHECK(SocketAddress::parse("::ffff:127.0.0.1", 1)->is_loopback());
  CHECK(SocketAddress::parse("::1", 1)->is_loopback());
  CHECK(SocketAddress::parse("169.254.1.1", 1)->is_link_local());
  CHECK(SocketAddress::parse("fe80::1", 1)->is_link_local());
  CHECK(SocketAddress::parse("0.0.0.0", 1)->is_wildcard());
  CHECK(SocketAddress::parse("::", 1)->is_wildcard());
  CHECK_FALSE(SocketAddress::parse("10.0.0.1", 1)->is_loopback());
  CHECK_FALSE(SocketAddress().is_loopback());
}

TEST_CASE("an IPv4-mapped address is the IPv4 address in it, in comparisons and in messages") {
  const auto mapped = SocketAddress::parse("::ffff:10.1.2.3", 9092);
  REQUIRE(mapped.has_value());
  CHECK(mapped->family() == AF_INET);
  CHECK(mapped->text() == "10.1.2.3:9092");
  CHECK(*mapped == *SocketAddress::parse("10.1.2.3", 9092));
  CHECK(SocketAddress::parse("::ffff:0.0.0.0", 1)->is_wildcard());
  CHECK(SocketAddress::parse("::ffff:169.254.1.1", 1)->is_link_local());
  CHECK(SocketAddress::parse("::ffff:255.255.255.255", 1)->is_broadcast());
  CHECK(SocketAddress::parse("fd00::2", 9092)->text() == "[fd00::2]:9092");
}

TEST_CASE("an address is made of its bytes, and gives them") {
  for (const char* literal : {"10.1.2.3", "2001:db8::7"}) {
    const SocketAddress address = *SocketAddress::parse(literal, 9092);
    CHECK(address.bytes().size() == (address.is_v4() ? 4 : 16));
    CHECK(SocketAddress::from_bytes(address.bytes(), 9092) == address);
  }
  const SocketAddress address = *SocketAddress::parse("10.1.2.3", 1);
  CHECK(address.bytes()[0] == std::byte{10});
  CHECK(address.bytes()[3] == std::byte{3});
  CHECK(SocketAddress().bytes().empty());
  CHECK(SocketAddress::from_bytes(address.bytes().first(3), 1).empty());
}

TEST_CASE("addresses are compared by family, bytes and port") {
  CHECK(*SocketAddress::parse("10.0.0.1", 1) == *SocketAddress::parse("10.0.0.1", 1));
  CHECK_FALSE(*SocketAddress::parse("10.0.0.1", 1) == *SocketAddress::parse("10.0.0.1", 2));
  CHECK_FALSE(*SocketAddress::parse("10.0.0.1", 1) == *SocketAddress::parse("10.0.0.2", 1));
  CHECK(SocketAddress() == SocketAddress());
}
