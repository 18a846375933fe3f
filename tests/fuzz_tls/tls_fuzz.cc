// Fuzzes the server engine's input: the first byte says how finely the rest is cut. Whatever comes, the engine must
// neither crash, hang, nor hold more than its limits. The certificate is made by openssl at the start.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "tls/engine.h"
#include "x509/authority_test.h"

using namespace kferry;
using namespace kferry::tls;

namespace {

// Grown by doubling, so at most twice what is allowed to be in them.
constexpr std::size_t held_max = 2 * (client_hello_size_max + (1 << 20) + 2 * pending_size_max);

std::shared_ptr<const ServerContext> context() {
  static const auto made = [] {
    const x509::Authority authority;
    ServerSettings settings;
    settings.identity = authority.issue("server", {});
    settings.client_auth = ClientAuth::optional;
    settings.client_cas = {authority.certificate()};
    const auto context = ServerContext::make(settings, nullptr);
    if (!context) std::abort();
    return *context;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t cut = bytes[0] == 0 ? size : bytes[0];
  auto rest = std::as_bytes(std::span(bytes, size)).subspan(1);
  const auto engine =
      Engine::server([](std::string_view name) { return name == "nobody.example" ? nullptr : context(); });
  std::vector<std::byte> room(4096);
  while (!rest.empty() && engine->state() != Engine::State::failed) {
    const auto part = rest.first(std::min(cut, rest.size()));
    const auto fed = engine->feed(part, room);
    if (fed.taken > part.size() || fed.made > room.size()) std::abort();
    if (fed.taken == 0 && fed.made == 0 && engine->state() != Engine::State::failed) std::abort();
    if (engine->held_size() > held_max) std::abort();
    rest = rest.subspan(fed.taken);
    engine->sent(engine->to_send().size());
  }
  engine->end_of_input();
  if (engine->state() == Engine::State::failed &&
      (engine->failure().cause.empty() || engine->failure().text.empty() ||
       engine->failure().text.find('\n') != std::string::npos)) {
    std::abort();
  }
  engine->close();
  return 0;
}
