// Server and client contexts: everything that the connections of one listener, or of one upstream, share.
// Immutable once made, so any thread may use one; a rotated certificate makes a new context, and connections
// keep theirs until they end. Knows no socket; reads no file but the system's list of authorities.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tls/failure.h"
#include "tls/settings.h"
#include "tls/ticket_keys.h"

// wolfSSL's, opaque here: its headers decide a hundred macros.
struct WOLFSSL;
struct WOLFSSL_CTX;

namespace kferry::tls {

struct FreeContext {
  void operator()(WOLFSSL_CTX* context) const;
};
using ContextPtr = std::unique_ptr<WOLFSSL_CTX, FreeContext>;

// The name and version of the library inside.
std::string_view library_version();

class ServerContext {
 public:
  // `tickets` may be null: then no session is ever resumed.
  static std::expected<std::shared_ptr<const ServerContext>, Failure> make(
      const ServerSettings& settings, std::shared_ptr<TicketKeys> tickets);

  WOLFSSL_CTX* raw() const { return raw_.get(); }
  ClientAuth client_auth() const { return client_auth_; }
  Offer const& offer() const { return offer_; }
  // Whether one of the required subjects matches, or none is required.
  bool allows_subject(std::string_view subject) const;
  TicketKeys* tickets() const { return tickets_.get(); }
  // What a ticket is good for: this certificate alone.
  std::span<const std::byte> ticket_binding() const { return ticket_binding_; }

 private:
  ServerContext() = default;

  ContextPtr raw_;
  Offer offer_;
  ClientAuth client_auth_ = ClientAuth::none;
  std::vector<std::string> required_subjects_;
  std::shared_ptr<TicketKeys> tickets_;
  Octets ticket_binding_;
};

inline constexpr std::size_t kept_sessions_max = 256;

// The sessions that brokers offered to resume, the newest of each "host:port". Any thread.
class Sessions {
 public:
  void keep(const std::string& peer, Octets session);
  // A copy: TLS 1.3 asks that a ticket be used once, so it is taken out.
  Octets take(const std::string& peer);
  std::size_t size() const;
  // The same of wolfSSL's own: what `ssl` has been offered, and what it may offer to resume.
  void keep_of(WOLFSSL* ssl, const std::string& peer);
  void resume(const std::string& peer, WOLFSSL* ssl);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Secret> sessions_;
};

class ClientContext {
 public:
  static std::expected<std::shared_ptr<const ClientContext>, Failure> make(const ClientSettings& settings);

  WOLFSSL_CTX* raw() const { return raw_.get(); }
  bool verify_host_name() const { return verify_host_name_; }
  bool has_identity() const { return has_identity_; }
  // Null where sessions are not resumed.
  Sessions* sessions() const { return sessions_.get(); }

 private:
  ClientContext() = default;

  ContextPtr raw_;
  bool verify_host_name_ = true;
  bool has_identity_ = false;
  std::unique_ptr<Sessions> sessions_;
};

}  // namespace kferry::tls
