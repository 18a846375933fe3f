#include "proxy/memory_return.h"

#include <doctest/doctest.h>

#include "ring/simulated_ring.h"
#include "ring/simulation.h"

using namespace kferry;
using proxy::MemoryReturn;
using std::chrono::milliseconds;

namespace {

struct Place {
  // `connections` come, `every` so often.
  void come(std::size_t connections, Duration every) {
    for (; connections > 0; --connections) {
      memory.on_connection();
      pass(every);
    }
  }
  void pass(Duration time) {
    const Instant until = world.now() + time;
    do {
      while (ring.due())
        for ([[maybe_unused]] const ring::Completion& completion : ring.wait()) memory.on_timer();
    } while (world.step(until));
  }

  ring::Simulation world{{}};
  ring::SimulatedRing ring{world};
  MemoryReturn memory{ring, {1, 0, 0}};
};

}  // namespace

TEST_CASE("memory returns once after a burst, and only when it is over") {
  Place place;
  place.come(4'000, milliseconds(1));
  CHECK(place.ring.memory_returns() == 0);
  CHECK(place.memory.armed());
  place.pass(3 * MemoryReturn::quiet);
  CHECK(place.ring.memory_returns() == 1);
  CHECK_FALSE(place.memory.armed());
  place.come(MemoryReturn::burst - 1, Duration::zero());
  place.pass(3 * MemoryReturn::quiet);
  CHECK(place.ring.memory_returns() == 1);
  CHECK_FALSE(place.memory.armed());
}

TEST_CASE("connections that keep coming, many or few, return memory once for each burst's worth") {
  Place place;
  place.come(20'000, milliseconds(10));  // 200 within the quiet time: the burst continues
  CHECK(place.ring.memory_returns() == 0);
  place.pass(3 * MemoryReturn::quiet);
  CHECK(place.ring.memory_returns() == 1);
  place.come(4 * MemoryReturn::burst, milliseconds(200));  // 10 within it
  place.pass(3 * MemoryReturn::quiet);
  CHECK(place.ring.memory_returns() >= 4);
  CHECK(place.ring.memory_returns() <= 5);
}

TEST_CASE("after stop() the timer completes, and nothing is armed again") {
  Place place;
  place.come(MemoryReturn::burst, Duration::zero());
  place.memory.stop();
  place.pass(milliseconds(1));
  CHECK_FALSE(place.memory.armed());
  place.come(1, Duration::zero());
  CHECK_FALSE(place.memory.armed());
  CHECK(place.ring.memory_returns() == 0);
}
