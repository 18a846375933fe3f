#include "proxy/name_search.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace kferry::proxy {
namespace {

const SocketAddress here = *SocketAddress::parse("10.0.0.1", 9092);
const SocketAddress elsewhere = *SocketAddress::parse("10.0.0.2", 9092);

std::vector<Node> nodes(std::int32_t count) {
  std::vector<Node> nodes;
  for (std::int32_t i = 0; i < count; ++i)
    nodes.push_back({NodeId{i}, {"broker-" + std::to_string(i), 9092}, {}, true, false});
  return nodes;
}

// Resolves every name: those of `ids` lead here.
std::optional<NodeId> search(const std::vector<Node>& among, const std::vector<std::string>& names_here) {
  NameSearch names(here, among);
  while (names.running()) {
    const bool is_here = std::ranges::find(names_here, names.next().host) != names_here.end();
    names.on_resolved(std::vector{is_here ? here : elsewhere});
  }
  return names.found();
}

TEST_CASE("the one broker whose name leads to the address answers there") {
  CHECK(search(nodes(3), {"broker-1"}) == NodeId{1});
  CHECK(search(nodes(3), {"broker-2"}) == NodeId{2});
}

TEST_CASE("an address that no broker's name, or several, lead to identifies no broker") {
  CHECK(search(nodes(3), {}) == std::nullopt);
  CHECK(search(nodes(3), {"broker-0", "broker-2"}) == std::nullopt);
}

TEST_CASE("a name that cannot be resolved ends the search without a broker") {
  NameSearch names(here, nodes(3));
  names.on_resolved(std::vector{here});
  REQUIRE(names.running());
  names.on_resolved({});
  CHECK(!names.running());
  CHECK(names.found() == std::nullopt);
}

TEST_CASE("unlisted brokers and those on other ports are not searched") {
  std::vector<Node> some = nodes(3);
  some[0].listed = false;
  some[1].address.port = 9093;
  NameSearch names(here, some);
  REQUIRE(names.running());
  CHECK(names.next().host == "broker-2");
  names.on_resolved(std::vector{here});
  CHECK(names.found() == NodeId{2});
}

TEST_CASE("among more brokers than a search takes, no name is resolved") {
  CHECK(NameSearch(here, nodes(NameSearch::names_max)).running());
  CHECK(!NameSearch(here, nodes(NameSearch::names_max + 1)).running());
}

}  // namespace
}  // namespace kferry::proxy
