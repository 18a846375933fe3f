#include "proxy/reports.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

TEST_CASE("attempts are shown up to a kilobyte, whole, and the others are counted") {
  CHECK(shown_attempts(" 10.0.0.1:9092 (Connection refused)") == " 10.0.0.1:9092 (Connection refused)");
  std::string tried;
  for (int i = 0; i < 3000; ++i) tried += " 10.0.0.1:" + std::to_string(1000 + i) + " (TLS: (a) b)";
  const std::string shown = shown_attempts(tried);
  CHECK(shown.size() < 1100);
  const std::size_t end = shown.find(" and about ");
  REQUIRE(end != std::string::npos);
  CHECK(shown[end - 1] == ')');
  CHECK(shown.ends_with(" more"));
  // Without any bracket to cut behind, too.
  CHECK(shown_attempts(std::string(100'000, 'x')).size() < 1100);
}

}  // namespace
}  // namespace kferry::proxy
