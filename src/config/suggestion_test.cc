#include "config/suggestion.h"

#include <doctest/doctest.h>

#include <vector>

using namespace kferry::config;

TEST_CASE("the nearest word, unless all are too far") {
  const std::vector<std::string> words{"ports", "ids", "advertised_host"};
  CHECK(nearest("prots", words) == "ports");
  CHECK(nearest("adverised_hots", words) == "advertised_host");
  CHECK(nearest("advertised", words) == "advertised_host");
  CHECK(nearest("ports_of_the_brokers", words) == "ports");
  CHECK(nearest("ids_of_the_brokers", words) == std::nullopt);
  CHECK(nearest("completely_else", words) == std::nullopt);
  CHECK(edit_distance("kitten", "sitting") == 3);
}
