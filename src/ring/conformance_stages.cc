// The backends that the tests of conformance.h run against.
#include <expected>

#include "ring/conformance.h"
#include "ring/epoll_ring.h"
#include "ring/simulated_ring.h"
#include "ring/uring_ring.h"

namespace kferry::ring {
namespace {

struct KernelStage final : Stage {
  explicit KernelStage(std::expected<std::unique_ptr<Ring>, std::string> made) {
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error()));
    ring_ = std::move(*made);
  }
  Ring& ring() override { return *ring_; }
  std::unique_ptr<Ring> ring_;
};

struct SimulatedStage final : Stage {
  explicit SimulatedStage(std::uint64_t seed) : world({.seed = seed}), ring_(world) {}
  Ring& ring() override { return ring_; }
  void idle() override { REQUIRE(world.step()); }
  Simulation world;
  SimulatedRing ring_;
};

}  // namespace

std::vector<std::pair<std::string, std::unique_ptr<Stage>>> every_stage() {
  std::vector<std::pair<std::string, std::unique_ptr<Stage>>> stages;
  stages.emplace_back("io_uring", std::make_unique<KernelStage>(UringRing::create({})));
  UringOptions old;
  old.entries = 8;  // so that the queue is often full
  old.buffer_count = 8;
  old.defer_taskrun = old.bundles = old.message_ring = old.multishot_accept = old.multishot_receives = false;
  stages.emplace_back("io_uring, everything newer off",
                      std::make_unique<KernelStage>(UringRing::create(old)));
  stages.emplace_back("epoll", std::make_unique<KernelStage>(EpollRing::create({})));
  EpollOptions few;
  few.buffer_count = 8;
  stages.emplace_back("epoll, few buffers", std::make_unique<KernelStage>(EpollRing::create(few)));
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    stages.emplace_back("simulated, seed " + std::to_string(seed), std::make_unique<SimulatedStage>(seed));
  return stages;
}

}  // namespace kferry::ring
