// Reloads TlsContexts when its files change, on a thread of its own: with inotify on their folders, and at an interval
// for file systems without events (network shares). Follows every link on the path, so that swapping a folder behind a
// link (Kubernetes' ..data) counts as a change of the file. Also rotates the ticket keys.
//
//   event ──▶ wait until nothing has happened for quiet_after, at most patience ──▶ watch anew ──▶ reload()
//
// New connections use a change after `patience` and the time to read the files at the latest: well below a second.
#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/log_sink.h"
#include "certificates/tls_contexts.h"

namespace kferry::certificates {

class TlsWatch {
 public:
  // A certificate and its key are written one after the other, and must not be read in between.
  static constexpr std::chrono::milliseconds quiet_after{200};
  static constexpr std::chrono::milliseconds patience{600};

  // The arguments outlive it. The files are read at least once every `interval`. The error says what this host lacks
  // for it; only the lack of an inotify instance is a line in the log instead, because regular readings notice
  // changes, too.
  static std::expected<std::unique_ptr<TlsWatch>, std::string> start(TlsContexts& contexts, LogSink& log,
                                                                     std::chrono::milliseconds interval);
  TlsWatch(const TlsWatch&) = delete;
  TlsWatch& operator=(const TlsWatch&) = delete;
  // Stops the thread, after any reload in progress.
  ~TlsWatch();

 private:
  class Watches;
  TlsWatch(TlsContexts& contexts, LogSink& log, std::chrono::milliseconds interval, int stop);
  void run();

  TlsContexts& contexts_;
  LogSink& log_;
  const std::chrono::milliseconds interval_;
  const int stop_;  // an eventfd
  std::unique_ptr<Watches> watches_;
  std::thread thread_;
};

}  // namespace kferry::certificates
