#include "operations/json.h"

#include <doctest/doctest.h>

namespace kferry::operations {
namespace {

TEST_CASE("a JSON string escapes what would end it and what no reader takes") {
  CHECK(json_string("orders") == "\"orders\"");
  CHECK(json_string("a\"b\\c") == R"("a\"b\\c")");
  CHECK(json_string("a\nb\x7F") == "\"a\\u000ab\\u007f\"");
  CHECK(json_string("\xC3\xA4\xF0\x9F\x98\x80") == "\"\xC3\xA4\xF0\x9F\x98\x80\"");
}

TEST_CASE("bytes that are not UTF-8 become replacement characters") {
  CHECK(json_string("\xFFz") == "\"\\ufffdz\"");
  CHECK(json_string("\xC3") == "\"\\ufffd\"");
  CHECK(json_string("\xED\xA0\x80") == "\"\\ufffd\\ufffd\\ufffd\"");
}

}  // namespace
}  // namespace kferry::operations
