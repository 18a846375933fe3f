#include "proxy/failed_places.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

TEST_CASE("a place that failed is remembered until it answers, or for a while") {
  FailedPlaces places;
  const Instant now{std::chrono::hours(1)};
  CHECK(places.lately(now).empty());
  places.failed({"a", 9092}, now);
  places.failed({"b", 9092}, now + seconds(1));
  places.failed({"a", 9092}, now + seconds(2));
  CHECK(places.lately(now + seconds(3)) == std::vector<HostPort>{{"b", 9092}, {"a", 9092}});
  places.answered({"b", 9092});
  places.answered({"c", 9092});
  CHECK(places.lately(now + seconds(3)) == std::vector<HostPort>{{"a", 9092}});
  CHECK(places.lately(now + FailedPlaces::lifetime + seconds(1)).size() == 1);
  CHECK(places.lately(now + FailedPlaces::lifetime + seconds(2)).empty());
}

TEST_CASE("failed places are bounded, and the oldest is forgotten first") {
  FailedPlaces places;
  const Instant now{std::chrono::hours(1)};
  for (std::int32_t port = 1; port <= 1000; ++port) places.failed({"a", port}, now);
  const auto kept = places.lately(now);
  REQUIRE(kept.size() == FailedPlaces::places_max);
  CHECK(kept.front().port == 1001 - static_cast<std::int32_t>(FailedPlaces::places_max));
}

}  // namespace
}  // namespace kferry::proxy
