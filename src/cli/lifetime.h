// How a running kferry ends, on its main thread:
//
//   serving ─SIGTERM▶ lame duck ─lame_duck_s▶ draining ─no connection left, or drain_deadline_s▶ over
//      └──────────────SIGINT──────────────────────▲           a second SIGTERM or SIGINT ▶ over, at once
//
//   lame duck   /health/ready says 503 and everything else goes on, so that balancers send clients elsewhere
//   draining    proxy::Server::drain(): the listeners close, and each connection ends once it is answered
//   over        proxy::Server::stop() resets what is left
//
// Except for ask_to_drain(), one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log_sink.h"
#include "cli/monitor.h"
#include "proxy/server.h"

namespace kferry::cli {

class Lifetime {
 public:
  // Everything outlives it.
  Lifetime(proxy::Server& server, Monitor& monitor, LogSink& log)
      : server_(server), monitor_(monitor), log_(log) {}

  // Any thread: as SIGTERM does.
  static void ask_to_drain();

  // `number`: SIGTERM or SIGINT.
  void on_signal(int number, Instant now);
  // To be called within patience() of the last call.
  void tick(Instant now);
  Duration patience() const;
  bool over() const { return phase_ == Phase::over; }
  // For people: "draining, 12 connections left"; empty while kferry serves.
  std::string progress() const;

 private:
  enum class Phase : std::uint8_t { serving, lame_duck, draining, over };

  void begin_to_drain(std::string_view why, Instant now);
  void follow_drain(Instant now);

  proxy::Server& server_;
  Monitor& monitor_;
  LogSink& log_;
  Phase phase_ = Phase::serving;
  Instant until_{};   // of the lame duck or the drain
  Instant began_{};   // the drain
  Instant report_{};  // when progress is reported next
};

}  // namespace kferry::cli
