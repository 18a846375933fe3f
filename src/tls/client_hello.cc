#include "tls/client_hello.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/octet_reader.h"
#include "tls/handshake.h"
#include "tls/record_protection.h"

namespace kferry::tls {
namespace {

constexpr unsigned server_name_extension = 0;
constexpr unsigned supported_groups_extension = 10;
constexpr unsigned signature_algorithms_extension = 13;
constexpr unsigned pre_shared_key_extension = 41;
constexpr unsigned supported_versions_extension = 43;
constexpr std::uint16_t version_1_3 = 0x0304;

// RFC 6066 §3: a list of names, of which only host_name (0) was ever defined.
bool read_server_name(std::span<const std::byte> extension, std::string& name) {
  OctetReader in(extension);
  OctetReader list(in.counted(2));
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned type = list.integer(1);
    const auto octets = list.counted(2);
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
  OctetReader in(extension);
  OctetReader list(in.counted(1));
  unsigned highest = 0;
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned version = list.integer(2);
    if (version >> 8 == 3) highest = std::max(highest, version);
  }
  return static_cast<std::uint16_t>(highest);
}

bool read_body(std::span<const std::byte> body, ClientHello& hello) {
  OctetReader in(body);
  OctetReader fixed(in.take(handshake::hello_fixed_size));
  hello.highest_version = static_cast<std::uint16_t>(fixed.integer(2));
  in.counted(1);  // legacy_session_id
  in.counted(2);  // cipher_suites
  in.counted(1);  // legacy_compression_methods
  if (!in.ok()) return false;
  if (in.at_end()) return true;
  OctetReader extensions(in.counted(2));
  bool groups = false, signatures = false, shares = false, resumes = false, newest = false;
  while (extensions.ok() && !extensions.at_end()) {
    const unsigned type = extensions.integer(2);
    groups = groups || type == supported_groups_extension;
    signatures = signatures || type == signature_algorithms_extension;
    shares = shares || type == handshake::key_share_extension;
    resumes = resumes || type == pre_shared_key_extension;
    const auto extension = extensions.counted(2);
    if (!extensions.ok()) break;
    if (type == server_name_extension && !read_server_name(extension, hello.server_name)) return false;
    if (type == supported_versions_extension) {
      const std::uint16_t highest = highest_of(extension);
      if (highest != 0) hello.highest_version = highest;
      newest = highest >= version_1_3;
    }
  }
  hello.lacks_extension = newest && (groups != shares || (!resumes && !(groups && signatures)));
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
    if (octet(at) != std::to_underlying(RecordType::handshake))
      return at == 0 ? HelloReading::not_tls : HelloReading::malformed;
    if (left >= 2 && octet(at + 1) != 3) return at == 0 ? HelloReading::not_tls : HelloReading::malformed;
    if (left < record_header_size) return HelloReading::incomplete;
    const std::size_t size = octet(at + 3) << 8 | octet(at + 4);
    if (size == 0 || size > record_plain_max) return HelloReading::malformed;
    const std::size_t here = std::min(size, left - record_header_size);
    const auto fragment = stream.subspan(at + record_header_size, here);
    message.insert(message.end(), fragment.begin(), fragment.end());
    if (!message.empty() && std::to_integer<unsigned>(message[0]) != handshake::client_hello) {
      return HelloReading::malformed;
    }
    if (message.size() >= 4) {
      OctetReader in(message);
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
