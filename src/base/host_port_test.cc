#include "base/host_port.h"

#include <doctest/doctest.h>

using kferry::HostPort;
using kferry::parse_host_port;

TEST_CASE("host:port round-trips, IPv6 in brackets") {
  for (const char* text : {"kafka1:9092", "10.0.0.1:1", "[::1]:65535", "[fe80::1]:9092"}) {
    const auto parsed = parse_host_port(text);
    REQUIRE(parsed);
    CHECK(kferry::to_string(*parsed) == text);
  }
}

TEST_CASE("host:port rejects what cannot be dialled") {
  for (const char* text : {"", "kafka1", ":9092", "kafka1:", "kafka1:0", "kafka1:65536", "kafka1:+1",
                           "::1:9092", "kafka1:9092x", "[::1:9092", "::1]:9092", "[]:9092", "kafka1:-1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_host_port(text));
  }
}
