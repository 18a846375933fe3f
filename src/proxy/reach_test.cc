#include "proxy/reach.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace kferry::proxy {
namespace {

using Admission = Reach::Admission;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start = Instant{} + std::chrono::hours(1);

struct Down {
  Down() {
    for (unsigned i = 0; i < Reach::down_after; ++i) reach.failed(start);
  }
  Admission admit(Duration at, Reach::Waiter waiter = nullptr) {
    return reach.admit(start + at, waiter).admission;
  }
  Reach reach;
  std::array<char, 4> client{};  // their addresses tell them apart
};

TEST_CASE("a broker is down after three failures in a row, and a success between them counts anew") {
  Reach reach;
  for (int i = 0; i < 10; ++i) {
    reach.failed(start);
    reach.failed(start);
    CHECK(reach.admit(start, nullptr).admission == Admission::open);
    CHECK_FALSE(reach.down());
    reach.succeeded();
  }
  reach.failed(start);
  reach.failed(start);
  reach.failed(start);
  CHECK(reach.down());
  CHECK(reach.admit(start, nullptr).admission == Admission::wait);
}

TEST_CASE("a broker that is down is dialled by one client a second, one at a time") {
  Down down;
  CHECK(down.admit(milliseconds(999)) == Admission::wait);
  REQUIRE(down.admit(seconds(1)) == Admission::probe);
  CHECK(down.admit(seconds(5)) == Admission::wait);  // that dial is in flight
  down.reach.failed(start + seconds(6));
  CHECK(down.admit(seconds(6)) == Admission::probe);
  down.reach.failed(start + seconds(6));
  CHECK(down.admit(milliseconds(6999)) == Admission::wait);
  CHECK(down.admit(seconds(7)) == Admission::probe);
}

TEST_CASE("the first success opens the broker to everyone at once") {
  Down down;
  REQUIRE(down.admit(seconds(1)) == Admission::probe);
  CHECK(down.admit(seconds(1), &down.client[0]) == Admission::wait);
  CHECK(down.reach.succeeded());
  CHECK(down.reach.reached());
  CHECK(down.admit(seconds(1), &down.client[0]) == Admission::open);
  CHECK(down.admit(seconds(1)) == Admission::open);
  CHECK_FALSE(down.reach.succeeded());
  CHECK_FALSE(down.reach.leave(&down.client[0]));
}

TEST_CASE("a probe that says nothing lets the next client dial") {
  Down down;
  REQUIRE(down.admit(seconds(1)) == Admission::probe);
  down.reach.abandoned();
  CHECK(down.reach.down());
  CHECK(down.admit(seconds(2)) == Admission::probe);
  CHECK(down.admit(seconds(11)) == Admission::wait);
  CHECK(down.admit(seconds(2) + Reach::probe_lifetime) == Admission::probe);
}

TEST_CASE("who has waited longest dials first, and who does not wait does not overtake") {
  Down down;
  CHECK(down.reach.admit(start + milliseconds(100), &down.client[0]).next == start + seconds(1));
  CHECK(down.admit(milliseconds(200), &down.client[1]) == Admission::wait);
  CHECK(down.admit(milliseconds(900), &down.client[0]) == Admission::wait);
  CHECK(down.reach.turn_is_due(start + seconds(1)));
  CHECK(down.admit(seconds(1)) == Admission::wait);
  CHECK(down.admit(seconds(1), &down.client[1]) == Admission::wait);
  CHECK(down.admit(seconds(1), &down.client[0]) == Admission::probe);
  CHECK_FALSE(down.reach.turn_is_due(start + seconds(1)));
  down.reach.failed(start + milliseconds(1001));
  CHECK_FALSE(down.reach.turn_is_due(start + milliseconds(1999)));
  CHECK(down.admit(seconds(2), &down.client[1]) == Admission::probe);
}

TEST_CASE("who leaves makes way, and who never does blocks the others for a while only") {
  Down down;
  for (int i : {0, 1, 2}) down.admit(milliseconds(500), &down.client[static_cast<std::size_t>(i)]);
  CHECK(down.reach.leave(&down.client[0]));
  CHECK_FALSE(down.reach.leave(&down.client[0]));
  CHECK(down.admit(seconds(1), &down.client[2]) == Admission::wait);
  CHECK(down.admit(milliseconds(500) + 2 * Reach::wait_max, &down.client[2]) == Admission::probe);
}

TEST_CASE("the queue is bounded, and who finds no place in it has no turn") {
  Down down;
  const std::vector<char> clients(2 * Reach::waiters_max);
  for (const char& client : clients) CHECK(down.admit(milliseconds(1), &client) == Admission::wait);
  CHECK_FALSE(down.reach.leave(&clients[Reach::waiters_max]));
  CHECK(down.reach.leave(&clients[Reach::waiters_max - 1]));
  CHECK(down.admit(seconds(1), &clients.back()) == Admission::wait);
  CHECK(down.admit(seconds(1), &clients.front()) == Admission::probe);
}

}  // namespace
}  // namespace kferry::proxy
