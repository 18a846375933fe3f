#include "proxy/outages.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using std::chrono::seconds;

const Instant start{seconds(1000)};

TEST_CASE("an outage begins once and ends once, for each broker") {
  Outages outages;
  CHECK_FALSE(outages.end(NodeId{1}, start).has_value());
  CHECK(outages.begin(NodeId{1}, start));
  CHECK_FALSE(outages.begin(NodeId{1}, start + seconds(1)));
  CHECK(outages.begin(NodeId{2}, start + seconds(2)));
  CHECK(outages.end(NodeId{1}, start + seconds(35)) == seconds(35));
  CHECK_FALSE(outages.end(NodeId{1}, start + seconds(36)).has_value());
  CHECK(outages.begin(NodeId{1}, start + seconds(40)));
  CHECK(outages.end(NodeId{2}, start + seconds(40)) == seconds(38));
}

TEST_CASE("where too many brokers are out of reach, the first outage gives way") {
  Outages outages;
  const auto count = static_cast<std::int32_t>(Outages::outages_max);
  for (std::int32_t id = 0; id < count; ++id) CHECK(outages.begin(NodeId{id}, start + seconds(count - id)));
  CHECK(outages.begin(NodeId{count}, start + seconds(count)));
  CHECK(outages.begin(NodeId{count - 1}, start + seconds(count)));  // it began first
  CHECK_FALSE(outages.begin(NodeId{7}, start + seconds(count)));
}

}  // namespace
}  // namespace kferry::proxy
