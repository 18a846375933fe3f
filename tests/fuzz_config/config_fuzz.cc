// Fuzzes the loader: the input's first byte says how many lines are variables, the rest is TOML. The loader must
// neither crash nor show the secret that every run contains.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/load.h"
#include "config/security_protocol.h"
#include "config/sni.h"

using namespace kferry::config;

namespace {

constexpr std::string_view secret = "zQ9-fuzz-secret";

void require_no_secret(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    if (to_string(problem).find(secret) != std::string::npos) std::abort();
    if (problem.what.empty() || problem.where.empty()) std::abort();
  }
}

// Every composed name parses back, and the bootstrap name belongs to no broker.
void require_names(const SniNames& names) {
  for (const std::int32_t id : {0, 7, 2147483647}) {
    const auto target = sni_target(names, names.host_of(kferry::NodeId{id}));
    if (!target || target->node != kferry::NodeId{id}) std::abort();
  }
  const auto target = sni_target(names, names.bootstrap);
  if (!target || target->node) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  // A message may rightly quote an input that contains the secret in a key that is not secret.
  if (text.find(secret) != std::string_view::npos) return 0;
  Sources sources;
  for (int lines = bytes[0] % 16; lines > 0 && !text.empty(); --lines) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    sources.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  sources.environment["KAFKA_SASL_JAAS_CONFIG_FILE"] = "/secret";
  sources.environment["GATEWAY_SSL_KEY_PASSWORD"] = secret;
  sources.environment["GATEWAY_LICENSE_KEY"] = secret;
  sources.read_file = [&](const std::string& path) -> std::expected<std::string, std::string> {
    if (path == "/secret") return std::string(secret);
    return std::unexpected(std::string("none"));
  };
  sources.toml = Toml{"fuzz.toml", std::string(text)};
  const Loaded loaded = load(sources);
  require_no_secret(loaded.problems);
  require_no_secret(loaded.warnings);
  if (loaded.ok()) {
    if (loaded.config.clusters.empty()) std::abort();
    for (const Cluster& cluster : loaded.config.clusters) {
      if (cluster.upstream.tls.has_value() != uses_tls(cluster.upstream.security_protocol)) std::abort();
      if (cluster.listeners.empty() || cluster.upstream.bootstrap_servers.empty()) std::abort();
      for (const Listener& listener : cluster.listeners) {
        if (listener.ports.empty() || listener.advertised_host.empty()) std::abort();
        if (listener.tls.has_value() != uses_tls(listener.security_protocol)) std::abort();
        if (listener.sni) require_names(*listener.sni);
        if (listener.sni.has_value() != (listener.routing == Routing::sni)) std::abort();
      }
    }
  }
  return 0;
}
