#include "base/compact_text.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

using kferry::CompactText;

TEST_CASE("keeps a text as it is, with zero bytes and of every size up to its limit") {
  CompactText text;
  CHECK(text.empty());
  CHECK(text.view() == "");
  for (const std::size_t size : {1UL, 2UL, 15UL, 16UL, 255UL, 256UL, 65'534UL, 65'535UL}) {
    std::string long_text(size, 'x');
    long_text.front() = '\0';
    text = long_text;
    CHECK(text.view() == long_text);
    CHECK_FALSE(text.empty());
  }
  text = std::string(65'536, 'y');
  CHECK(text.view() == std::string(65'535, 'y'));
  text = "";
  CHECK(text.empty());
}

TEST_CASE("a text may be assigned a part of itself, and moves without a copy") {
  CompactText text("SCRAM-SHA-256");
  text = text.view().substr(6);
  CHECK(text.view() == "SHA-256");
  const char* bytes = text.view().data();
  const CompactText moved = std::move(text);
  CHECK(moved.view().data() == bytes);
  static_assert(sizeof(CompactText) == 8);
}
