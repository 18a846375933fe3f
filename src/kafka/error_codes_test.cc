#include "kafka/error_codes.h"

#include <doctest/doctest.h>

namespace kferry::kafka {
namespace {

TEST_CASE("error codes have names, unknown ones their number") {
  CHECK(error_name(58) == "SASL_AUTHENTICATION_FAILED");
  CHECK(error_name(0) == "NONE");
  CHECK(error_name(1234) == "error 1234");
}

}  // namespace
}  // namespace kferry::kafka
