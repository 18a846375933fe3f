#include "config/grammar.h"

#include <doctest/doctest.h>

#include "config/words.h"

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

TEST_CASE("each wrong port list says what to write") {
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

TEST_CASE("servers and hosts") {
  CHECK(parse_servers({" a:1 , [::1]:2 ", "c:3,"}) == std::vector<HostPort>{{"a", 1}, {"::1", 2}, {"c", 3}});
  CHECK(has(parse_servers({"SASL_SSL://a:1"}).error().remedy, "write a:1"));
  for (const char* text : {"", ",", "a", "a:0", "a:65536", "::1:9", "a b:1"})
    CHECK_FALSE(parse_servers({text}));
  CHECK(parse_host("[::1]") == "::1");
  CHECK(parse_host("a-b.c_d") == "a-b.c_d");
  for (const char* text : {"", "a:1", "http://a", "a b", "-a", "a..b", ".a"}) CHECK_FALSE(parse_host(text));
}

TEST_CASE("JAAS as Java reads it") {
  const auto plain = parse_jaas(
      "org.apache.kafka.common.security.plain.PlainLoginModule required\n username=\"al\\\"ice\"  "
      "password='p\\\\w;\\101';");
  REQUIRE(plain);
  CHECK(plain->module == "org.apache.kafka.common.security.plain.PlainLoginModule");
  CHECK(plain->options.at("username") == "al\"ice");
  CHECK(plain->options.at("password") == "p\\w;A");
  CHECK(parse_jaas("a.B required;")->options.empty());
  CHECK(parse_jaas("a.B REQUIRED user=bob;")->options.at("user") == "bob");
  CHECK(has(parse_jaas("a.B required x=\"y\"").error().what, "';' is missing"));
  CHECK(has(parse_jaas("a.B required x=\"y;").error().what, "a quote is not closed"));
  CHECK(has(parse_jaas("a.B x=\"y\";").error().what, "required"));
  CHECK(has(parse_jaas("a.B required x;").error().what, "'='"));
  CHECK(has(parse_jaas("a.B required x=;").error().what, "value"));
  CHECK(has(parse_jaas("a.B required x=1 x=2;").error().what, "twice"));
  CHECK(has(parse_jaas("a.B required; c.D required;").error().what, "nothing after"));
  CHECK_FALSE(parse_jaas(""));
}

TEST_CASE("SNI patterns meet when one name answers to both") {
  CHECK(patterns_meet("b{{nodeId}}.x", "b{{nodeId}}.x"));
  CHECK(patterns_meet("b{{nodeId}}.x", "b1{{nodeId}}.X"));
  CHECK(patterns_meet("b{{nodeId}}.x", "b12.x"));
  CHECK_FALSE(patterns_meet("b{{nodeId}}.x", "b.x"));
  CHECK_FALSE(patterns_meet("b{{nodeId}}.x", "b{{nodeId}}.y"));
  CHECK_FALSE(patterns_meet("a{{nodeId}}.x", "b{{nodeId}}.x"));
}

TEST_CASE("the nearest word, and none when all are far") {
  const std::vector<std::string> words{"ports", "ids", "advertised_host"};
  CHECK(nearest("prots", words) == "ports");
  CHECK(nearest("adverised_hots", words) == "advertised_host");
  CHECK(nearest("advertised", words) == "advertised_host");
  CHECK(nearest("ports_of_the_brokers", words) == "ports");
  CHECK(nearest("ids_of_the_brokers", words) == std::nullopt);
  CHECK(nearest("completely_else", words) == std::nullopt);
  CHECK(edit_distance("kitten", "sitting") == 3);
}
