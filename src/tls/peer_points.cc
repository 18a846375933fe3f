#include "tls/peer_points.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/ecc.h>

#include <algorithm>
#include <memory>

#include "tls/octet_reader.h"

namespace kferry::tls {
namespace {

// Handshake messages with points (RFC 8446 §4, RFC 5246 §7.4).
constexpr unsigned client_hello = 1;
constexpr unsigned server_hello = 2;
constexpr unsigned server_key_exchange = 12;
constexpr unsigned client_key_exchange = 16;
constexpr unsigned key_share_extension = 51;
constexpr unsigned named_curve = 3;
constexpr std::byte uncompressed{4};
constexpr std::size_t random_size = 32;

struct Curve {
  unsigned group;  // RFC 8446 §4.2.7
  int id;          // wolfCrypt's
  std::size_t point_size;
};
constexpr std::array curves{Curve{23, ECC_SECP256R1, 65}, Curve{24, ECC_SECP384R1, 97},
                            Curve{25, ECC_SECP521R1, 133}};

struct FreePoint {
  void operator()(ecc_point* point) const { wc_ecc_del_point(point); }
};

// Other curves, other sizes and other forms are not for this to judge.
bool on_its_curve(const Curve& curve, std::span<const std::byte> octets) {
  if (octets.size() != curve.point_size || octets[0] != uncompressed) return true;
  const int index = wc_ecc_get_curve_idx(curve.id);
  if (index < 0) return true;
  const std::unique_ptr<ecc_point, FreePoint> point(wc_ecc_new_point());
  return point != nullptr &&
         wc_ecc_import_point_der(reinterpret_cast<const unsigned char*>(octets.data()),
                                 static_cast<word32>(octets.size()), index, point.get()) == MP_OKAY &&
         wc_ecc_point_is_on_curve(point.get(), index) == MP_OKAY;
}

bool good(unsigned group, std::span<const std::byte> point) {
  const auto curve = std::ranges::find(curves, group, &Curve::group);
  return curve == curves.end() || on_its_curve(*curve, point);
}

// A point of TLS 1.2 whose curve the other side's message does not name: its size does.
bool good(std::span<const std::byte> point) {
  const auto curve = std::ranges::find(curves, point.size(), &Curve::point_size);
  return curve == curves.end() || on_its_curve(*curve, point);
}

// A ClientHello's extension holds a list, a ServerHello's one share, a HelloRetryRequest's a group and nothing.
bool good_shares(OctetReader shares) {
  while (shares.ok() && !shares.at_end()) {
    const unsigned group = shares.integer(2);
    const auto point = shares.counted(2);
    if (shares.ok() && !good(group, point)) return false;
  }
  return true;
}

bool good_hello(OctetReader in, bool of_client) {
  in.take(2 + random_size);
  in.counted(1);  // legacy_session_id
  if (of_client) {
    in.counted(2);  // cipher_suites
    in.counted(1);  // legacy_compression_methods
  } else {
    in.take(3);  // of each the one
  }
  OctetReader extensions(in.counted(2));
  while (extensions.ok() && !extensions.at_end()) {
    const unsigned type = extensions.integer(2);
    OctetReader extension(extensions.counted(2));
    if (type != key_share_extension || !extensions.ok()) continue;
    if (!good_shares(of_client ? OctetReader(extension.counted(2)) : extension)) return false;
  }
  return true;
}

bool good_message(unsigned type, std::span<const std::byte> body) {
  OctetReader in(body);
  switch (type) {
    case client_hello:
    case server_hello:
      return good_hello(in, type == client_hello);
    case server_key_exchange: {
      if (in.integer(1) != named_curve) return true;
      const unsigned group = in.integer(2);
      const auto point = in.counted(1);
      return !in.ok() || good(group, point);
    }
    default: {
      const auto point = in.counted(1);
      return !in.ok() || !in.at_end() || good(point);
    }
  }
}

}  // namespace

bool PeerPoints::take(std::span<const std::byte> octets) {
  while (!octets.empty() && !encrypted_) {
    if (record_rest_ == 0) {
      record_header_[record_header_had_++] = octets[0];
      octets = octets.subspan(1);
      if (record_header_had_ < record_header_.size()) continue;
      record_header_had_ = 0;
      record_rest_ = static_cast<std::uint32_t>(record_body_size(record_header_));
      encrypted_ = static_cast<RecordType>(record_header_[0]) == RecordType::data;
      continue;
    }
    const auto content = octets.first(std::min<std::size_t>(record_rest_, octets.size()));
    octets = octets.subspan(content.size());
    record_rest_ -= static_cast<std::uint32_t>(content.size());
    if (static_cast<RecordType>(record_header_[0]) == RecordType::handshake && !take_content(content))
      return false;
  }
  return true;
}

bool PeerPoints::take_content(std::span<const std::byte> content) {
  while (!content.empty()) {
    if (message_rest_ == 0) {
      message_header_[message_header_had_++] = content[0];
      content = content.subspan(1);
      if (message_header_had_ == message_header_.size()) begin_message();
      continue;
    }
    const auto part = content.first(std::min<std::size_t>(message_rest_, content.size()));
    content = content.subspan(part.size());
    message_rest_ -= static_cast<std::uint32_t>(part.size());
    if (!keeps_) continue;
    message_.insert(message_.end(), part.begin(), part.end());
    if (message_rest_ > 0) continue;
    const bool well = good_message(std::to_integer<unsigned>(message_header_[0]), message_);
    Octets().swap(message_);
    if (!well) return false;
  }
  return true;
}

void PeerPoints::begin_message() {
  message_header_had_ = 0;
  OctetReader in(message_header_);
  const unsigned type = in.integer(1);
  message_rest_ = in.integer(3);
  const bool with_points = type == client_hello || type == server_hello || type == server_key_exchange ||
                           type == client_key_exchange;
  keeps_ = with_points && message_rest_ <= message_size_max;
}

}  // namespace kferry::tls
