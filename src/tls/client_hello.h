// Reads a ClientHello off the head of a stream, far enough to choose who answers it: the server name and the
// versions offered. Never does I/O. Grammar: RFC 8446 §4.1.2, §4.2.1, §5.1, RFC 6066 §3.
//
// Records may cut the message anywhere, into single bytes too. What is kept of them is joined into as few records as
// there can be, so that the message is held once and not its framing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/secret.h"

namespace kferry::tls {

// Longer input is not taken for a ClientHello: Java's and OpenSSL's with post-quantum shares and a ticket stay below 4
// KiB; Java takes 32 KiB, OpenSSL 128.
inline constexpr std::size_t client_hello_size_max = 64 * 1024;

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
  not_tls,    // the first bytes are not a TLS record
  malformed,  // TLS, but not a ClientHello that can be read
  too_long,   // beyond client_hello_size_max
};

class ClientHelloReader {
 public:
  // Takes what comes next of the stream, in any pieces, until the reading is other than incomplete. Appends it to
  // `records`: joined records, with the whole rest of `bytes` behind the one that completes the hello; or everything as
  // it came, if it is not TLS. `hello` is valid once complete.
  HelloReading take(std::span<const std::byte> bytes, Bytes& records, ClientHello& hello);
  HelloReading reading() const { return reading_; }

 private:
  HelloReading take_next(std::span<const std::byte>& bytes, Bytes& records);
  HelloReading begin_record(Bytes& records);
  HelloReading take_fragment(std::span<const std::byte> fragment, Bytes& records);
  void make_room(std::size_t more, Bytes& records) const;
  Bytes body(std::span<const std::byte> records) const;

  std::array<std::byte, 5> header_{};     // of the record that begins
  std::array<std::byte, 4> announced_{};  // the message's header
  std::uint8_t header_had_ = 0;
  std::uint32_t record_rest_ = 0;   // of the fragment of the record that has begun
  std::uint32_t record_at_ = 0;     // where the last of the joined records begins
  std::uint32_t message_had_ = 0;   // its header included
  std::uint32_t message_size_ = 0;  // likewise; 0 until its header is there
  HelloReading reading_ = HelloReading::incomplete;
};

}  // namespace kferry::tls
