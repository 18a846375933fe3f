#include "proxy/admission.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace kferry;
using namespace kferry::proxy;

namespace {

using std::chrono::milliseconds;

SocketAddress address(const char* literal) {
  return *SocketAddress::parse(literal, 4321);
}

std::vector<AddressRange> ranges(std::initializer_list<const char*> texts) {
  std::vector<AddressRange> all;
  for (const char* text : texts) all.push_back(*AddressRange::parse(text));
  return all;
}

std::string cause_of(const std::optional<Failure>& refusal) {
  return refusal ? std::string(refusal->cause) : "";
}

std::string judged(const config::Listener& listener, const char* literal,
                   const net::ProxyHeader* header = nullptr) {
  const SocketAddress from = address(literal);
  return cause_of(Admission::judge(listener, {from, header}));
}

std::string admitted(Admission& admission, const config::Listener& listener, const char* literal,
                     Admission::Ticket& ticket) {
  const SocketAddress from = address(literal);
  return cause_of(admission.admit("c", listener, {from}, ticket));
}

}  // namespace

TEST_CASE("deny_from wins over allow_from, and an empty allow_from lets everyone in") {
  config::Listener listener;
  CHECK(judged(listener, "192.0.2.1") == "");
  listener.deny_from = ranges({"10.9.0.0/16"});
  CHECK(judged(listener, "192.0.2.1") == "");
  CHECK(judged(listener, "10.9.1.1") == "client_denied");
  listener.allow_from = ranges({"10.0.0.0/8", "2001:db8::/32"});
  CHECK(judged(listener, "10.1.1.1") == "");
  CHECK(judged(listener, "::ffff:10.1.1.1") == "");
  CHECK(judged(listener, "2001:db8::5") == "");
  CHECK(judged(listener, "10.9.1.1") == "client_denied");
  CHECK(judged(listener, "::ffff:10.9.1.1") == "client_denied");
  CHECK(judged(listener, "192.0.2.1") == "client_not_allowed");
}

TEST_CASE("allow_endpoints asks for one of its endpoints, except from a health check") {
  config::Listener listener;
  listener.allow_endpoints = {"vpce-1", "azure:17"};
  net::ProxyHeader header;
  CHECK(judged(listener, "192.0.2.1") == "endpoint_not_allowed");
  CHECK(judged(listener, "192.0.2.1", &header) == "endpoint_not_allowed");
  header.endpoint = net::CloudEndpoint{net::CloudEndpoint::Cloud::azure, "17"};
  CHECK(judged(listener, "192.0.2.1", &header) == "");
  header.endpoint->cloud = net::CloudEndpoint::Cloud::gcp;
  CHECK(judged(listener, "192.0.2.1", &header) == "endpoint_not_allowed");
  header.command = net::ProxyHeader::Command::local;
  CHECK(judged(listener, "192.0.2.1", &header) == "");
}

TEST_CASE("a listener and an address have so many connections, and one that ends makes room") {
  Admission admission;
  config::Listener listener;
  listener.name = "external";
  listener.max_connections = 3;
  listener.max_connections_per_address = 2;
  std::vector<Admission::Ticket> tickets(4);
  CHECK(admitted(admission, listener, "192.0.2.1", tickets[0]) == "");
  CHECK(admitted(admission, listener, "::ffff:192.0.2.1", tickets[1]) == "");
  CHECK(admitted(admission, listener, "192.0.2.1", tickets[2]) == "address_limited");
  CHECK_FALSE(tickets[2]);
  CHECK(admitted(admission, listener, "192.0.2.2", tickets[2]) == "");
  CHECK(admitted(admission, listener, "192.0.2.3", tickets[3]) == "listener_limited");
  tickets[0] = {};
  CHECK(admitted(admission, listener, "192.0.2.1", tickets[3]) == "");
  Admission::Ticket more;
  CHECK(admitted(admission, listener, "192.0.2.4", more) == "listener_limited");
  config::Listener other = listener;
  other.name = "internal";
  CHECK(admitted(admission, other, "192.0.2.1", more) == "");
}

TEST_CASE("a limit that a reload lowers refuses new connections alone") {
  Admission admission;
  config::Listener listener;
  std::vector<Admission::Ticket> tickets(5);
  for (Admission::Ticket& ticket : tickets) CHECK(admitted(admission, listener, "192.0.2.1", ticket) == "");
  listener.max_connections = 2;
  Admission::Ticket more;
  CHECK(admitted(admission, listener, "192.0.2.1", more) == "listener_limited");
  tickets.resize(1);
  CHECK(admitted(admission, listener, "192.0.2.1", more) == "");
}

TEST_CASE("connections in all are limited") {
  Admission admission;
  config::Limits limits;
  CHECK_FALSE(admission.enter(limits, 1'000'000, Instant{}));
  limits.connections = 10;
  CHECK_FALSE(admission.enter(limits, 9, Instant{}));
  CHECK(cause_of(admission.enter(limits, 10, Instant{})) == "connections_limited");
}

TEST_CASE("so many connections a second are accepted, and as many at once") {
  Admission admission;
  config::Limits limits;
  limits.accepts_per_second = 5;
  Instant now{std::chrono::hours(1)};
  const auto accepted = [&](int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i) count += admission.enter(limits, 0, now) ? 0 : 1;
    return count;
  };
  CHECK(accepted(20) == 5);
  now += milliseconds(400);
  CHECK(accepted(20) == 2);
  now += std::chrono::minutes(1);
  CHECK(accepted(20) == 5);
}

TEST_CASE("memory above its mark refuses connections until it falls, and is measured ten times a second") {
  std::uint64_t memory = 100;
  int measured = 0;
  Admission admission([&] {
    ++measured;
    return memory;
  });
  config::Limits limits;
  CHECK_FALSE(admission.enter(limits, 0, Instant{}));
  CHECK(measured == 0);
  limits.memory_bytes = 100;
  CHECK_FALSE(admission.enter(limits, 0, Instant{}));
  memory = 101;
  CHECK_FALSE(admission.enter(limits, 0, Instant{milliseconds(99)}));
  CHECK(measured == 1);
  CHECK(cause_of(admission.enter(limits, 0, Instant{milliseconds(100)})) == "memory_limited");
  memory = 100;
  CHECK_FALSE(admission.enter(limits, 0, Instant{milliseconds(200)}));
  CHECK(measured == 3);
}

TEST_CASE("the resident memory of this process is measured") {
  CHECK(Admission::resident_memory() > 1024 * 1024);
}
