// Reads a ClientHello off the head of a stream, far enough to choose who answers it: the server name and the
// versions offered. Owns nothing; never does I/O. Grammar: RFC 8446 §4.1.2, §4.2.1, §5.1, RFC 6066 §3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kferry::tls {

// A hello longer than this is none: Java's and OpenSSL's with post-quantum shares and a ticket stay below 4
// KiB.
inline constexpr std::size_t client_hello_size_max = 16 * 1024;

struct ClientHello {
  // Lower case, without a final dot; empty when none was sent.
  std::string server_name;
  // The highest of TLS offered: 0x0303 is 1.2, 0x0304 is 1.3. GREASE values are passed over.
  std::uint16_t highest_version = 0;
  // It offers TLS 1.3 without an extension that must then be there (RFC 8446 §9.2).
  bool lacks_extension = false;
};

enum class HelloReading : std::uint8_t {
  incomplete,  // so far it could be one
  complete,
  not_tls,    // the first octets are no TLS record
  malformed,  // a TLS record, but no ClientHello that can be read, or one beyond the limit
};

// `stream` is everything received so far, from its first octet.
HelloReading read_client_hello(std::span<const std::byte> stream, ClientHello& hello);

}  // namespace kferry::tls
