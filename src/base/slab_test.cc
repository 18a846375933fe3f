#include "base/slab.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

using kferry::Slab;

namespace {

struct Thing {
  explicit Thing(int n) : number(n), heap(std::make_unique<int>(n)) {
    if (n < 0) throw std::runtime_error("no such thing");
    filling.fill(static_cast<unsigned char>(n));
    ++alive;
  }
  ~Thing() { --alive; }
  bool whole() const {
    for (const unsigned char byte : filling)
      if (byte != static_cast<unsigned char>(number)) return false;
    return *heap == number;
  }

  static inline int alive = 0;
  int number;
  std::unique_ptr<int> heap;
  std::array<unsigned char, 853> filling{};
};

}  // namespace

TEST_CASE("objects keep address and contents while others come and go by the thousand") {
  Slab<Thing> slab;
  std::vector<Thing*> things;
  std::mt19937 random(1);
  for (int round = 0; round < 6; ++round) {
    // Grows to some thousand, shrinks to a few.
    const std::size_t aim = round % 2 == 0 ? 3'000 : 5;
    while (things.size() != aim) {
      if (things.size() < aim) {
        things.push_back(slab.make(static_cast<int>(random() % 1'000)));
      } else {
        const std::size_t any = random() % things.size();
        REQUIRE(things[any]->whole());
        slab.destroy(things[any]);
        things[any] = things.back();
        things.pop_back();
      }
    }
    CHECK(slab.size() == aim);
    CHECK(Thing::alive == static_cast<int>(aim));
    CHECK(std::set<Thing*>(things.begin(), things.end()).size() == aim);
    for (const Thing* thing : things) CHECK(thing->whole());
  }
  for (Thing* thing : things) slab.destroy(thing);
  CHECK(slab.size() == 0);
  CHECK(Thing::alive == 0);
}

TEST_CASE("objects lie side by side, and a freed cell is the next to be used") {
  Slab<Thing> slab;
  Thing* first = slab.make(1);
  Thing* second = slab.make(2);
  CHECK(second == first + 1);
  slab.destroy(first);
  Thing* third = slab.make(3);
  CHECK(third == first);
  slab.destroy(second);
  slab.destroy(third);
}

TEST_CASE("an object whose constructor throws leaves its cell free") {
  Slab<Thing> slab;
  Thing* before = slab.make(1);
  CHECK_THROWS_AS(slab.make(-1), std::runtime_error);
  CHECK(slab.size() == 1);
  Thing* after = slab.make(2);
  CHECK(after == before + 1);
  slab.destroy(before);
  slab.destroy(after);
}
