// Whether the points that the other side sends in the clear part of a handshake lie on their curves: P-256, P-384 and
// P-521 in the key shares of TLS 1.3 (RFC 8446 §4.2.8.2) and in the key exchange of TLS 1.2 (RFC 8422 §5.4, §5.11).
// wolfSSL 5.5 looks at none, or else (WOLFSSL_VALIDATE_ECC_IMPORT) multiplies each by its curve's order, for half of
// what a connection costs. Reads along with what wolfSSL is given, and as wolfSSL reads it: a message with points that
// the two could read differently is refused; what holds none is left to wolfSSL.
//
// Memory: a message with points until it is whole, at most message_size_max.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

#include "base/secret.h"
#include "tls/client_hello.h"
#include "tls/record_protection.h"

namespace kferry::tls {

class PeerPoints {
 public:
  static constexpr std::size_t message_size_max = client_hello_size_max;

  enum class Verdict : std::uint8_t {
    good,
    off_curve,
    malformed,  // a message with points, of a form by which wolfSSL could find others in it than this class
  };
  // What the handshake has come to, as wolfSSL knows it.
  struct Agreed {
    bool newest = false;  // TLS 1.3
    unsigned group = 0;   // RFC 8446 §4.2.7, of a server in TLS 1.2; 0: none, or none of those above
  };

  explicit PeerPoints(std::function<Agreed()> agreed) : agreed_(std::move(agreed)) {}

  // What comes next in a record of this type, in any pieces (RecordFraming::note()). Other than good: wolfSSL must not
  // see it, and the connection is to end.
  Verdict take(RecordType type, std::span<const std::byte> content);

 private:
  Verdict take_content(std::span<const std::byte> content);
  Verdict begin_message();
  Verdict judge() const;

  std::function<Agreed()> agreed_;
  std::array<std::byte, 4> message_header_{};
  std::uint8_t message_header_had_ = 0;
  std::uint32_t message_rest_ = 0;
  bool keeps_ = false;      // this message's octets
  bool encrypted_ = false;  // as are all records from here on
  Octets message_;
};

}  // namespace kferry::tls
