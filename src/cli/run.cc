// `kferry run`: loads the configuration, serves until it is told to end, and drains (cli/lifetime.h); SIGHUP reloads.
// What happens goes to the log on stderr, one event a line; what is wrong with the configuration is printed as `check`
// prints it.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/counted.h"
#include "base/handed_sockets.h"
#include "base/last_words.h"
#include "certificates/tls_contexts.h"
#include "cli/commands.h"
#include "cli/control_commands.h"
#include "cli/lifetime.h"
#include "cli/monitor.h"
#include "cli/problems.h"
#include "cli/reloader.h"
#include "cli/run_log.h"
#include "cli/succession.h"
#include "cli/supervision.h"
#include "config/load.h"
#include "config/log_words.h"
#include "net/cares_resolver.h"
#include "operations/log.h"
#include "proxy/plan.h"
#include "proxy/server.h"
#include "tls/known_answers.h"

namespace kferry::cli {
namespace {

// Every connection takes two descriptors: what the hard limit allows is taken at once.
void raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Blocks of a TLS stream come and go by the hundred a second: the heap's end is not given back to the kernel and
// faulted in anew for each.
void keep_some_heap() {
  constexpr int trim_threshold = 4 * 1024 * 1024;
  mallopt(M_TRIM_THRESHOLD, trim_threshold);
}

// Blocks them in this thread and all it starts, so that only serve() takes them. SIGHUP is blocked from the very
// start, because it ends a process that has not asked for it.
sigset_t block(std::initializer_list<int> numbers) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : numbers) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Flushed before the last words of a process that cannot continue. Set while the log exists.
std::atomic<operations::Log*> running_log{nullptr};

class FlushedAtTheLast {
 public:
  explicit FlushedAtTheLast(operations::Log& log) {
    running_log = &log;
    set_flush_before_last_words([]() noexcept {
      if (const operations::Log* const running = running_log)
        running->flush_without_lock(std::chrono::milliseconds(200));
    });
  }
  FlushedAtTheLast(const FlushedAtTheLast&) = delete;
  FlushedAtTheLast& operator=(const FlushedAtTheLast&) = delete;
  ~FlushedAtTheLast() {
    set_flush_before_last_words(nullptr);
    running_log = nullptr;
  }
};

timespec to_timespec(Duration time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

// Returns once kferry is to stop. Meanwhile the log's open counts are written, and the server is observed.
void serve(const sigset_t& signals, Lifetime& lifetime, operations::Log& log, operations::AuditLog* audit,
           Monitor& monitor, Supervision& supervision,
           const std::unique_ptr<operations::ControlServer>& control) {
  Instant told{};
  while (!lifetime.over()) {
    if (const Instant now = monotonic_now(); now - told >= supervision.pause()) {
      told = now;
      monitor.observe();
      supervision.tell(lifetime.progress());
      log.tick();
      if (audit != nullptr) audit->tick();
    }
    const timespec pause =
        to_timespec(std::clamp(lifetime.patience(), Duration::zero(), supervision.pause()));
    const int received = sigtimedwait(&signals, nullptr, &pause);
    if (received == SIGHUP) {
      if (control != nullptr) control->soon();  // a process that has a successor has none
    } else if (received > 0) {
      lifetime.on_signal(received, monotonic_now());
    }
    lifetime.tick(monotonic_now());
  }
}

// Once per listener: what clients connect to.
void log_listeners(const config::Config& config, const proxy::Server& server, operations::Log& log) {
  const std::size_t workers = server.worker_count();
  std::set<HostPort> ports;  // some listeners share one
  for (const config::Cluster& cluster : config.clusters) {
    for (const config::Listener& listener : cluster.listeners) {
      for (const config::Port& port : listener.ports) ports.insert({listener.bind_address, port.local});
      const HostPort bootstrap{listener.advertised_host, listener.ports.front().advertised};
      log.write({Severity::info, "listening", cluster.name + "/" + listener.name,
                 "listener " + listener.name + " of cluster " + cluster.name + ": " +
                     counted(listener.ports.size(), "port") + " on " + listener.bind_address +
                     ", clients bootstrap at " + to_string(bootstrap)});
    }
  }
  log.write({Severity::info, "ready", "",
             "kferry " KFERRY_VERSION " is ready: " + counted(ports.size(), "port") + ", " +
                 counted(workers, "worker") + " on " + std::string(server.backend())});
}

// What the control socket's commands do.
ControlCalls control_calls(Reloader& reloader, Monitor& monitor, Supervision& supervision,
                           operations::Log& log, operations::AuditLog* audit, Lifetime& lifetime) {
  ControlCalls calls;
  calls.reload = [&, audit](bool dry_run) {
    if (dry_run) return reloader.reload(dry_run);
    log.reopen();
    if (audit != nullptr) audit->reopen();
    supervision.reloading();
    ReloadReport report = reloader.reload(dry_run);
    if (!report.refused) log.set_level(log_level(reloader.config().operations.log_level));
    monitor.note_reloads(reloader.status());
    supervision.reloaded();
    return report;
  };
  calls.log_level = [&log](const std::string& word) {
    const auto level = config::log_level_of(word);
    if (!level)
      return operations::control_result(false, "not a known level; levels: " + config::log_level_words());
    log.set_level(log_level(*level));
    return operations::control_result(true, "the log has level " + word + " until the next reload or start");
  };
  calls.drain = [&lifetime] { lifetime.ask_to_drain(); };
  calls.upgrade = [&](Duration timeout) {
    const Lifetime::Outcome outcome = lifetime.ask_to_upgrade(timeout).get();
    return operations::control_result(outcome.has_value(), outcome ? "process " + std::to_string(*outcome) +
                                                                         " serves now, and process " +
                                                                         std::to_string(getpid()) + " drains"
                                                                   : outcome.error());
  };
  calls.health = [&] {
    const operations::HttpReply reply = monitor.answer({.path = "/health/ready", .accept = {}});
    return operations::control_result(reply.status == 200, reply.body);
  };
  return calls;
}

}  // namespace

int run(const RunOptions& options) {
  block({SIGHUP});
  // An ignored signal is lost though it is blocked: nohup ignores SIGHUP, and a shell SIGINT for its background jobs.
  std::signal(SIGHUP, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  HandedSockets& handed = HandedSockets::from_environment();
  const auto loaded = load_or_explain(options.config_path);
  if (!loaded) return exit_configuration;

  raise_open_files();
  keep_some_heap();
  const sigset_t signals = block({SIGTERM, SIGINT, SIGHUP, SIGUSR2});
  const auto started_log = operations::Log::start(log_options(loaded->config.operations));
  if (!started_log) {
    std::fprintf(stderr, "kferry: %s\n", started_log.error().c_str());
    return exit_failure;
  }
  operations::Log& log = **started_log;
  const FlushedAtTheLast flushed(log);
  HandedState state = take_state(handed, log);
  for (const config::Problem& warning : loaded->warnings) {
    log.write({Severity::warning, "configuration", warning.where, config::to_string(warning)});
  }
  const auto contexts = std::make_shared<certificates::TlsContexts>(
      std::make_shared<const config::Config>(loaded->config), log, monotonic_now());
  contexts->ticket_keys().take_over(std::move(state.tickets), monotonic_now());
  const std::vector<config::Problem> found = contexts->load();
  if (!contexts->can_serve()) {
    print_problems(found);
    print_count(static_cast<std::size_t>(
        std::ranges::count_if(found, [](const config::Problem& one) { return !one.warning; })));
    return exit_configuration;
  }
  // The parts that can serve do not wait for those that cannot.
  for (const config::Problem& problem : found) {
    log.write({problem.warning ? Severity::warning : Severity::error,
               problem.warning ? "tls_part_left_out" : "tls_part_unusable", problem.where,
               to_string(problem) + (problem.warning ? "" : "; what depends on it is refused until then")});
  }
  if (const auto wrong = contexts->any() ? tls::check_known_answers() : std::nullopt) {
    log.write({Severity::error, "start_failed", "", *wrong});
    return exit_failure;
  }
  const auto resolver = net::start_cares_resolver({});
  if (!resolver) {
    log.write({Severity::error, "start_failed", "", "cannot resolve names: " + resolver.error()});
    return exit_failure;
  }
  const auto started_audit = start_audit(loaded->config.operations, log);
  if (!started_audit) {
    log.write({Severity::error, "start_failed", "", started_audit.error()});
    return exit_failure;
  }
  operations::AuditLog* const audit = started_audit->get();
  proxy::Server server(proxy::Plan::make(loaded->config), **resolver, log,
                       contexts->any() ? contexts : nullptr);
  if (audit != nullptr) server.audit_to(*audit);
  Reloader reloader({options.config_path, *loaded, contexts}, server, log);
  // Before the server starts, so that kferry does not listen without it.
  if (const auto watching = reloader.watch_certificates(); !watching) {
    log.write({Severity::error, "start_failed", "", watching.error()});
    return exit_failure;
  }
  const int report = handed.take_named(handed_report);
  const bool succeeds = report >= 0;
  // Its predecessor has waited for the upstream.
  Monitor monitor(server,
                  monotonic_now() - (succeeds ? operations::Health::upstream_patience : Duration::zero()),
                  [&log, audit] {
                    LineCounts lines{.log_dropped = log.dropped()};
                    if (audit != nullptr) lines.audit = {audit->sink(), audit->records(), audit->dropped()};
                    return lines;
                  });
  monitor.note_reloads(reloader.status());
  server.restore(state.clusters);
  auto http = bind_http(loaded->config.operations, log, handed);
  const auto answer_http = [&] {
    return *http == nullptr ? std::expected<void, std::string>()
                            : serve_http(**http, loaded->config.operations, monitor, log);
  };
  // A successor answers once it serves: until then its predecessor does, by the same sockets.
  if (const auto bound = !http      ? std::unexpected(http.error())
                         : succeeds ? std::expected<void, std::string>()
                                    : answer_http();
      !bound) {
    log.write({Severity::error, "start_failed", "", bound.error()});
    return exit_failure;
  }
  if (const auto started = server.start(&handed); !started) {
    log.write({Severity::error, "start_failed", "", started.error()});
    return exit_failure;
  }
  log_listeners(loaded->config, server, log);
  std::unique_ptr<operations::ControlServer> control;
  Supervision supervision(monitor, log);
  Lifetime lifetime(server, monitor, log, upgrading(*http, control, server, supervision),
                    [&control](const Lifetime::News& news) {
                      if (control != nullptr)  // a process that has a successor has none
                        control->tell(news.over ? operations::control_result(news.well, news.text).front()
                                                : progress_line(news.text));
                    });
  auto serving =
      serve_control(loaded->config.operations.control,
                    control_calls(reloader, monitor, supervision, log, audit, lifetime), log, handed);
  if (!serving) {
    log.write({Severity::error, "start_failed", "", serving.error()});
    return exit_failure;
  }
  control = std::move(*serving);
  if (const auto answering = succeeds ? answer_http() : std::expected<void, std::string>(); !answering) {
    log.write({Severity::error, "start_failed", "", answering.error()});
    return exit_failure;
  }
  tell_predecessor(report, handed, log);
  serve(signals, lifetime, log, audit, monitor, supervision, control);
  supervision.stopping();
  lifetime.refuse_upgrades();
  server.stop();
  lifetime.tell_end();
  control.reset();  // its commands use what ends before it
  log.write({Severity::info, "stopped", "", "kferry stopped"});
  return exit_well;
}

}  // namespace kferry::cli
