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

TEST_CASE("a JSON string hides no end of a line and no change of direction") {
  CHECK(json_string("\xC2\x85") == "\"\\u0085\"");
  CHECK(json_string("\xE2\x80\xA8\xE2\x80\xAE") == "\"\\u2028\\u202e\"");
}

TEST_CASE("a JSON string is cut between two characters") {
  CHECK(json_string("0123456789abcd", 16) == "\"0123456789abcd\"");
  CHECK(json_string("0123456789abcde", 16) == "\"012345…(cut)\"");
  CHECK(json_string("0123ä789abcdef", 16) == "\"0123ä…(cut)\"");
  CHECK(json_string("01234ä89abcdef", 16) == "\"01234…(cut)\"");
  CHECK(json_string("01234\n0123456", 18) == "\"01234…(cut)\"");
}

TEST_CASE("bytes that are not UTF-8 become replacement characters") {
  CHECK(json_string("\xFFz") == "\"\\ufffdz\"");
  CHECK(json_string("\xC3") == "\"\\ufffd\"");
  CHECK(json_string("\xED\xA0\x80") == "\"\\ufffd\\ufffd\\ufffd\"");
}

}  // namespace
}  // namespace kferry::operations
