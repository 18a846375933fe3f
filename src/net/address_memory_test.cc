#include "net/address_memory.h"

#include "doctest/doctest.h"

namespace kferry::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

SocketAddress at(const std::string& host) {
  return *SocketAddress::parse(host, 9092);
}

class Lines final : public LogSink {
 public:
  void write(const LogEvent& event) noexcept override {
    lines.push_back(std::string(event.cause) + " " + std::string(event.subject) + " " + event.text);
  }
  std::vector<std::string> lines;
};

struct Fixture {
  Lines log;
  AddressMemory memory{log};
  const HostPort name{"kafka.test", 9092};
  Instant now{std::chrono::hours(3)};

  std::string order(std::vector<std::string> hosts) {
    std::vector<SocketAddress> addresses;
    for (const std::string& host : hosts) addresses.push_back(at(host));
    last = memory.plan(name, addresses, now);
    std::string text;
    for (const SocketAddress& address : addresses) {
      if (!text.empty()) text += ' ';
      text += address.host_text();
    }
    return text;
  }
  AddressMemory::Plan last;
};

TEST_CASE("addresses of an unknown name alternate between the families") {
  Fixture f;
  CHECK(f.order({"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"}) ==
        "10.0.0.1 fd00::1 10.0.0.2 fd00::2 10.0.0.3");
  CHECK(f.order({"fd00::1", "fd00::2", "10.0.0.1"}) == "fd00::1 10.0.0.1 fd00::2");
  CHECK(f.last.delay == AddressMemory::delay_min);
  CHECK_FALSE(f.last.settled);
  CHECK(f.memory.size() == 0);
}

TEST_CASE("the address that answered last comes first, those that failed come last") {
  Fixture f;
  f.memory.failed(f.name, at("10.0.0.1"), "timed out", f.now);
  f.memory.failed(f.name, at("fd00::1"), "Connection refused", f.now);
  f.memory.answered(f.name, at("10.0.0.3"), milliseconds(1), f.now);
  CHECK(f.order({"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"}) ==
        "10.0.0.3 fd00::2 10.0.0.2 fd00::1 10.0.0.1");
  CHECK(f.last.settled);
  // The name has other addresses now.
  CHECK(f.order({"10.0.0.8", "10.0.0.9"}) == "10.0.0.8 10.0.0.9");
  CHECK_FALSE(f.last.settled);
}

TEST_CASE("an address that answered and then fails comes last") {
  Fixture f;
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(1), f.now);
  f.memory.failed(f.name, at("10.0.0.1"), "timed out", f.now);
  CHECK(f.order({"10.0.0.1", "10.0.0.2"}) == "10.0.0.2 10.0.0.1");
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(1), f.now);
  CHECK(f.order({"10.0.0.1", "10.0.0.2"}) == "10.0.0.1 10.0.0.2");
}

TEST_CASE("the next address is tried after twice the time of the last connection, within limits") {
  Fixture f;
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(400), f.now);
  f.order({"10.0.0.1", "10.0.0.2"});
  CHECK(f.last.delay == milliseconds(800));
  CHECK_FALSE(f.last.settled);
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(3), f.now);
  f.order({"10.0.0.1", "10.0.0.2"});
  CHECK(f.last.delay == milliseconds(250));
  f.memory.answered(f.name, at("10.0.0.1"), seconds(9), f.now);
  f.order({"10.0.0.1", "10.0.0.2"});
  CHECK(f.last.delay == seconds(2));
}

TEST_CASE("a dead address is logged once another one answers, and again only after it has answered") {
  Fixture f;
  f.memory.failed(f.name, at("10.0.0.1"), "no answer in 250 ms", f.now);
  CHECK(f.log.lines.empty());
  for (int i = 0; i < 3; ++i) {
    f.memory.answered(f.name, at("10.0.0.2"), milliseconds(1), f.now);
    f.memory.failed(f.name, at("10.0.0.1"), "timed out", f.now);
  }
  REQUIRE(f.log.lines.size() == 1);
  CHECK(f.log.lines[0] ==
        "address_dead kafka.test/10.0.0.1 address 10.0.0.1:9092 of kafka.test:9092 gives no connection "
        "(no answer in 250 ms), while 10.0.0.2:9092 does: it is tried last from now on; correct DNS, or see "
        "why "
        "nothing answers there");
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(1), f.now);
  f.memory.failed(f.name, at("10.0.0.1"), "timed out", f.now);
  f.memory.answered(f.name, at("10.0.0.2"), milliseconds(1), f.now);
  CHECK(f.log.lines.size() == 2);
}

TEST_CASE("names and failures are bounded and forgotten") {
  Fixture f;
  for (int i = 0; i < 40; ++i)
    f.memory.failed(f.name, at("10.0.1." + std::to_string(i)), "timed out", f.now + milliseconds(i));
  CHECK(f.order({"10.0.1.39", "10.0.1.1", "10.0.0.9"}) == "10.0.1.1 10.0.0.9 10.0.1.39");
  f.now += AddressMemory::lifetime + seconds(1);
  CHECK(f.order({"10.0.1.39", "10.0.0.9"}) == "10.0.1.39 10.0.0.9");

  for (std::size_t i = 0; i < 2 * AddressMemory::names_max; ++i) {
    f.now += milliseconds(1);
    f.memory.answered({"k" + std::to_string(i), 9092}, at("10.0.0.1"), milliseconds(1), f.now);
  }
  CHECK(f.memory.size() == AddressMemory::names_max);
  f.now += AddressMemory::lifetime;
  f.memory.answered(f.name, at("10.0.0.1"), milliseconds(1), f.now);
  CHECK(f.memory.size() == 1);
}

}  // namespace
}  // namespace kferry::net
