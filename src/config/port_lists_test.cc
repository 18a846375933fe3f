#include "config/port_lists.h"

#include <doctest/doctest.h>

#include <string>

using namespace kferry;
using namespace kferry::config;

namespace {
std::string ports_text(std::string_view text) {
  const auto ports = parse_ports(text);
  if (!ports) return ports.error().what + ": " + ports.error().remedy;
  std::string out;
  for (const Port& port : *ports)
    out += std::to_string(port.advertised) + ">" + std::to_string(port.local) + " ";
  return out;
}
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("the port grammar") {
  CHECK(ports_text("6969") == "6969>6969 ");
  CHECK(ports_text(" 6969 - 6971 ") == "6969>6969 6970>6970 6971>6971 ");
  CHECK(ports_text("29092-29093:9092-9093,29100:9100") == "29092>9092 29093>9093 29100>9100 ");
  CHECK(ports_text("65535") == "65535>65535 ");
}

TEST_CASE("a malformed port list says what to write") {
  CHECK(has(ports_text("1-3:5-6"),
            "pairs 3 advertised ports with 2 local ones: give both ranges the same length"));
  CHECK(has(ports_text("3-1"), "runs backwards: write 1-3"));
  CHECK(has(ports_text("1-3,3"), "local port 3 is listed twice"));
  CHECK(has(ports_text("5:1,5:2"), "advertised port 5 is listed twice"));
  for (const char* text : {"", "a", "1,,2", "1-", "-1", "1:2:3", "1 2", "0x10", "99999999999999999999"}) {
    CHECK_MESSAGE(has(ports_text(text), "29092-29093"), text);
  }
  for (const char* text : {"0", "65536", "1-65536", "0-3"})
    CHECK(has(ports_text(text), "use ports from 1 to 65535"));
}

TEST_CASE("the id grammar") {
  CHECK(parse_ids("100-102, 200") == std::vector<std::int32_t>{100, 101, 102, 200});
  CHECK(parse_ids("2147483647") == std::vector<std::int32_t>{2147483647});
  for (const char* text : {"", "x", "2147483648", "3-1", "1,1", "0-2147483647", "-1"})
    CHECK_FALSE(parse_ids(text));
}
