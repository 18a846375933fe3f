// The verb `probe`: what a client would find at HOST:PORT, without SASL credentials. Asks ApiVersions and Metadata
// there, then visits every address that the answer advertises, as a client would. What it found goes to
// stdout.
//
//   resolve ─▶ connect ─▶ [TLS] ─▶ ApiVersions 0 ─▶ Metadata 2 ─▶ for each broker: the same without Metadata
//
// A listener that requires SASL closes on Metadata: then the addresses stay unknown, which is reported but is not an
// error.

#include <array>
#include <chrono>
#include <cstdio>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "base/counted.h"
#include "base/printable.h"
#include "certificates/tls_contexts.h"
#include "cli/broker_look.h"
#include "cli/commands.h"
#include "cli/parallel.h"
#include "config/load.h"
#include "net/cares_resolver.h"

namespace kferry::cli {
namespace {

constexpr std::string_view client_id = "kferry-probe";

// A Metadata answer may name any number; a person reads so many.
constexpr std::size_t brokers_max = 1000;
// All of them in all, so that many silent ones do not take hours.
constexpr Duration brokers_budget = std::chrono::seconds(60);

std::string milliseconds(Duration time) {
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1f ms",
                                 std::chrono::duration<double, std::milli>(time).count());
  return {text.data(), static_cast<std::size_t>(size)};
}

void print(const std::string& line) {
  std::printf("%s\n", line.c_str());
}

// A failure of TLS as it concerns the client that probes: the engine's own words speak of an upstream's settings.
std::string client_words(const BrokerLook& step, const ProbeOptions& options) {
  const std::string_view cause = step.tls_cause;
  const bool has_certificate = !options.certificate_path.empty();
  if (cause == "client_certificate_required" || cause == "client_certificate_refused") {
    return has_certificate
               ? "the listener refuses the client certificate in " + options.certificate_path +
                     ": have it signed by an authority that the listener trusts; its log gives the reason"
               : "the listener requires a client certificate, and this probe has none: name one with "
                 "--certificate FILE, and its key with --key FILE";
  }
  if (cause == "no_common_cipher" && !has_certificate) {
    return "the listener refuses the TLS handshake: either it requires a client certificate (--certificate "
           "FILE), or "
           "no cipher suite or curve is common to both sides";
  }
  if (cause == "certificate_untrusted")
    return step.failure + ", or name its authority with --ca FILE if you trust it";
  if (cause == "certificate_not_allowed")
    return step.failure + ", or name the host that clients use with --server-name NAME";
  if (cause == "server_name_refused")
    return "the listener serves no such name: probe the name that clients use, or add --server-name NAME";
  if (cause == "plaintext_on_tls")
    return "the listener speaks plaintext Kafka: leave out --tls and its files";
  if (cause == "no_tls_answer")
    return "closed at the first bytes of TLS: most likely the listener speaks plaintext; leave out --tls";
  return step.failure;
}

std::string told(const BrokerLook& step, const ProbeOptions& options) {
  const std::string where = step.address.empty() ? std::string() : step.address + "  ";
  if (!step.failure.empty()) return where + "FAILED  " + client_words(step, options);
  return where + "connect " + milliseconds(step.connect_time) + (step.tls.empty() ? "" : ", " + step.tls) +
         ", ApiVersions " + milliseconds(step.answer_time) + ", " + counted(step.apis, "API");
}

// The files of the command line as the upstream's settings that they correspond to.
config::UpstreamTls tls_of(const ProbeOptions& options) {
  const auto password = [](const std::string& path) {
    return path.empty() ? std::nullopt : std::optional(config::Password{{}, path});
  };
  config::UpstreamTls tls;
  if (!options.authorities_path.empty()) {
    tls.authorities = {"--ca",
                       options.authorities_path,
                       {},
                       password(options.authorities_password_path),
                       "--ca-password-file"};
  }
  if (!options.certificate_path.empty()) {
    tls.identity.emplace();
    tls.identity->certificates = {
        "--certificate", options.certificate_path, {}, password(options.password_path), "--password-file"};
    if (!options.key_path.empty()) tls.identity->key = {"--key", options.key_path, {}, {}, {}};
    tls.identity->key_password = password(options.password_path);
    tls.identity->key_password_name = "--password-file";
  }
  return tls;
}

// Looks at the addresses of `where` in turn until one answers. `name`: verified in place of the host; empty: the host.
BrokerLook visit(net::Resolver& resolver, const HostPort& where, const LookOptions& look,
                 const std::string& name = {}) {
  const net::Answer answer = net::resolve_and_wait(resolver, where);
  BrokerLook found;
  if (answer.addresses.empty()) found.failure = printable_ascii(answer.error);
  const HostPort verified{name.empty() ? where.host : name, where.port};
  for (const SocketAddress& address : answer.addresses) {
    found = look_at(address, verified, look);
    if (found.failure.empty()) break;
  }
  return found;
}

}  // namespace

