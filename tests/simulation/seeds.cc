// See seeds.h.
#include "seeds.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "doctest/doctest.h"

// Sanitizers end a program without a signal; where one is linked in, it tells of its end.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());  // NOLINT

namespace kferry::simulation {
namespace {

constexpr std::uint64_t steps_by_default = 150'000;

std::string replay_line;  // what repeats the present run; written out by a crash

void on_death() {
  const char* const head = "the run that died: ";
  if (::write(STDERR_FILENO, head, std::strlen(head)) < 0 ||
      ::write(STDERR_FILENO, replay_line.data(), replay_line.size()) < 0)
    return;
}
void on_abort(int) {
  on_death();  // and the default action follows
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

void remember(const char* scenario, std::uint64_t seed) {
  static const bool once = [] {
    std::signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(on_death);
    return true;
  }();
  static_cast<void>(once);
  replay_line = "seed " + std::to_string(seed) + " of \"" + scenario +
                "\"; again: KFERRY_SIMULATION_SEED=" + std::to_string(seed) +
                " KFERRY_SIMULATION_TRACE=1 simulation_test -tc='" + scenario + "'\n";
}

}  // namespace

void over_seeds(const char* scenario, unsigned share,
                const std::function<std::unique_ptr<World>(Run&)>& run) {
  const bool trace = std::getenv("KFERRY_SIMULATION_TRACE") != nullptr;
  const std::uint64_t budget = number_from("KFERRY_SIMULATION_STEPS", steps_by_default) * share / 100;
  std::uint64_t seed = number_from("KFERRY_SIMULATION_SEED", 1);
  std::uint64_t steps = 0;
  std::uint64_t seeds = 0;
  std::uint64_t verified = 0;
  const auto begin = std::chrono::steady_clock::now();
  do {
    remember(scenario, seed);
    Run one{seed, trace, Dice(seed * 31 + 7)};
    const std::unique_ptr<World> world = run(one);
    steps += world->steps();
    verified += world->ledger.replies_verified;
    ++seeds;
    for (const std::string& violation : world->ledger.violations())
      std::printf("violation: %s\n", violation.c_str());
    const bool good = world->ledger.violations().empty();
    if (!good) std::printf("%s", replay_line.c_str());
    REQUIRE_MESSAGE(good, replay_line);
    ++seed;
  } while (steps < budget && !trace);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%s: %llu seeds, %llu steps, %llu answers verified, %.0f steps a second\n", scenario,
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(steps),
              static_cast<unsigned long long>(verified),
              static_cast<double>(steps) / std::max(seconds, 1e-9));
}

WorldOptions some_options(Run& run) {
  Dice& dice = run.dice;
  WorldOptions options;
  options.ids.clear();
  const std::size_t brokers = 1 + dice.below(5);
  std::int32_t id = static_cast<std::int32_t>(dice.below(3) == 0 ? dice.below(2'000'000'000) : dice.below(4));
  options.min_broker_id = dice.one_in(2) ? id : 0;
  for (std::size_t i = 0; i < brokers; ++i) options.ids.push_back(id + static_cast<std::int32_t>(i));
  options.ports = brokers + dice.below(3);
  if (dice.one_in(4)) {  // sparse ids, listed one by one
    options.ids.clear();
    for (std::size_t i = 0; i < brokers; ++i)
      options.ids.push_back(static_cast<std::int32_t>(i * 1000 + dice.below(1000)));
    options.listed_ids = options.ids;
  }
  options.workers = 1 + dice.below(3);
  options.buffers = std::size_t{16} << dice.below(4);
  options.buffer_size = std::size_t{1024} << dice.below(5);
  options.splice_threshold = dice.one_in(4) ? 0 : std::uint64_t{64} << dice.below(12);
  options.receive_size = std::uint32_t{4096} << dice.below(6);
  options.multishot_receive = dice.one_in(4) ? 0 : std::uint32_t{16} << dice.below(14);
  options.look_ahead = dice.one_in(4) ? 0 : std::uint32_t{1} << dice.below(14);
  options.discovery = dice.one_in(2);
  options.credentials = options.discovery && dice.one_in(3);
  options.bootstrap_by_alias = dice.one_in(2);
  options.simulation.multishot_end = static_cast<std::uint32_t>(dice.below(900'000));
  options.simulation.short_read = static_cast<std::uint32_t>(dice.below(900'000));
  options.simulation.peeks = !dice.one_in(8);
  options.simulation.short_write = static_cast<std::uint32_t>(dice.below(900'000));
  options.simulation.no_buffers = static_cast<std::uint32_t>(dice.below(100'000));
  options.simulation.latency_max = std::chrono::microseconds(1 + dice.below(500));
  options.simulation.socket_buffer_min = 500 + dice.below(4'000);
  options.simulation.socket_buffer_max = options.simulation.socket_buffer_min + dice.below(200'000);
  return options;
}

}  // namespace kferry::simulation
