#include "tls/client_hello.h"

#include <algorithm>
#include <vector>

namespace kferry::tls {
namespace {

constexpr std::size_t record_header_size = 5;
constexpr std::size_t record_size_max = 16 * 1024;
constexpr unsigned handshake_record = 22;
constexpr unsigned client_hello_message = 1;
constexpr unsigned server_name_extension = 0;
constexpr unsigned supported_versions_extension = 43;
constexpr std::size_t random_size = 32;

// Sticky: once something is missing, everything reads as empty and ok() is false.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  unsigned integer(std::size_t size) {
    unsigned value = 0;
    for (const std::byte octet : take(size)) value = value << 8 | std::to_integer<unsigned>(octet);
    return value;
  }

  // A vector whose length stands before it in `length_size` octets.
  std::span<const std::byte> vector(std::size_t length_size) { return take(integer(length_size)); }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

// RFC 6066 §3: a list of names, of which only host_name (0) was ever defined.
bool read_server_name(std::span<const std::byte> extension, std::string& name) {
  Cursor in(extension);
  Cursor list(in.vector(2));
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned type = list.integer(1);
    const auto octets = list.vector(2);
    if (type != 0 || !name.empty()) continue;
    for (const std::byte octet : octets) {
      const char c = std::to_integer<char>(octet);
      if (c <= ' ' || c > '~') return false;  // an A-label has no such octets, and it goes to logs
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (name.ends_with('.')) name.pop_back();
    if (name.size() > 255) return false;
  }
  return in.ok() && list.ok();
}

std::uint16_t highest_of(std::span<const std::byte> extension) {
  Cursor in(extension);
  Cursor list(in.vector(1));
  unsigned highest = 0;
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned version = list.integer(2);
    if (version >> 8 == 3) highest = std::max(highest, version);
  }
  return static_cast<std::uint16_t>(highest);
}

bool read_body(std::span<const std::byte> body, ClientHello& hello) {
  Cursor in(body);
  hello.highest_version = static_cast<std::uint16_t>(in.integer(2));
  in.take(random_size);
  in.vector(1);  // legacy_session_id
  in.vector(2);  // cipher_suites
  in.vector(1);  // legacy_compression_methods
  if (!in.ok()) return false;
  if (in.at_end()) return true;
  Cursor extensions(in.vector(2));
  while (extensions.ok() && !extensions.at_end()) {
    const unsigned type = extensions.integer(2);
    const auto extension = extensions.vector(2);
    if (!extensions.ok()) break;
    if (type == server_name_extension && !read_server_name(extension, hello.server_name)) return false;
    if (type == supported_versions_extension) {
      const std::uint16_t highest = highest_of(extension);
      if (highest != 0) hello.highest_version = highest;
    }
  }
  return in.ok() && extensions.ok();
}

}  // namespace

HelloReading read_client_hello(std::span<const std::byte> stream, ClientHello& hello) {
  hello = {};
  const auto octet = [&](std::size_t at) { return std::to_integer<unsigned>(stream[at]); };
  // The message may be cut over several records: their fragments are put together.
  std::vector<std::byte> message;
  std::size_t at = 0;
  while (at < stream.size()) {
    const std::size_t left = stream.size() - at;
    if (octet(at) != handshake_record) return at == 0 ? HelloReading::not_tls : HelloReading::malformed;
    if (left >= 2 && octet(at + 1) != 3) return at == 0 ? HelloReading::not_tls : HelloReading::malformed;
    if (left < record_header_size) return HelloReading::incomplete;
    const std::size_t size = octet(at + 3) << 8 | octet(at + 4);
    if (size == 0 || size > record_size_max) return HelloReading::malformed;
    const std::size_t here = std::min(size, left - record_header_size);
    const auto fragment = stream.subspan(at + record_header_size, here);
    message.insert(message.end(), fragment.begin(), fragment.end());
    if (!message.empty() && std::to_integer<unsigned>(message[0]) != client_hello_message) {
      return HelloReading::malformed;
    }
    if (message.size() >= 4) {
      Cursor in(message);
      in.take(1);
      const std::size_t body_size = in.integer(3);
      if (body_size > client_hello_size_max) return HelloReading::malformed;
      if (message.size() - 4 >= body_size) {
        return read_body(in.take(body_size), hello) ? HelloReading::complete : HelloReading::malformed;
      }
    }
    at += record_header_size + here;
  }
  // Records of one octet each would cost five times the hello.
  return stream.size() > 2 * client_hello_size_max ? HelloReading::malformed : HelloReading::incomplete;
}

}  // namespace kferry::tls
