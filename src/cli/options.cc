#include "cli/options.h"

#include <ares_version.h>

#include <CLI/CLI.hpp>

#include "cli/commit.h"

#ifdef __clang__
#define KFERRY_COMPILER __VERSION__
#else
#define KFERRY_COMPILER "GCC " __VERSION__
#endif

namespace kferry::cli {

std::string version_text() {
  return "kferry " KFERRY_VERSION
         "\n"
         "liburing " KFERRY_LIBURING_VERSION ", wolfSSL " KFERRY_WOLFSSL_VERSION
         ", OpenSSL " KFERRY_OPENSSL_VERSION ", c-ares " ARES_VERSION_STR
         ", toml++ " KFERRY_TOMLPLUSPLUS_VERSION ", CLI11 " CLI11_VERSION
         "\n"
         "commit " KFERRY_COMMIT ", " KFERRY_COMPILER
         "\n"
         "Sources: Apache-2.0. Binaries that contain wolfSSL: GPL-3.0-or-later.";
}

std::expected<Options, int> parse_options(int count, const char* const* words) {
  CLI::App app{"Lets Kafka clients reach brokers they cannot route to.", "kferry"};
  app.set_version_flag("--version", version_text(), "Print the version, what is inside and its licence");
  app.footer(
      "Without a verb: run. Configuration: GATEWAY_* and KAFKA_* variables over the file;\n"
      "kferry settings lists them.\n"
      "Exit status: 0 success, 2 configuration, 1 anything else.");
  std::string config;
  const std::string config_help = "TOML file (/etc/kferry/kferry.toml, if it exists)";
  app.add_option("--config", config, config_help)->type_name("FILE");
  auto* run_verb = app.add_subcommand("run", "Run the proxy (also with no verb)");
  run_verb->add_option("--config", config, config_help)->type_name("FILE");
  auto* check_verb =
      app.add_subcommand("check", "Print everything wrong with the configuration, or the plan");
  check_verb->add_option("--config", config, config_help)->type_name("FILE");
  CheckOptions check_options;
  auto* dial_flag = check_verb->add_flag("--dial", check_options.dial,
                                         "Ask each bootstrap server, and dial each broker that they list");
  check_verb
      ->add_option("--time-limit", check_options.time_limit_s, "With --dial, for everything that is dialled")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str()
      ->needs(dial_flag);
  auto* doctor_verb =
      app.add_subcommand("doctor", "Show what this host offers, and remedies for what it lacks");
  auto* probe_verb =
      app.add_subcommand("probe", "Look at a listener from a client's side, without SASL credentials");
  ProbeOptions probe_options;
  probe_verb->add_option("target", probe_options.target, "The address clients bootstrap at")
      ->type_name("HOST:PORT")
      ->required();
  probe_verb->add_option("--timeout", probe_options.timeout_ms, "For each step")
      ->type_name("MILLISECONDS")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
  probe_verb->add_flag("--tls", probe_options.tls,
                       "Speak TLS, as an SSL or SASL_SSL listener requires; each option below implies it");
  const auto tls_file = [&](const std::string& name, std::string& path, const std::string& help) {
    return probe_verb->add_option(name, path, help)->type_name("FILE");
  };
  auto* authorities = tls_file("--ca", probe_options.authorities_path,
                               "The authorities to trust (the system's): PEM, PKCS12, JKS or DER");
  tls_file("--ca-password-file", probe_options.authorities_password_path, "A file with the password of --ca")
      ->needs(authorities);
  auto* certificate = tls_file("--certificate", probe_options.certificate_path,
                               "A client certificate with its chain and key: PEM, PKCS12 or JKS");
  tls_file("--key", probe_options.key_path, "The key, where --certificate does not contain it")
      ->needs(certificate);
  tls_file("--password-file", probe_options.password_path,
           "A file with the password of --certificate and --key")
      ->needs(certificate);
  probe_verb
      ->add_option("--server-name", probe_options.server_name,
                   "The name to ask for and to verify at HOST:PORT, if it is not HOST")
      ->type_name("NAME");
  auto* health_verb = app.add_subcommand("health", "Ask the kferry that runs here whether it is ready");
  health_verb->add_option("--config", config, config_help)->type_name("FILE");
  bool asks_serving = false;
  bool asks_live = false;
  auto* serving_flag = health_verb->add_flag("--serving", asks_serving, "Ask whether its listeners accept");
  health_verb->add_flag("--live", asks_live, "Ask whether its workers turn")->excludes(serving_flag);
  auto* reload_verb =
      app.add_subcommand("reload", "Let the kferry that runs here read its configuration again");
  ReloadOptions reload_options;
  reload_verb->add_flag("--dry-run", reload_options.dry_run, "Only print what would change");
  auto* upgrade_verb = app.add_subcommand(
      "upgrade", "Let the installed binary take the place of the kferry that runs here, without a gap");
  UpgradeOptions upgrade_options;
  upgrade_verb
      ->add_option("--timeout", upgrade_options.timeout_s, "Within which the new process must be ready")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, upgrade_timeout_s_max))
      ->capture_default_str();
  auto* drain_verb =
      app.add_subcommand("drain", "End the kferry that runs here once its clients are answered, and wait");
  bool no_wait = false;
  drain_verb->add_flag("--no-wait", no_wait, "Return as soon as the drain has begun");
  std::string control;
  for (CLI::App* const verb : {reload_verb, upgrade_verb, drain_verb}) {
    verb->add_option("--control", control, "Its control socket (control in [operations])")->type_name("PATH");
    verb->add_option("--config", config, config_help)->type_name("FILE");
  }
  auto* settings_verb =
      app.add_subcommand("settings", "List every setting with its default, range and meaning");
  SettingsOptions settings_options;
  settings_verb->add_option("words", settings_options.words,
                            "Only settings whose name, variable or table contains every word");
  settings_verb->add_flag("--tsv", settings_options.tsv,
                          "All of them for scripts: one line each, separated by tabs");
  auto* completion_verb = app.add_subcommand("completion", "Print a completion script");
  CompletionOptions completion_options;
  completion_verb->add_option("shell", completion_options.shell, "The shell")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  app.require_subcommand(0, 1);
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& end) {
    return std::unexpected(app.exit(end) == 0 ? exit_well : exit_failure);
  }
  const auto path = config.empty() ? std::optional<std::string>() : std::optional(config);
  if (check_verb->parsed()) {
    check_options.config_path = path;
    return check_options;
  }
  if (doctor_verb->parsed()) return DoctorOptions{};
  if (probe_verb->parsed()) {
    probe_options.tls = probe_options.tls || !probe_options.authorities_path.empty() ||
                        !probe_options.certificate_path.empty() || !probe_options.server_name.empty();
    return probe_options;
  }
  if (health_verb->parsed()) {
    using Question = HealthOptions::Question;
    return HealthOptions{path, asks_live      ? Question::live
                               : asks_serving ? Question::serving
                                              : Question::ready};
  }
  const auto control_given = control.empty() ? std::optional<std::string>() : std::optional(control);
  if (upgrade_verb->parsed()) return UpgradeOptions{control_given, path, upgrade_options.timeout_s};
  if (drain_verb->parsed()) return DrainOptions{control_given, path, !no_wait};
  if (reload_verb->parsed()) {
    reload_options.control = control_given;
    reload_options.config_path = path;
    return reload_options;
  }
  if (settings_verb->parsed()) return settings_options;
  if (completion_verb->parsed()) return completion_options;
  return RunOptions{path};
}

}  // namespace kferry::cli
