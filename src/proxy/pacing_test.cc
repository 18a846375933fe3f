#include "proxy/pacing.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start = Instant{} + std::chrono::hours(1);

TEST_CASE("clients that no stand-in has refused are never held") {
  Pacing pacing;
  pacing.refused("10.0.0.1 6970 producer", start);
  for (int i = 0; i < 100; ++i) CHECK(pacing.admit("10.0.0.1 6970 consumer", start) == Duration::zero());
  CHECK(pacing.size() == 1);
}

TEST_CASE("after a refusal two connections a second pass, in order, and the rest are closed") {
  Pacing pacing;
  pacing.refused("key", start);
  CHECK(pacing.admit("key", start) == milliseconds(500));
  CHECK(pacing.admit("key", start) == milliseconds(1000));
  CHECK_FALSE(pacing.admit("key", start));
  CHECK(pacing.admit("key", start + milliseconds(500)) == milliseconds(1000));
  int passed = 0;
  for (int i = 0; i < 1000; ++i) {
    const Instant now = start + seconds(2) + milliseconds(10 * i);
    if (pacing.admit("key", now)) ++passed;
    pacing.refused("key", now);
  }
  CHECK(passed <= 2 * 10 + 3);
  CHECK(passed >= 2 * 10 - 1);
}

TEST_CASE("a key is forgotten a minute after its last refusal") {
  Pacing pacing;
  pacing.refused("key", start);
  for (int i = 0; i < 5; ++i) static_cast<void>(pacing.admit("key", start));
  CHECK_FALSE(pacing.admit("key", start));
  CHECK(pacing.admit("key", start + Pacing::lifetime) == Duration::zero());
  CHECK(pacing.admit("key", start + Pacing::lifetime) == Duration::zero());
  pacing.refused("other", start + Pacing::lifetime);
  CHECK(pacing.size() == 1);
}

TEST_CASE("however many clients are refused, the keys are bounded, and the oldest goes first") {
  Pacing pacing;
  for (std::size_t i = 0; i <= Pacing::keys_max; ++i)
    pacing.refused(std::to_string(i), start + milliseconds(i));
  CHECK(pacing.size() == Pacing::keys_max);
  CHECK(pacing.admit("0", start + seconds(5)) == Duration::zero());
  CHECK(pacing.admit("0", start + seconds(5)) == Duration::zero());
  pacing.refused("1", start + seconds(5));
  CHECK(pacing.size() == Pacing::keys_max);
}

}  // namespace
}  // namespace kferry::proxy
