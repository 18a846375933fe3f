// `kferry check`: everything wrong with the configuration at once, else the plan; with --dial what the bootstrap
// servers and the brokers themselves say (cli/dial_check.h).
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "certificates/tls_contexts.h"
#include "cli/certificates.h"
#include "cli/commands.h"
#include "cli/dial_check.h"
#include "cli/plan.h"
#include "cli/problems.h"
#include "config/load.h"
#include "net/cares_resolver.h"

namespace kferry::cli {
namespace {

constexpr Duration name_timeout = std::chrono::seconds(3);

// Before 0.2 a rule was matched against the whole subject's text, where a star could run across attributes.
std::vector<config::Problem> subject_rule_warnings(const config::Config& config) {
  std::vector<config::Problem> warnings;
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      if (!listener.tls) continue;
      for (const std::string& rule : listener.tls->required_subjects) {
        if (rule.find('*') == std::string::npos) continue;
        std::string what = "the subject rule \"";
        what.append(rule).append(
            "\" is matched attribute by attribute since version 0.2: its stars no longer run "
            "across attributes");
        warnings.push_back({"listener " + listener.name + " of cluster " + cluster.name, std::move(what),
                            "name every attribute that the subjects have", true});
      }
    }
  }
  return warnings;
}

void warn_of_names(const config::Config& config, net::Resolver& resolver) {
  std::set<std::string> seen;
  std::vector<config::Problem> warnings;
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      if (!seen.insert(listener.advertised_host).second) continue;
      const net::Answer answer =
          net::resolve_and_wait(resolver, {listener.advertised_host, listener.ports.front().advertised});
      if (answer.addresses.empty())
        warnings.push_back(unresolved_name(listener, listener.advertised_host, answer.error));
    }
  }
  print_problems(warnings);
}

}  // namespace

int check(const CheckOptions& options) {
  const auto loaded = load_or_explain(options.config_path);
  if (!loaded) return exit_configuration;
  certificates::TlsContexts contexts(std::make_shared<const config::Config>(loaded->config), null_log_sink(),
                                     Instant{});
  const std::vector<config::Problem> found = contexts.load();
  print_problems(found);
  if (const auto errors = std::ranges::count_if(found, [](const auto& one) { return !one.warning; });
      errors > 0) {
    print_problems(loaded->warnings);
    print_count(static_cast<std::size_t>(errors));
    return exit_configuration;
  }
  print_problems(subject_rule_warnings(loaded->config));
  print_problems(loaded->warnings);
  const std::vector<certificates::OwnCertificate> certificates = contexts.certificates();
  print_problems(certificate_warnings(loaded->config, certificates, std::time(nullptr)));
  std::fputs(plan_text(loaded->config, certificates).c_str(), stdout);
  std::fflush(stdout);
  auto resolver = net::start_cares_resolver({.timeout = name_timeout});
  if (!resolver) {
    std::fprintf(stderr, "kferry check: %s\n", resolver.error().c_str());
    return exit_failure;
  }
  warn_of_names(loaded->config, **resolver);
  if (options.dial &&
      !dial_check(loaded->config, contexts, **resolver, std::chrono::seconds(options.time_limit_s)))
    return exit_failure;
  return exit_well;
}

}  // namespace kferry::cli
