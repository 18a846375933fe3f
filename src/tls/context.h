// Server and client contexts: everything that the connections of one listener, or of one upstream, share. A context is
// immutable, so any thread may use it. A rotated certificate makes a new context, and connections keep theirs until
// they end. Knows no sockets, and reads no file except the system's list of authorities.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"
#include "tls/settings.h"
#include "tls/ticket_keys.h"
#include "x509/trust.h"

// wolfSSL's types, opaque here because its headers define hundreds of macros.
struct WOLFSSL;
struct WOLFSSL_CTX;

namespace kferry::tls {

struct FreeContext {
  void operator()(WOLFSSL_CTX* context) const;
};
using ContextPtr = std::unique_ptr<WOLFSSL_CTX, FreeContext>;

// The name and version of the TLS library.
std::string_view library_version();

// The part of the settings that a note is about.
enum class Part : std::uint8_t { identity, authorities, revocations, subjects };
struct ContextNote {
  Part part = Part::identity;
  x509::Note note{};
};

class ServerContext {
 public:
  // Without `tickets` no session is ever resumed.
  static std::expected<std::shared_ptr<const ServerContext>, Failure> make(
      const ServerSettings& settings, std::shared_ptr<TicketKeys> tickets);

  WOLFSSL_CTX* raw() const { return raw_.get(); }
  ClientAuth client_auth() const { return client_auth_; }
  Offer const& offer() const { return offer_; }
  // Judges client certificates; null if the context does not ask for any.
  const x509::TrustStore* trust() const { return trust_.get(); }
  std::int64_t now_s() const { return wall_clock_(); }
  std::uint64_t records_per_key() const { return records_per_key_; }
  // The certificates, authorities and lists that are left out or limited.
  const std::vector<ContextNote>& notes() const { return notes_; }
  TicketKeys* tickets() const { return tickets_.get(); }
  // Binds a ticket to this certificate.
  std::span<const std::byte> ticket_binding() const { return ticket_binding_; }

 private:
  ServerContext() = default;

  ContextPtr raw_;
  Offer offer_;
  ClientAuth client_auth_ = ClientAuth::none;
  std::shared_ptr<const x509::TrustStore> trust_;
  WallClock wall_clock_ = system_time;
  std::uint64_t records_per_key_ = records_per_key_max;
  std::vector<ContextNote> notes_;
  std::shared_ptr<TicketKeys> tickets_;
  Bytes ticket_binding_;
};

inline constexpr std::size_t kept_sessions_max = 256;

// The sessions that brokers offered to resume, one per "host:port", the newest. A session is worth no more than the
// verdict on the certificates it began with, so it expires with that verdict. `good_until_s` and `now_s` are Unix time.
// Any thread.
class Sessions {
 public:
  void keep(const std::string& peer, Bytes session, std::int64_t good_until_s);
  // Removes the session and returns it, because a TLS 1.3 ticket should be used only once; empty if there is none.
  Bytes take(const std::string& peer, std::int64_t now_s, std::int64_t& good_until_s);
  std::size_t size() const;
  // Stores the session that wolfSSL's `ssl` was offered.
  void keep_from(WOLFSSL* ssl, const std::string& peer, std::int64_t good_until_s);
  // Makes `ssl` offer the stored session, and returns until when that is good; nullopt if there is none.
  std::optional<std::int64_t> resume(const std::string& peer, WOLFSSL* ssl, std::int64_t now_s);

 private:
  struct Kept {
    Secret session;
    std::int64_t good_until_s = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Kept> sessions_;
};

class ClientContext {
 public:
  static std::expected<std::shared_ptr<const ClientContext>, Failure> make(const ClientSettings& settings);

  WOLFSSL_CTX* raw() const { return raw_.get(); }
  const x509::TrustStore& trust() const { return *trust_; }
  std::int64_t now_s() const { return wall_clock_(); }
  std::uint64_t records_per_key() const { return records_per_key_; }
  const std::vector<ContextNote>& notes() const { return notes_; }
  bool verify_host_name() const { return verify_host_name_; }
  bool has_identity() const { return has_identity_; }
  // Null if sessions are not resumed.
  Sessions* sessions() const { return sessions_.get(); }

 private:
  ClientContext() = default;

  ContextPtr raw_;
  std::shared_ptr<const x509::TrustStore> trust_;
  WallClock wall_clock_ = system_time;
  std::uint64_t records_per_key_ = records_per_key_max;
  std::vector<ContextNote> notes_;
  bool verify_host_name_ = true;
  bool has_identity_ = false;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace kferry::tls
