// Reads a ClientHello from the head of a stream, far enough to choose who answers it: the server name and the offered
// versions. Never does I/O. Grammar: RFC 8446 §4.1.2, §4.2.1, §5.1, RFC 6066 §3.
//
// Records may split the message anywhere, even into single bytes. They are joined into as few records as possible, so
// that the message is kept and its framing is not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/secret.h"

namespace kferry::tls {

// Longer input is not a ClientHello. Those of Java and OpenSSL, with post-quantum shares and a ticket, stay below 4
// KiB. Java accepts 32 KiB, OpenSSL 128 KiB.
inline constexpr std::size_t client_hello_size_max = 64 * 1024;

struct ClientHello {
  // Lower case, without a final dot; empty if the client sent no name.
  std::string server_name;
  // The highest TLS version offered: 0x0303 is 1.2, 0x0304 is 1.3. GREASE values are ignored.
  std::uint16_t highest_version = 0;
  // It offers TLS 1.3 without an extension that TLS 1.3 requires (RFC 8446 §9.2).
  bool lacks_extension = false;
};

enum class HelloReading : std::uint8_t {
  incomplete,  // may still become a ClientHello
  complete,
  not_tls,    // the first bytes are not a TLS record
  malformed,  // TLS, but not a valid ClientHello
  too_long,   // longer than client_hello_size_max
};

class ClientHelloReader {
 public:
  // Takes the next bytes of the stream, in any pieces, as long as it returns `incomplete`. Appends them to `records`:
  // the joined records, followed by the rest of `bytes` once the hello is complete; or all bytes unchanged, if they are
  // not TLS. `hello` is valid after `complete`.
  HelloReading take(std::span<const std::byte> bytes, Bytes& records, ClientHello& hello);
  HelloReading reading() const { return reading_; }

 private:
  HelloReading take_next(std::span<const std::byte>& bytes, Bytes& records);
  HelloReading begin_record(Bytes& records);
  HelloReading take_fragment(std::span<const std::byte> fragment, Bytes& records);
  void make_room(std::size_t more, Bytes& records) const;
  Bytes body(std::span<const std::byte> records) const;

  std::array<std::byte, 5> header_{};     // of the current record
  std::array<std::byte, 4> announced_{};  // the header of the message
  std::uint8_t header_had_ = 0;
  std::uint32_t record_rest_ = 0;   // of the current record's fragment
  std::uint32_t record_at_ = 0;     // the offset of the last joined record
  std::uint32_t message_had_ = 0;   // with its header
  std::uint32_t message_size_ = 0;  // the same; 0 until the header is complete
  HelloReading reading_ = HelloReading::incomplete;
};

}  // namespace kferry::tls
