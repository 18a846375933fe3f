#include "config/host_names.h"

#include <doctest/doctest.h>

using namespace kferry;
using namespace kferry::config;

namespace {
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("servers and hosts") {
  CHECK(parse_servers({" a:1 , [::1]:2 ", "c:3,"}) == std::vector<HostPort>{{"a", 1}, {"::1", 2}, {"c", 3}});
  CHECK(has(parse_servers({"SASL_SSL://a:1"}).error().remedy, "write a:1"));
  for (const char* text : {"", ",", "a", "a:0", "a:65536", "::1:9", "a b:1"})
    CHECK_FALSE(parse_servers({text}));
  CHECK(parse_host("[::1]") == "::1");
  CHECK(parse_host("a-b.c_d") == "a-b.c_d");
  for (const char* text : {"", "a:1", "http://a", "a b", "-a", "a..b", ".a"}) CHECK_FALSE(parse_host(text));
}

TEST_CASE("patterns of host names") {
  for (const char* wrong :
       {"", "broker.k.example", "{{nodeId}}-{{nodeId}}.x", "-{{nodeId}}.x", "b_{{nodeId}}..x",
        "b {{nodeId}}.x", "kafka://{{nodeId}}.x:1", "10.0.0.{{nodeId}}:1", "{{nodeid}}.x"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_host_pattern(wrong));
  }
  CHECK_FALSE(parse_host_pattern(std::string(54, 'a') + "{{nodeId}}.x"));
  CHECK(parse_host_pattern(std::string(53, 'a') + "{{nodeId}}.x"));
}
