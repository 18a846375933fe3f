// What every run must leave in the counters, however its connections ended: nothing is active or awaited any more, and
// what began has ended, once, for a reason that kferry knows.
#include <string>

#include "world.h"

namespace kferry::simulation {

void World::expect_sound_figures() {
  if (runtime_->audit != nullptr) trail_.expect(figures());
  for (const auto& [names, listener] : figures().listeners) {
    const auto expect = [&](bool holds, const std::string& what) {
      if (!holds) ledger.violation("figures of listener " + names.second + ": " + what);
    };
    expect(listener.active() == 0, std::to_string(listener.active()) + " active connections");
    expect(listener.accepted == listener.closed_in_all(), std::to_string(listener.accepted) + " accepted, " +
                                                              std::to_string(listener.closed_in_all()) +
                                                              " closed");
    expect(listener.awaited == listener.answered + listener.unanswered,
           std::to_string(listener.awaited) + " requests, " + std::to_string(listener.answered) +
               " answered, " + std::to_string(listener.unanswered) + " unanswered");
    expect(listener.closed[static_cast<std::size_t>(CloseCause::internal)] == 0,
           "connections that ended for no known reason");
    std::uint64_t timed = 0;
    for (const auto& api : listener.durations)
      timed += api[static_cast<std::size_t>(proxy::RequestPart::client)].total();
    expect(timed <= listener.answered, "more answers were timed than came");
  }
}

}  // namespace kferry::simulation
