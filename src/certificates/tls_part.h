// One listener or one upstream that has TLS: the context made from its files, and what an operator has to know about
// it. TlsContexts owns the parts and locks them. A part that cannot be made keeps its last good context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "certificates/own_certificate.h"
#include "certificates/store_reading.h"
#include "config/config.h"
#include "config/load.h"
#include "tls/context.h"
#include "x509/identity.h"

namespace kferry::certificates {

// Unix time of what never happens.
inline constexpr std::int64_t never_s = std::numeric_limits<std::int64_t>::max();

struct TlsPart {
  // --- set once
  std::string owner;
  std::string cluster;
  std::string listener;                               // valid if listener_tls is
  const config::ListenerTls* listener_tls = nullptr;  // either this
  const config::UpstreamTls* upstream_tls = nullptr;  // or this
  tls::WallClock wall_clock = tls::system_time;

  // --- set by refresh()
  std::vector<std::byte> fingerprint;  // identifies the files that the context was made from
  std::shared_ptr<const tls::ServerContext> server;
  std::shared_ptr<const tls::ClientContext> client;
  std::optional<OwnCertificate> certificate;
  std::int64_t next_change_s = never_s;   // Unix time; when refresh() is due even if no file has changed
  bool waits_for_its_time = false;        // the certificate that was read last is not valid yet
  std::vector<config::Problem> notes;     // warnings about what the context was made from
  std::vector<config::Problem> problems;  // everything that the last refresh() found
  bool made = false;                      // the last refresh() made a new context
  bool renewed = false;                   // and from other files than the one before

  // Makes the context from the files as they are now, unless neither they nor anything judged by the clock has changed.
  // Session tickets use `tickets`.
  void refresh(const std::shared_ptr<tls::TicketKeys>& tickets);

  bool has_context() const { return server != nullptr || client != nullptr; }
  // Whether its connections, or its dials, can succeed now or once its certificate becomes valid.
  bool usable() const;

 private:
  void make_server(const StoreReading& reading, const std::shared_ptr<tls::TicketKeys>& tickets);
  void make_client(const StoreReading& reading);
  void describe(const config::Identity& from, const x509::Identity& identity);
  void schedule(const x509::Identity* identity);
  void note(const config::Store* store, std::vector<x509::Note>&& found);
  void note(const std::vector<tls::ContextNote>& found, const config::Identity* identity,
            const std::optional<config::Store>& authorities, const std::optional<config::Store>& revocations);
};

}  // namespace kferry::certificates
