#include "proxy/key_derivation.h"

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <vector>

namespace kferry::proxy {
namespace {

KeyOrder order(std::uint32_t iterations) {
  return {tls::Hash::sha256, Secret(bytes_of("pencil")), std::vector<std::byte>(16), iterations};
}

// A derivation whose thread is held inside its first notification, until go_on.
struct Held {
  Held() {
    first = derivation.derive(order(1), [this] {
      begun.set_value();
      go_on.get_future().wait();
    });
    begun.get_future().wait();
  }

  std::promise<void> begun;
  std::promise<void> go_on;
  KeyDerivation derivation;
  std::shared_ptr<KeyDerivation::Job> first;
};

TEST_CASE("a key is derived on another thread, which tells when it can be taken") {
  KeyDerivation derivation;
  std::promise<void> told;
  const auto job = derivation.derive(order(4096), [&] { told.set_value(); });
  REQUIRE(job != nullptr);
  told.get_future().wait();
  const auto key = job->take();
  REQUIRE(key.has_value());
  CHECK(equal_constant_time(key->bytes(), derive_key(order(4096)).bytes()));
  CHECK_FALSE(job->take().has_value());
}

TEST_CASE("orders are served in turn, and more than the limit are refused") {
  Held held;
  KeyDerivation& derivation = held.derivation;
  std::vector<std::shared_ptr<KeyDerivation::Job>> jobs;
  std::promise<void> last;
  for (std::size_t i = 0; i < KeyDerivation::waiting_max; ++i) {
    const bool is_last = i + 1 == KeyDerivation::waiting_max;
    jobs.push_back(derivation.derive(order(1), [&last, is_last] {
      if (is_last) last.set_value();
    }));
    REQUIRE(jobs.back() != nullptr);
  }
  CHECK(derivation.derive(order(1), [] {}) == nullptr);
  held.go_on.set_value();
  last.get_future().wait();
  for (const auto& job : jobs) CHECK(job->take().has_value());
}

TEST_CASE("an abandoned order tells nothing, and an ended derivation drops what waits") {
  bool told = false;
  std::shared_ptr<KeyDerivation::Job> waiting;
  {
    Held held;
    KeyDerivation& derivation = held.derivation;
    waiting = derivation.derive(order(1), [&] { told = true; });
    REQUIRE(waiting != nullptr);
    waiting->abandon();
    std::promise<void> after;
    const auto next = derivation.derive(order(1), [&] { after.set_value(); });
    held.go_on.set_value();
    after.get_future().wait();
  }
  CHECK_FALSE(told);
  CHECK_FALSE(waiting->take().has_value());
}

}  // namespace
}  // namespace kferry::proxy