int probe(const ProbeOptions& options) {
  const auto where = parse_host_port(options.target);
  if (!where) {
    std::fprintf(stderr, "kferry probe: %s is not HOST:PORT (put an IPv6 address into brackets)\n",
                 printable_ascii(options.target).c_str());
    return exit_failure;
  }
  const Duration timeout = std::chrono::milliseconds(options.timeout_ms);
  auto resolver = net::start_cares_resolver({.timeout = timeout});
  if (!resolver) {
    std::fprintf(stderr, "kferry probe: %s\n", resolver.error().c_str());
    return exit_failure;
  }

  std::shared_ptr<const tls::ClientContext> tls;
  if (options.tls) {
    const config::UpstreamTls files = tls_of(options);
    auto made = certificates::load_client_context(files);
    if (!made) {
      for (const config::Problem& problem : made.error())
        std::fprintf(stderr, "kferry probe: %s\n", printable_ascii(config::to_string(problem)).c_str());
      return exit_failure;
    }
    tls = std::move(*made);
  }

  LookOptions look{.client_id = client_id, .timeout = timeout, .tls = tls, .asks_metadata = true};
  const BrokerLook found = visit(**resolver, *where, look, options.server_name);
  print("bootstrap " + to_string(*where) + "  " + told(found, options));
  if (!found.failure.empty()) return exit_failure;
  if (!found.metadata) {
    print("advertised addresses unknown: Metadata without credentials: " + found.metadata_failure);
    return exit_well;
  }
  print("cluster " + printable_ascii(found.metadata->cluster_id.value_or("(no id)")) + ", controller " +
        std::to_string(number(found.metadata->controller)) + ", " +
        counted(found.metadata->brokers.size(), "broker") + " advertised");
  if (found.metadata->brokers.empty()) {
    print("FAILED  no broker is advertised: a client could go nowhere from here");
    return exit_failure;
  }
  bool is_well = true;
  if (found.metadata->brokers.size() > brokers_max) {
    print("FAILED  only the first " + std::to_string(brokers_max) + " brokers are visited");
    is_well = false;
  }
  look.asks_metadata = false;
  look.until = std::chrono::steady_clock::now() + brokers_budget;
  struct Visited {
    std::string name;
    HostPort where;
    std::string refusal;  // empty: it was dialled
    BrokerLook look;
  };
  std::vector<Visited> visits;
  std::set<HostPort> seen;
  for (const kafka::AdvertisedBroker& broker :
       std::span(found.metadata->brokers).first(std::min(found.metadata->brokers.size(), brokers_max))) {
    Visited& one = visits.emplace_back();
    one.name =
        "broker " + std::to_string(number(broker.id)) + " " + printable_ascii(to_string(broker.where)) + "  ";
    one.where = broker.where;
    if (broker.where.host.empty() || broker.where.port < 1 || broker.where.port > 65535) {
      one.refusal = "FAILED  not an address that can be dialled";
    } else if (!seen.insert(broker.where).second) {
      one.refusal = "FAILED  another broker has the same address: clients would reach the wrong one";
    }
  }
  in_parallel(visits.size(), "Probing the brokers", [&](std::size_t i) {
    if (visits[i].refusal.empty()) visits[i].look = visit(**resolver, visits[i].where, look);
  });
  for (const Visited& one : visits) {
    print(one.name + (one.refusal.empty() ? told(one.look, options) : one.refusal));
    is_well = is_well && one.refusal.empty() && one.look.failure.empty();
  }
  return is_well ? exit_well : exit_failure;
}

}  // namespace kferry::cli
