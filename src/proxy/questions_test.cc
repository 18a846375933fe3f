#include "proxy/questions.h"

#include <doctest/doctest.h>

namespace kferry::proxy {
namespace {

TEST_CASE("an answer reaches the slot that asked, once") {
  Questions questions;
  const std::uint64_t three = questions.ask(3);
  const std::uint64_t seven = questions.ask(7);
  CHECK(questions.answered(seven) == 7u);
  CHECK_FALSE(questions.answered(seven));
  CHECK(questions.answered(three) == 3u);
}

TEST_CASE("a late answer reaches no later session of the slot, however many there have been") {
  Questions questions;
  const std::uint64_t late = questions.ask(3);
  for (int i = 0; i < 200'000; ++i) {
    questions.forget(3);
    CHECK_FALSE(questions.answered(late));
    questions.ask(3);
    CHECK_FALSE(questions.answered(late));
  }
}

TEST_CASE("a late answer is not taken for that of a later question") {
  Questions questions;
  const std::uint64_t first = questions.ask(1);
  const std::uint64_t second = questions.ask(1);
  CHECK_FALSE(questions.answered(first));
  CHECK(questions.answered(second) == 1u);
}

TEST_CASE("an answer for a slot that has never asked is not wanted") {
  Questions questions;
  CHECK_FALSE(questions.answered(12));
  questions.forget(12);
}

}  // namespace
}  // namespace kferry::proxy
