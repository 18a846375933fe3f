#include "base/printable.h"

#include <doctest/doctest.h>

using namespace kferry;

TEST_CASE("printable_ascii replaces everything but printable ASCII, and cuts") {
  CHECK(printable_ascii("a b~\n\x7F\x1b[1m") == "a b~???[1m");
  CHECK(printable_ascii("ä") == "??");
  CHECK(printable_ascii("abcdef", 3) == "abc");
  CHECK(printable_ascii("ab", 3) == "ab");
}

TEST_CASE("without_controls keeps UTF-8") {
  CHECK(without_controls("ä\x1b[1m\t\x7F") == "ä?[1m??");
}
