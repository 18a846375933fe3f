#include "tls/client_hello.h"

#include <algorithm>
#include <utility>

#include "base/byte_reader.h"
#include "tls/record/handshake.h"
#include "tls/record/protection.h"

namespace kferry::tls {
namespace {

constexpr unsigned server_name_extension = 0;
constexpr unsigned supported_groups_extension = 10;
constexpr unsigned signature_algorithms_extension = 13;
constexpr unsigned pre_shared_key_extension = 41;
constexpr unsigned supported_versions_extension = 43;
constexpr std::uint16_t version_1_3 = 0x0304;

// RFC 6066 §3: a list of names. The only kind ever defined is host_name (0).
bool read_server_name(std::span<const std::byte> extension, std::string& name) {
  ByteReader in(extension);
  ByteReader list(in.counted(2));
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned type = list.integer(1);
    const auto bytes = list.counted(2);
    if (type != 0 || !name.empty()) continue;
    for (const std::byte byte : bytes) {
      const char c = std::to_integer<char>(byte);
      if (c <= ' ' || c > '~') return false;  // no A-label has such bytes, and the name is logged
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (name.ends_with('.')) name.pop_back();
    if (name.size() > 255) return false;
  }
  return in.ok() && list.ok();
}

std::uint16_t highest_of(std::span<const std::byte> extension) {
  ByteReader in(extension);
  ByteReader list(in.counted(1));
  unsigned highest = 0;
  while (in.ok() && list.ok() && !list.at_end()) {
    const unsigned version = list.integer(2);
    if (version >> 8 == 3) highest = std::max(highest, version);
  }
  return static_cast<std::uint16_t>(highest);
}

bool read_body(std::span<const std::byte> body, ClientHello& hello) {
  ByteReader in(body);
  ByteReader fixed(in.take(handshake::hello_fixed_size));
  hello.highest_version = static_cast<std::uint16_t>(fixed.integer(2));
  in.counted(1);  // legacy_session_id
  in.counted(2);  // cipher_suites
  in.counted(1);  // legacy_compression_methods
  if (!in.ok()) return false;
  if (in.at_end()) return true;
  ByteReader extensions(in.counted(2));
  bool groups = false, signatures = false, shares = false, resumes = false, tls_1_3 = false;
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
      tls_1_3 = highest >= version_1_3;
    }
  }
  hello.lacks_extension = tls_1_3 && (groups != shares || (!resumes && !(groups && signatures)));
  return in.ok() && extensions.ok();
}

}  // namespace

HelloReading ClientHelloReader::take(std::span<const std::byte> bytes, Bytes& records, ClientHello& hello) {
  while (reading_ == HelloReading::incomplete && !bytes.empty()) reading_ = take_next(bytes, records);
  if (reading_ == HelloReading::not_tls || reading_ == HelloReading::complete)
    records.insert(records.end(), bytes.begin(), bytes.end());
  if (reading_ == HelloReading::complete) {
    hello = {};
    if (!read_body(body(records), hello)) reading_ = HelloReading::malformed;
  }
  return reading_;
}

// Takes one byte of a record's header, or all available bytes of its fragment.
HelloReading ClientHelloReader::take_next(std::span<const std::byte>& bytes, Bytes& records) {
  if (record_rest_ > 0) {
    const auto fragment = bytes.first(std::min<std::size_t>(record_rest_, bytes.size()));
    bytes = bytes.subspan(fragment.size());
    return take_fragment(fragment, records);
  }
  header_[header_had_++] = bytes[0];
  bytes = bytes.subspan(1);
  const bool tls = std::to_integer<unsigned>(header_[0]) == std::to_underlying(RecordType::handshake) &&
                   (header_had_ < 2 || header_[1] == std::byte{3});
  if (!tls) {
    if (!records.empty()) return HelloReading::malformed;
    records.assign(header_.begin(), header_.begin() + header_had_);
    return HelloReading::not_tls;
  }
  return header_had_ == header_.size() ? begin_record(records) : HelloReading::incomplete;
}

// Joins the fragment to the previous record if the two fit into one.
HelloReading ClientHelloReader::begin_record(Bytes& records) {
  header_had_ = 0;
  const std::size_t size = record_body_size(header_);
  if (size == 0 || size > record_plain_max) return HelloReading::malformed;
  record_rest_ = static_cast<std::uint32_t>(size);
  std::size_t joined = size;
  if (!records.empty())
    joined += record_body_size(std::span(records).subspan(record_at_).first<record_header_size>());
  if (records.empty() || joined > record_plain_max) {
    joined = size;
    make_room(record_header_size, records);
    record_at_ = static_cast<std::uint32_t>(records.size());
    records.insert(records.end(), header_.begin(), header_.end());
  }
  records[record_at_ + 3] = static_cast<std::byte>(joined >> 8);
  records[record_at_ + 4] = static_cast<std::byte>(joined);
  return HelloReading::incomplete;
}

HelloReading ClientHelloReader::take_fragment(std::span<const std::byte> fragment, Bytes& records) {
  record_rest_ -= static_cast<std::uint32_t>(fragment.size());
  make_room(fragment.size(), records);
  records.insert(records.end(), fragment.begin(), fragment.end());
  for (std::size_t i = 0; message_had_ + i < announced_.size() && i < fragment.size(); ++i)
    announced_[message_had_ + i] = fragment[i];
  message_had_ += static_cast<std::uint32_t>(fragment.size());
  ByteReader in(announced_);
  if (in.integer(1) != handshake::client_hello) return HelloReading::malformed;
  if (message_had_ < announced_.size()) return HelloReading::incomplete;
  message_size_ = static_cast<std::uint32_t>(announced_.size()) + in.integer(3);
  if (message_size_ - announced_.size() > client_hello_size_max) return HelloReading::too_long;
  return message_had_ < message_size_ ? HelloReading::incomplete : HelloReading::complete;
}

// Grows like a vector, but never beyond the announced size of the message.
void ClientHelloReader::make_room(std::size_t more, Bytes& records) const {
  const std::size_t needed = records.size() + more;
  if (needed <= records.capacity()) return;
  std::size_t room = 2 * records.capacity();
  if (message_size_ > 0) room = std::min<std::size_t>(room, message_size_ + message_size_ / 1024 + 64);
  records.reserve(std::max(room, needed));
}

// The message, without its header and the records around it.
Bytes ClientHelloReader::body(std::span<const std::byte> records) const {
  Bytes message;
  message.reserve(message_size_);
  while (message.size() < message_size_) {
    const std::size_t size = record_body_size(records.first<record_header_size>());
    records = records.subspan(record_header_size);
    const auto fragment = records.first(std::min({size, records.size(), message_size_ - message.size()}));
    message.insert(message.end(), fragment.begin(), fragment.end());
    records = records.subspan(fragment.size());
  }
  message.erase(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(announced_.size()));
  return message;
}

}  // namespace kferry::tls
