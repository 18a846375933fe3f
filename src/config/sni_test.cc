#include "config/sni.h"

#include <doctest/doctest.h>

#include "config/host_names.h"

using namespace kferry;
using namespace kferry::config;

TEST_CASE("a broker's name is composed and parsed back") {
  const SniNames names{"broker-", ".k.example", "broker.k.example"};
  CHECK(names.host_of(NodeId{12}) == "broker-12.k.example");
  CHECK(names.pattern() == "broker-{{nodeId}}.k.example");
  for (const std::int32_t id : {0, 7, 10, 2147483647}) {
    const auto target = sni_target(names, names.host_of(NodeId{id}));
    REQUIRE(target);
    CHECK(target->node == NodeId{id});
  }
  const auto bootstrap = sni_target(names, "broker.k.example");
  REQUIRE(bootstrap);
  CHECK_FALSE(bootstrap->node);
}

TEST_CASE("other names belong to no broker") {
  const SniNames names{"broker-", ".k.example", "broker.k.example"};
  for (const char* name :
       {"", "broker-.k.example", "broker-x.k.example", "broker-1x.k.example", "broker-01.k.example",
        "broker-00.k.example", "broker-+1.k.example", "broker--1.k.example", "broker-2147483648.k.example",
        "broker-99999999999.k.example", "broker-1.k.example.com", "xbroker-1.k.example", "broker-1",
        "k.example"}) {
    CAPTURE(name);
    CHECK_FALSE(sni_target(names, name));
  }
  // Digits beside the id belong to the pattern.
  const SniNames digits{"b1", "0.x", "b.x"};
  REQUIRE(sni_target(digits, "b110.x"));
  CHECK(sni_target(digits, "b110.x")->node == NodeId{1});
}

TEST_CASE("the bootstrap name derived from a pattern") {
  const auto derived = [](std::string_view pattern) {
    const auto host = parse_host_pattern(pattern);
    REQUIRE(host);
    return derived_bootstrap(host->before, host->after);
  };
  CHECK(derived("Broker-{{nodeId}}.k.example") == "broker.k.example");
  CHECK(derived("broker{{nodeId}}.k.example") == "broker.k.example");
  CHECK(derived("broker{{nodeId}}-gw.example") == "broker-gw.example");
  CHECK(derived("b-{{nodeId}}-gw.example") == "b-gw.example");
  CHECK(derived("{{nodeId}}-b.example") == "b.example");
  CHECK(derived("{{nodeId}}.k.example") == "k.example");
  CHECK(derived("k.{{nodeId}}.example") == "k.example");
  CHECK(derived("k.example.{{nodeId}}") == "k.example");
}

TEST_CASE("names that meet, as a broker's or as the bootstrap name") {
  const SniNames a{"a-", ".x", "a.x"};
  CHECK(names_meet(a, a));
  CHECK_FALSE(names_meet(a, {"b-", ".x", "b.x"}));
  CHECK(names_meet(a, {"b-", ".x", "a.x"}));
  CHECK(names_meet(a, {"b-", ".x", "a-3.x"}));
  CHECK(names_meet({"b-", ".x", "a-3.x"}, a));
  CHECK(names_meet({"a", ".x", "c.x"}, {"a1", ".x", "b.x"}));
}

TEST_CASE("SNI patterns meet if one name matches both") {
  CHECK(patterns_meet("b{{nodeId}}.x", "b{{nodeId}}.x"));
  CHECK(patterns_meet("b{{nodeId}}.x", "b1{{nodeId}}.X"));
  CHECK(patterns_meet("b{{nodeId}}.x", "b12.x"));
  CHECK_FALSE(patterns_meet("b{{nodeId}}.x", "b.x"));
  CHECK_FALSE(patterns_meet("b{{nodeId}}.x", "b{{nodeId}}.y"));
  CHECK_FALSE(patterns_meet("a{{nodeId}}.x", "b{{nodeId}}.x"));
}
