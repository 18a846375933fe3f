// Has TlsContexts read its files again when they change, on a thread of its own: inotify on their folders,
// and an interval for file systems that tell nothing (network shares). Follows every link on the way, so that
// the swap of a folder behind a link (Kubernetes' ..data) counts as a change of the file. Rotates the ticket
// keys as well.
//
//   event ──▶ wait until nothing has happened for quiet_after, at most patience ──▶ watch anew ──▶ reload()
//
// A change serves new connections within patience and the time to read the files: well below a second.
#pragma once

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/log_sink.h"
#include "certificates/tls_contexts.h"

namespace kferry::certificates {

class TlsWatch {
 public:
  // A certificate and its key are two writes: what comes between them is not to be read.
  static constexpr std::chrono::milliseconds quiet_after{200};
  static constexpr std::chrono::milliseconds patience{600};

  // Everything outlives it. The files are read at least once every `interval`.
  TlsWatch(TlsContexts& contexts, LogSink& log, std::chrono::milliseconds interval);
  TlsWatch(const TlsWatch&) = delete;
  TlsWatch& operator=(const TlsWatch&) = delete;
  // Ends the thread; a reload under way is waited for.
  ~TlsWatch();

 private:
  void run();

  TlsContexts& contexts_;
  LogSink& log_;
  const std::chrono::milliseconds interval_;
  int stop_ = -1;
  std::thread thread_;
};

}  // namespace kferry::certificates
