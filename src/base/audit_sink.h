// What is recorded about a client connection for auditors, and where every layer hands it in. operations/audit_log.h
// writes it: one record, one line. docs/audit.md gives each field its meaning.
//
// No field ever holds a secret. Texts that a peer has chosen come as they were sent, cut to the lengths below; the sink
// escapes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/close_cause.h"
#include "base/session_id.h"
#include "base/socket_address.h"

namespace kferry {

// How much is kept of a text that a client has chosen, bytes.
inline constexpr std::size_t audited_text_max = 64;
inline constexpr std::size_t audited_principal_max = 128;
inline constexpr std::size_t audited_name_max = 256;  // of a name in a certificate

struct AuditRecord {
  enum class Event : std::uint8_t { authentication, reauthentication, end };
  // What the broker has said to the client's credentials; those of TLS are kferry's to judge.
  enum class Outcome : std::uint8_t {
    none,        // nothing was asked for yet
    accepted,    // of a client without credentials: its first request was let pass
    refused,     //
    unfinished,  // an exchange has begun, and its outcome is not known
  };

  // Of the PROXY protocol; empty where the listener does not speak it.
  struct Proxied {
    std::string source{};    // "address:port"
    std::string endpoint{};  // a cloud provider's id of the endpoint that the client came through
  };
  struct Certificate {
    std::string subject{};  // RFC 2253
    std::string issuer{};   // RFC 2253
    std::string serial{};   // hexadecimal
    std::string sha256{};   // of the whole certificate, hexadecimal
  };
  struct Tls {
    std::string version{};  // "1.2", "1.3"
    std::string cipher{};
    std::string server_name{};
    bool resumed = false;
    std::optional<Certificate> certificate{};  // the client's
  };
  // Of the whole connection. Bytes are without TLS.
  struct Traffic {
    std::uint64_t bytes_to_broker = 0;
    std::uint64_t bytes_to_client = 0;
    std::uint64_t frames_to_broker = 0;
    std::uint64_t frames_to_client = 0;
    std::vector<std::pair<std::string_view, std::uint64_t>> requests{};  // by API
  };

  Event event = Event::end;
  SessionId session{};  // 0: refused before it had one
  std::string_view cluster{};
  std::string_view listener{};

  SocketAddress client{};
  std::string_view client_id{};
  std::string_view software_name{};
  std::string_view software_version{};
  Proxied proxied{};
  std::optional<Tls> tls{};

  // "PLAIN", …; "TLS": a certificate; "NONE": a client without credentials. Empty: not known yet.
  std::string_view mechanism{};
  // Who the client says it is. A claim, unless the outcome is `accepted`. Empty: the mechanism does not show it.
  std::string_view principal{};
  bool delegation_token = false;  // the principal is the id of one (SCRAM with tokenauth)
  Outcome outcome = Outcome::none;
  std::int16_t error_code = 0;  // Kafka's, with which the broker has refused; 0: none was read
  std::string reason{};         // of a refusal: the error's name, or the log's cause; empty: not known

  std::string broker_address{};          // "host:port"; empty: not connected
  std::optional<std::int32_t> broker{};  // its id, where it is known

  // Valid at the end.
  Traffic traffic{};
  Duration duration{};
  CloseCause cause = CloseCause::internal;
};

// Called from any thread. Waits for no reader of the records, and never throws.
class AuditSink {
 public:
  virtual ~AuditSink() = default;
  // What the record's views refer to need not outlive the call.
  virtual void write(const AuditRecord& record) noexcept = 0;
};

}  // namespace kferry
