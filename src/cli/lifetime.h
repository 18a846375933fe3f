// How a running kferry ends, or gives its place to another one, on its main thread:
//
//   serving ─SIGTERM▶ lame duck ─lame_duck_s▶ draining ─no connection left, or drain_deadline_s▶ over
//      ├────────────────SIGINT──────────────────────▲         a second SIGTERM or SIGINT ▶ over, at once
//      └─SIGUSR2▶ upgrading ─the successor is ready─┘
//                     └──────it fails, or takes too long▶ serving, as before
//
//   lame duck   /health/ready says 503 and everything else continues, so that balancers send clients elsewhere; skipped
//               unless a health path has been asked since the start
//   upgrading   cli/successor.h: another process starts, with the same sockets; this one serves meanwhile
//   draining    proxy::Server::drain(): the listeners close, and each connection ends once it is answered
//   over        proxy::Server::stop() resets what is left
//
// SIGTERM or SIGINT while upgrading ends the successor and then this process. A process that has a successor drains
// through the first SIGTERM, which a service manager sends to both.
//
// Except for what is marked, one thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "cli/monitor.h"
#include "cli/successor.h"
#include "proxy/server.h"
#include "tls/ticket_keys.h"

namespace kferry::cli {

class Lifetime {
 public:
  using Outcome = std::expected<pid_t, std::string>;
  // What a successor is given beside the proxy's own sockets and state.
  struct Upgrading {
    // Descriptors, which stay the caller's: those of HTTP and the control socket.
    std::function<std::vector<Successor::Handed>()> sockets;
    // With the ticket keys of the contexts that are in use now.
    std::function<std::vector<tls::TicketKeys::Handed>()> tickets;
    // The successor, with this process id, serves: this process no longer answers HTTP, nor its control socket.
    std::function<void(pid_t)> succeeded;
  };
  // How far the end of kferry is, for those who follow it: when it has changed, at most once a second, and at times
  // when it has not.
  struct News {
    std::string text;  // for people
    bool over = false;
    bool well = true;  // once over: every connection has ended in order
  };

  // Everything outlives it.
  Lifetime(proxy::Server& server, Monitor& monitor, LogSink& log, Upgrading upgrading,
           std::function<void(const News&)> followers)
      : server_(server),
        monitor_(monitor),
        log_(log),
        upgrading_(std::move(upgrading)),
        followers_(std::move(followers)) {}
  ~Lifetime();

  // Any thread: as SIGTERM does, but once kferry ends, another call changes nothing.
  void ask_to_drain();
  // Any thread: as SIGUSR2 does. The outcome comes once the successor serves: its process id, or why it does not.
  // `timeout`: within which the successor must be ready.
  std::future<Outcome> ask_to_upgrade(Duration timeout);
  // Once over(): who asks from now on is refused.
  void refuse_upgrades();

  // `number`: SIGTERM, SIGINT or SIGUSR2.
  void on_signal(int number, Instant now);
  // To be called within patience() of the last call.
  void tick(Instant now);
  Duration patience() const;
  bool over() const { return phase_ == Phase::over; }
  // Once over(): followers hear how it ended.
  void tell_end() { followers_(end_); }
  // For people: "draining: 12 connections left"; empty while kferry serves.
  std::string progress() const;

 private:
  enum class Phase : std::uint8_t { serving, lame_duck, draining, over };

  void on_end_signal(int number, Instant now);
  void tell_followers(Instant now);
  void end(std::string text, bool well);
  void begin_to_drain(std::string_view why, proxy::DrainOrders::Ports ports, Instant now);
  void follow_drain(Instant now);
  void begin_upgrade(Instant now);
  std::expected<std::unique_ptr<Successor>, std::string> start_successor(Instant now);
  void follow_upgrade(Instant now);
  std::string not_serving() const;
  void end_upgrade(Outcome outcome);

  proxy::Server& server_;
  Monitor& monitor_;
  LogSink& log_;
  const Upgrading upgrading_;
  const std::function<void(const News&)> followers_;
  Phase phase_ = Phase::serving;
  std::unique_ptr<Successor> successor_;  // while it starts
  pid_t succeeded_by_ = 0;                // valid once it serves
  bool term_forgiven_ = false;            // after a succession
  Instant until_{};                       // of the lame duck or the drain
  Instant began_{};                       // the drain
  Instant report_{};                      // when progress is logged next
  std::string followed_;                  // what followers know
  Instant followed_at_{};                 // when they were told
  News end_;                              // valid once over
  std::atomic<bool> ending_ = false;      // not serving, or asked not to
  std::mutex mutex_;                      // held briefly
  std::string refusing_;                  // why an upgrade cannot begin any more; empty: it can
  Duration upgrade_timeout_ = Successor::upgrade_timeout;  // of the next upgrade
  std::vector<std::promise<Outcome>> askers_;
};

}  // namespace kferry::cli
