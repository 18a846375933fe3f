#include "proxy/reach.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start = Instant{} + std::chrono::hours(1);

Reach down_since_start() {
  Reach reach;
  for (unsigned i = 0; i < Reach::down_after; ++i) reach.failed(start);
  return reach;
}

TEST_CASE("a broker is down after three failures in a row, and a success between them counts anew") {
  Reach reach;
  for (int i = 0; i < 10; ++i) {
    reach.failed(start);
    reach.failed(start);
    CHECK(reach.admit(start));
    CHECK_FALSE(reach.down());
    reach.succeeded();
  }
  reach.failed(start);
  reach.failed(start);
  reach.failed(start);
  CHECK(reach.down());
  CHECK_FALSE(reach.admit(start));
}

TEST_CASE("a broker that is down is dialled by one client a second, one at a time") {
  Reach reach = down_since_start();
  CHECK_FALSE(reach.admit(start + milliseconds(999)));
  REQUIRE(reach.admit(start + seconds(1)));
  CHECK_FALSE(reach.admit(start + seconds(5)));  // that dial is in flight
  reach.failed(start + seconds(6));
  CHECK(reach.admit(start + seconds(6)));
  reach.failed(start + seconds(6));
  CHECK_FALSE(reach.admit(start + milliseconds(6999)));
  CHECK(reach.admit(start + seconds(7)));
}

TEST_CASE("the first success opens the broker to everyone at once") {
  Reach reach = down_since_start();
  REQUIRE(reach.admit(start + seconds(1)));
  CHECK(reach.succeeded());
  CHECK(reach.reached());
  CHECK(reach.admit(start + seconds(1)));
  CHECK(reach.admit(start + seconds(1)));
  CHECK_FALSE(reach.succeeded());
}

TEST_CASE("a probe that says nothing lets the next client dial") {
  Reach reach = down_since_start();
  REQUIRE(reach.admit(start + seconds(1)));
  reach.abandoned();
  CHECK(reach.down());
  CHECK(reach.admit(start + seconds(2)));
  CHECK_FALSE(reach.admit(start + seconds(11)));
  CHECK(reach.admit(start + seconds(2) + Reach::probe_lifetime));
}

}  // namespace
}  // namespace kferry::proxy
