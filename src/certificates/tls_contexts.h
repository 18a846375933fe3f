// The TLS contexts that a configuration asks for: one for each listener and one for each upstream that has
// TLS, made from the files it names, and made again when these change. A part that cannot be made keeps its
// last good context, on its own: one broken certificate stops no other from being renewed.
//
//   files ──read──▶ tls/stores ──▶ tls/context ──▶ TlsSnapshot, immutable, replaced as a whole
//             └─ same bytes as before: the context stays, and with it the sessions that can be resumed
//
// Thread safety: every function may be called from any thread. Readers hold an immutable TlsSnapshot;
// connections keep the context they began with.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "certificates/own_certificate.h"
#include "config/config.h"
#include "config/load.h"
#include "tls/context.h"

namespace kferry::certificates {

struct TlsPart;

// A context, or why there is none: in words where its files could not be used so far.
template <typename Context>
struct Usable {
  std::shared_ptr<const Context> context;
  std::string why_not;  // empty where there is a context, or no TLS
};

// By position, as in config::Config.
struct ClusterTls {
  Usable<tls::ClientContext> upstream;
  std::vector<Usable<tls::ServerContext>> listeners;
};
struct TlsSnapshot {
  std::uint64_t version = 0;
  std::vector<ClusterTls> clusters;
};

// A context outside any configuration, such as `kferry probe` needs. The errors name the file and the remedy.
std::expected<std::shared_ptr<const tls::ClientContext>, std::vector<config::Problem>> load_client_context(
    const config::UpstreamTls& from);

class TlsContexts {
 public:
  // Unix time, by which certificates are judged that were read before.
  using WallClock = std::int64_t (*)();
  static std::int64_t system_time();

  // `config` and `log` outlive it. Reads nothing yet. `now` is when the first ticket key's time begins.
  TlsContexts(const config::Config& config, LogSink& log, Instant now, WallClock wall_clock = system_time);
  ~TlsContexts();

  // Reads every store and publishes what could be made; the same later, for what has changed since. Returns
  // what cannot be used (errors: such a listener refuses its connections, such an upstream its dials) and what is left
  // out or limited (warnings), each with the variable or key, the file and the remedy. Logs nothing.
  std::vector<config::Problem> load();
  // load(), told to the log: what was renewed, what is broken (once, until it changes), what is well again.
  void reload();
  // Whether at least one listener can serve, or will once its certificate's time has come.
  bool can_serve() const;
  // Unix time: when a certificate or list in use, or one that waits for its time, begins or ends next. reload() is due
  // then, even if no file has changed.
  std::int64_t next_change_s() const;

  std::shared_ptr<const TlsSnapshot> snapshot() const;
  // Changes with every publication; cheap enough for the top of every loop.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Whether any listener or upstream has TLS.
  bool any() const { return !parts_.empty(); }
  // What is in use, in the configuration's order.
  std::vector<OwnCertificate> certificates() const;
  // Every file that is read, each once: what is to be watched.
  const std::vector<std::string>& files() const { return files_; }

  // Session tickets' keys rotate: call it every minute or so.
  void advance(Instant now);

 private:
  std::vector<config::Problem> load_locked();
  void publish();

  LogSink& log_;
  const config::Config& config_;
  std::shared_ptr<tls::TicketKeys> tickets_;
  std::vector<std::string> files_;
  mutable std::mutex loading_;  // one load at a time; held while files are read
  std::vector<TlsPart> parts_;
  std::vector<std::string> told_;  // the problems that the log has
  mutable std::mutex mutex_;       // held for a moment
  std::shared_ptr<const TlsSnapshot> snapshot_;
  std::atomic<std::uint64_t> version_ = 0;
};

}  // namespace kferry::certificates
