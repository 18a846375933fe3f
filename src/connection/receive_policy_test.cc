#include "connection/receive_policy.h"

#include <doctest/doctest.h>

namespace kferry::connection {
namespace {

constexpr std::size_t full = 64 * KiB;
constexpr std::size_t small = 1 * KiB;

TEST_CASE("a receive is multishot until one brings much, and again after one that brings little") {
  ReceivePolicy policy;
  CHECK(policy.multishot());
  CHECK(policy.size(full) == full);
  policy.on_received(small + 1, small);
  CHECK(!policy.multishot());
  policy.on_received(small, small);
  CHECK(policy.multishot());
  policy.on_received(-1, small);
  CHECK(policy.multishot());
}

TEST_CASE("after a splice two receives ask for little, and say nothing about the next ones") {
  ReceivePolicy policy;
  policy.on_received(full, small);
  policy.on_splice();
  for (int i = 0; i < 2; ++i) {
    CHECK(policy.size(full) == ReceivePolicy::short_size);
    CHECK(!policy.multishot());
    policy.on_received(10, small);
  }
  CHECK(policy.size(full) == full);
  CHECK(!policy.multishot());
}

}  // namespace
}  // namespace kferry::connection
