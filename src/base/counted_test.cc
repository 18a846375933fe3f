#include "base/counted.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

using namespace kferry;

TEST_CASE("1 is singular, everything else plural") {
  CHECK(counted(std::size_t{1}, "broker") == "1 broker");
  CHECK(counted(std::size_t{0}, "broker") == "0 brokers");
  CHECK(counted(std::int64_t{2}, "broker") == "2 brokers");
  CHECK(counted(std::int64_t{-1}, "byte") == "-1 bytes");
  CHECK(counted(std::uint64_t{1}, "line was", "lines were") == "1 line was");
  CHECK(counted(std::uint64_t{3}, "line was", "lines were") == "3 lines were");
}
