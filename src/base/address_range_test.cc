#include "base/address_range.h"

#include <doctest/doctest.h>

#include <vector>

using namespace kferry;

namespace {

SocketAddress address(const char* literal) {
  return *SocketAddress::parse(literal, 1234);
}

bool holds(const char* range, const char* literal) {
  return AddressRange::parse(range)->contains(address(literal));
}

}  // namespace

TEST_CASE("a range holds the addresses with its prefix and no others") {
  CHECK(holds("10.0.0.0/8", "10.255.0.1"));
  CHECK_FALSE(holds("10.0.0.0/8", "11.0.0.1"));
  CHECK(holds("192.0.2.128/25", "192.0.2.128"));
  CHECK(holds("192.0.2.128/25", "192.0.2.255"));
  CHECK_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  CHECK(holds("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
}

TEST_CASE("a range without a length is one address") {
  CHECK(holds("192.0.2.7", "192.0.2.7"));
  CHECK_FALSE(holds("192.0.2.7", "192.0.2.6"));
  CHECK(holds("2001:db8::7", "2001:db8::7"));
  CHECK_FALSE(holds("2001:db8::7", "2001:db8::8"));
}

TEST_CASE("a length of zero holds every address of the family") {
  CHECK(holds("0.0.0.0/0", "203.0.113.9"));
  CHECK_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  CHECK(holds("::/0", "2001:db8::1"));
  CHECK_FALSE(holds("::/0", "203.0.113.9"));
}

TEST_CASE("an IPv4-mapped address is the IPv4 address in it, in a range and as a client's") {
  CHECK(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
  CHECK(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
  CHECK_FALSE(holds("::ffff:10.0.0.0/104", "11.1.2.3"));
  CHECK(holds("::ffff:10.1.2.3", "10.1.2.3"));
  CHECK(AddressRange::parse("::ffff:10.1.2.3")->text() == "10.1.2.3/32");
  CHECK_FALSE(AddressRange::parse("::ffff:0.0.0.0/90"));
}

TEST_CASE("bits behind the prefix are cleared") {
  CHECK(AddressRange::parse("10.1.2.3/8") == AddressRange::parse("10.0.0.0/8"));
  CHECK(AddressRange::parse("10.1.2.3/8")->text() == "10.0.0.0/8");
  CHECK(AddressRange::parse("2001:db8::1/32")->text() == "2001:db8::/32");
}

TEST_CASE("what is not a range is refused") {
  for (const char* text :
       {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8", "10.0.0",
        "10.0.0.0/8/8", "::/129", "[::1]/128", "example.com", "10.0.0.0/+8", "fe80::1%eth0"})
    CHECK_FALSE(AddressRange::parse(text));
}

TEST_CASE("no range holds an empty address") {
  CHECK_FALSE(AddressRange::parse("0.0.0.0/0")->contains(SocketAddress()));
  CHECK_FALSE(AddressRange::parse("::/0")->contains(SocketAddress()));
}

TEST_CASE("one of several ranges is enough") {
  const std::vector<AddressRange> ranges{*AddressRange::parse("10.0.0.0/8"), *AddressRange::parse("::1")};
  CHECK(any_contains(ranges, address("::1")));
  CHECK(any_contains(ranges, address("10.9.9.9")));
  CHECK_FALSE(any_contains(ranges, address("192.0.2.1")));
  CHECK_FALSE(any_contains({}, address("192.0.2.1")));
}
