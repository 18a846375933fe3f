#include "kafka/unanswered_queue.h"

#include <doctest/doctest.h>

#include <deque>
#include <random>

using namespace kferry;
using kafka::Unanswered;
using kafka::UnansweredQueue;

TEST_CASE("gives back what was pushed, in order, whatever it grows and shrinks to") {
  for (std::uint32_t seed = 0; seed < 64; ++seed) {
    std::mt19937 random(seed);
    UnansweredQueue queue;
    std::deque<std::int32_t> model;
    std::int32_t next = 0;
    for (int step = 0; step < 2'000; ++step) {
      // Long runs of either kind, so that the queue fills and empties again and again.
      const bool push =
          model.empty() || (model.size() < 1'024 && random() % 100 < ((step / 200) % 2 == 0 ? 70U : 30U));
      if (push) {
        queue.push({.correlation_id = CorrelationId{next}});
        model.push_back(next++);
      } else {
        queue.pop();
        model.pop_front();
      }
      REQUIRE(queue.size() == model.size());
      REQUIRE(queue.empty() == model.empty());
      if (model.empty()) continue;
      REQUIRE(number(queue.front().correlation_id) == model.front());
      const std::size_t any = random() % model.size();
      REQUIRE(number(queue.at(any).correlation_id) == model[any]);
    }
  }
}
