#include "tls/peer_points.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/ecc.h>

#include <algorithm>
#include <memory>

#include "base/octet_reader.h"
#include "tls/handshake.h"

#ifndef USE_ECC_B_PARAM
#error "this wolfSSL lacks -DUSE_ECC_B_PARAM: have ./dev build make one"
#endif

namespace kferry::tls {
namespace {

using Verdict = PeerPoints::Verdict;

constexpr unsigned named_curve = 3;
constexpr std::byte uncompressed{4};

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

// RFC 8446 §4.2.8.2 has one form and one size; wolfSSL would import others. Other groups are not for this to judge.
Verdict judge_point(unsigned group, std::span<const std::byte> octets) {
  const auto curve = std::ranges::find(curves, group, &Curve::group);
  if (curve == curves.end()) return Verdict::good;
  if (octets.size() != curve->point_size || octets[0] != uncompressed) return Verdict::off_curve;
  const int index = wc_ecc_get_curve_idx(curve->id);
  if (index < 0) return Verdict::good;  // wolfSSL does not have it
  const std::unique_ptr<ecc_point, FreePoint> point(wc_ecc_new_point());
  const bool on_it =
      point != nullptr &&
      wc_ecc_import_point_der(reinterpret_cast<const unsigned char*>(octets.data()),
                              static_cast<word32>(octets.size()), index, point.get()) == MP_OKAY &&
      wc_ecc_point_is_on_curve(point.get(), index) == MP_OKAY;
  return on_it ? Verdict::good : Verdict::off_curve;
}

// A ClientHello's extension holds a list, a ServerHello's one share, a HelloRetryRequest's a group and nothing.
Verdict judge_shares(OctetReader shares) {
  while (shares.ok() && !shares.at_end()) {
    const unsigned group = shares.integer(2);
    const auto point = shares.counted(2);
    if (!shares.ok()) break;
    if (const Verdict verdict = judge_point(group, point); verdict != Verdict::good) return verdict;
  }
  return Verdict::good;
}

Verdict judge_hello(OctetReader in, bool of_client) {
  in.take(handshake::hello_fixed_size);
  in.counted(1);  // legacy_session_id
  if (of_client) {
    in.counted(2);  // cipher_suites
    in.counted(1);  // legacy_compression_methods
  } else {
    in.take(3);  // of each the one
  }
  if (in.ok() && in.at_end()) return Verdict::good;
  OctetReader extensions(in.counted(2));
  // wolfSSL takes what stands behind the extensions for the next message.
  if (!in.ok() || !in.at_end()) return Verdict::malformed;
  while (!extensions.at_end()) {
    const unsigned type = extensions.integer(2);
    OctetReader extension(extensions.counted(2));
    if (!extensions.ok()) return Verdict::malformed;
    if (type != handshake::key_share_extension) continue;
    const Verdict verdict = judge_shares(of_client ? OctetReader(extension.counted(2)) : extension);
    if (verdict != Verdict::good) return verdict;
  }
  return Verdict::good;
}

}  // namespace

PeerPoints::Verdict PeerPoints::judge() const {
  OctetReader in(message_);
  switch (const unsigned type = std::to_integer<unsigned>(message_header_[0])) {
    case handshake::client_hello:
    case handshake::server_hello:
      return judge_hello(in, type == handshake::client_hello);
    case handshake::server_key_exchange: {
      if (in.integer(1) != named_curve) return Verdict::good;
      const unsigned group = in.integer(2) & 0xFFU;  // as wolfSSL reads it
      const auto point = in.counted(1);
      return in.ok() ? judge_point(group, point) : Verdict::malformed;
    }
    default: {
      const unsigned group = agreed_().group;
      if (group == 0) return Verdict::good;
      const auto point = in.counted(1);
      return in.ok() && in.at_end() ? judge_point(group, point) : Verdict::malformed;
    }
  }
}

PeerPoints::Verdict PeerPoints::take(RecordType type, std::span<const std::byte> content) {
  // In TLS 1.3 it means nothing, and a second ClientHello may follow.
  if (type == RecordType::change_cipher_spec && !agreed_().newest) encrypted_ = true;
  return type == RecordType::handshake && !encrypted_ ? take_content(content) : Verdict::good;
}

PeerPoints::Verdict PeerPoints::take_content(std::span<const std::byte> content) {
  while (!content.empty()) {
    if (message_rest_ == 0) {
      message_header_[message_header_had_++] = content[0];
      content = content.subspan(1);
      if (message_header_had_ < message_header_.size()) continue;
      if (const Verdict verdict = begin_message(); verdict != Verdict::good) return verdict;
      continue;
    }
    const auto part = content.first(std::min<std::size_t>(message_rest_, content.size()));
    content = content.subspan(part.size());
    message_rest_ -= static_cast<std::uint32_t>(part.size());
    if (!keeps_) continue;
    message_.insert(message_.end(), part.begin(), part.end());
    if (message_rest_ > 0) continue;
    const Verdict verdict = judge();
    Octets().swap(message_);
    if (verdict != Verdict::good) return verdict;
  }
  return Verdict::good;
}

PeerPoints::Verdict PeerPoints::begin_message() {
  message_header_had_ = 0;
  OctetReader in(message_header_);
  const unsigned type = in.integer(1);
  message_rest_ = in.integer(3);
  keeps_ = type == handshake::client_hello || type == handshake::server_hello ||
           type == handshake::server_key_exchange || type == handshake::client_key_exchange;
  return keeps_ && message_rest_ > message_size_max ? Verdict::malformed : Verdict::good;
}

}  // namespace kferry::tls
