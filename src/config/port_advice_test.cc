#include "config/port_advice.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <random>
#include <vector>

#include "config/port_lists.h"
#include "config/ports.h"

namespace kferry::config {
namespace {

std::vector<NodeId> nodes(std::initializer_list<std::int32_t> ids) {
  std::vector<NodeId> made;
  for (const std::int32_t id : ids) made.push_back(NodeId{id});
  return made;
}

Listener listener(std::uint16_t first) {
  Listener made;
  made.ports = {{first, first},
                {static_cast<std::uint16_t>(first + 1), static_cast<std::uint16_t>(first + 1)}};
  return made;
}

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST_CASE("ids are told in ranges that the setting takes, and a long list is cut") {
  CHECK(ids_text(nodes({7, 1, 2, 3, 9, 8, 200})) == "1-3,7-9,200");
  const auto read = parse_ids(ids_text(nodes({1, 2, 3, 2147483647})));
  REQUIRE(read.has_value());
  CHECK(read->back() == 2147483647);
  std::vector<NodeId> odd;
  for (std::int32_t id = 1; id < 1000; id += 2) odd.push_back(NodeId{id});
  const std::string text = ids_text(odd);
  CHECK(text.size() < 120);
  CHECK(text.ends_with("61,63,…"));
}

TEST_CASE("advice for consecutive ids is a longer list of ports") {
  const std::string advice = port_advice(listener(7000), nodes({1, 2, 3}));
  CHECK(has(advice, "ports = \"7000-7002\", or route by SNI"));
  CHECK_FALSE(has(advice, "ids = "));
}

TEST_CASE("advice for ids with small gaps offers a list with gaps or a list of ids") {
  const std::string advice = port_advice(listener(7000), nodes({1, 2, 101}));
  CHECK(has(advice, "ports = \"7000-7005\""));
  CHECK(has(advice, "ports = \"7000-7002\" with ids = \"1-2,101\""));
  CHECK(has(advice, "SNI"));
}

TEST_CASE("advice for ids far apart lists them, and says what only SNI can do") {
  const std::string advice = port_advice(listener(7000), nodes({0, 360'360, 720'720}));
  CHECK(has(advice, "ports = \"7000-7002\" with ids = \"0,360360,720720\""));
  CHECK(has(advice, "no list of ports stays right"));
  CHECK(has(advice, "SNI"));
}

TEST_CASE("advice names no port beyond the last one") {
  const std::string advice = port_advice(listener(65'534), nodes({0, 1, 2}));
  CHECK(has(advice, "lower port"));
  CHECK_FALSE(has(advice, "65536"));
}

TEST_CASE("the search for a list that fits is bounded for thousands of brokers") {
  std::vector<NodeId> many;
  std::mt19937 random;
  for (int i = 0; i < 4096; ++i) many.push_back(NodeId{static_cast<std::int32_t>(random() >> 1U)});
  CHECK_FALSE(ports_that_fit(0, many, many.size() * 4).has_value());
}

}  // namespace
}  // namespace kferry::config
