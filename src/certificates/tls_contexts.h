// The TLS contexts that a configuration asks for: one for each listener and each upstream with TLS, made from the files
// that it names, and made again when these change. A part that cannot be made keeps its last good context, so that one
// broken certificate does not stop the renewal of others.
//
//   files ──read──▶ x509/stores ──▶ tls/context ──▶ TlsSnapshot, immutable, replaced as a whole
//             └─ same bytes as before: the context stays, and with it the sessions that can be resumed
//
// Contexts are found by the names of their cluster and listener, which mean the same in every configuration.
//
// Thread safety: every function may be called from any thread. Readers hold an immutable TlsSnapshot, and connections
// keep the context that they began with.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log_sink.h"
#include "certificates/own_certificate.h"
#include "config/config.h"
#include "config/load.h"
#include "tls/context.h"

namespace kferry::certificates {

struct TlsPart;

// A context, or why there is none.
template <typename Context>
struct Usable {
  std::shared_ptr<const Context> context;
  std::string why_not;  // empty if there is a context, or no TLS
};

// What an observer has to know of one listener's or upstream's TLS.
struct TlsCondition {
  std::string cluster;
  std::optional<std::string> listener;        // nullopt: the upstream
  std::optional<std::int64_t> not_after_s{};  // Unix time; of kferry's own certificate there, if it has one
  bool usable = false;                        // a context serves
  bool broken = false;                        // what its files hold now cannot be used
};

struct ClusterTls {
  Usable<tls::ClientContext> upstream;
  std::map<std::string, Usable<tls::ServerContext>, std::less<>> listeners;  // by name
};
struct TlsSnapshot {
  std::uint64_t version = 0;
  std::map<std::string, ClusterTls, std::less<>> clusters;  // by name

  // Without a context and without a reason where the configuration has no such cluster or listener.
  Usable<tls::ServerContext> listener(std::string_view cluster, std::string_view listener) const;
  Usable<tls::ClientContext> upstream(std::string_view cluster) const;
};

// A context outside any configuration, as `kferry probe` needs it. The errors name the file and the remedy.
std::expected<std::shared_ptr<const tls::ClientContext>, std::vector<config::Problem>> load_client_context(
    const config::UpstreamTls& from);

class TlsContexts {
 public:
  // Returns the Unix time that certificates are checked against.
  using WallClock = std::int64_t (*)();
  static std::int64_t system_time();

  // `log` outlives it. Reads nothing yet. The period of the first ticket key begins at `now`, unless the keys of
  // `former` are taken over, so that clients resume across a change of the configuration.
  TlsContexts(std::shared_ptr<const config::Config> config, LogSink& log, Instant now,
              WallClock wall_clock = system_time, const TlsContexts* former = nullptr);
  ~TlsContexts();

  // Reads every store, makes what has changed since the last time, and publishes the result. Returns what cannot be
  // used (errors: such a listener refuses its connections, such an upstream its dials) and what is left out or limited
  // (warnings), each with the variable or key, the file and the remedy. Logs nothing.
  std::vector<config::Problem> load();
  // load(), with a report to the log: what was renewed, what is broken (once, until it changes), what works again.
  void reload();
  // Whether at least one listener can serve now, or will once its certificate becomes valid.
  bool can_serve() const;
  // Unix time: when the validity of a certificate or list begins or ends next. reload() is due then, even if no file
  // has changed.
  std::int64_t next_change_s() const;

  std::shared_ptr<const TlsSnapshot> snapshot() const;
  // Of every part, as the last load left them; never waits for a load.
  std::shared_ptr<const std::vector<TlsCondition>> conditions() const;
  // Changes with every publication. Cheap enough to be read in every turn of a loop.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Whether any listener or upstream has TLS.
  bool any() const { return !parts_.empty(); }
  // The certificates in use, in the order of the configuration.
  std::vector<OwnCertificate> certificates() const;
  // Every file that is read, each once, for TlsWatch.
  const std::vector<std::string>& files() const { return files_; }

  // The keys of session tickets, of all listeners.
  tls::TicketKeys& ticket_keys() const { return *tickets_; }
  // Rotates the keys of session tickets. To be called about once a minute.
  void advance(Instant now);

 private:
  std::vector<config::Problem> load_locked();
  void publish();
  void publish_conditions();

  LogSink& log_;
  const std::shared_ptr<const config::Config> config_;  // the parts refer to it
  const std::shared_ptr<tls::TicketKeys> tickets_;
  std::vector<std::string> files_;
  mutable std::mutex loading_;  // held during a load, while files are read
  std::vector<TlsPart> parts_;
  std::vector<std::string> reported_;  // the problems that have been logged
  mutable std::mutex mutex_;           // held briefly
  std::shared_ptr<const TlsSnapshot> snapshot_;
  std::shared_ptr<const std::vector<TlsCondition>> conditions_ =
      std::make_shared<const std::vector<TlsCondition>>();
  std::atomic<std::uint64_t> version_ = 0;
};

}  // namespace kferry::certificates
