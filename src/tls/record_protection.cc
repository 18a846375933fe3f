#include "tls/record_protection.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace kferry::tls {
namespace {

constexpr std::size_t tag_size = 16;
constexpr std::size_t explicit_nonce_size = 8;
// RFC 8446 §5.2: the content's type, and padding up to this much.
constexpr std::size_t inner_extra_max = 256;
constexpr std::byte version_major{3};
constexpr std::byte version_minor{3};

const unsigned char* in(std::span<const std::byte> octets) {
  return reinterpret_cast<const unsigned char*>(octets.data());
}

unsigned char* out(std::span<std::byte> octets) {
  return reinterpret_cast<unsigned char*>(octets.data());
}

void put_size(std::span<std::byte> to, std::size_t size) {
  to[0] = static_cast<std::byte>(size >> 8);
  to[1] = static_cast<std::byte>(size);
}

// What is authenticated beside the content: the record's header; in TLS 1.2 after its number, with the content's size.
struct Additional {
  std::array<std::byte, 13> octets{};
  std::size_t size = 0;

  Additional(const TrafficKey& key, std::span<const std::byte> header, std::size_t content_size) {
    if (key.version == Version::tls_1_2) {
      std::ranges::copy(key.rec_seq, octets.begin());
      size = key.rec_seq.size();
    }
    std::ranges::copy(header.first(record_header_size), octets.begin() + static_cast<std::ptrdiff_t>(size));
    size += record_header_size;
    if (key.version == Version::tls_1_2) put_size(std::span(octets).last(2), content_size);
  }
  std::span<const std::byte> span() const { return std::span(octets).first(size); }
};

}  // namespace

struct RecordProtection::Cipher {
  explicit Cipher(const TrafficKey& key) {
    KFERRY_ASSERT(wc_AesInit(&aes, nullptr, INVALID_DEVID) == 0);
    KFERRY_ASSERT(wc_AesGcmSetKey(&aes, in(key.key), static_cast<word32>(key.key_size())) == 0);
  }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;
  ~Cipher() {
    wc_AesFree(&aes);
    wipe(std::as_writable_bytes(std::span(&aes, 1)));
  }

  Aes aes;
};

RecordProtection::RecordProtection(const TrafficKey& key) : key_(key) {
  if (key.cipher != RecordCipher::chacha20_poly1305) cipher_ = std::make_unique<Cipher>(key);
}

RecordProtection::~RecordProtection() = default;

bool RecordProtection::explicit_nonce() const {
  return key_.version == Version::tls_1_2 && key_.cipher != RecordCipher::chacha20_poly1305;
}

std::size_t RecordProtection::content_offset() const {
  return record_header_size + (explicit_nonce() ? explicit_nonce_size : 0);
}

std::size_t RecordProtection::overhead() const {
  return content_offset() + (key_.version == Version::tls_1_3 ? 1 : 0) + tag_size;
}

// RFC 8446 §5.3: the static IV with the record's number; RFC 5288 §3 puts an explicit part in its place.
RecordProtection::Nonce RecordProtection::implicit_nonce() const {
  Nonce nonce{};
  if (key_.cipher == RecordCipher::chacha20_poly1305) {
    nonce = key_.iv;
  } else {
    std::ranges::copy(key_.salt, nonce.begin());
    std::copy_n(key_.iv.begin(), 8, nonce.begin() + 4);
  }
  if (!explicit_nonce()) {
    for (std::size_t i = 0; i < key_.rec_seq.size(); ++i) nonce[4 + i] ^= key_.rec_seq[i];
  }
  return nonce;
}

std::size_t RecordProtection::seal(RecordType type, Gather& content, std::size_t content_size,
                                   std::span<std::byte> room) {
  KFERRY_ASSERT(content_size <= record_plain_max && room.size() >= content_size + overhead());
  const bool newest = key_.version == Version::tls_1_3;
  const std::size_t record_size = content_size + overhead();
  room[0] = static_cast<std::byte>(newest ? RecordType::data : type);
  room[1] = version_major;
  room[2] = version_minor;
  put_size(room.subspan(3), record_size - record_header_size);
  const Additional additional(key_, room, content_size);
  const Nonce nonce = implicit_nonce();
  if (explicit_nonce()) {
    std::copy_n(nonce.begin() + 4, explicit_nonce_size, room.begin() + record_header_size);
    count_up(std::span(key_.iv).first(explicit_nonce_size));
  }
  const auto body = room.subspan(content_offset(), content_size + (newest ? 1 : 0));
  content.take(body.first(content_size));
  if (newest) body.back() = static_cast<std::byte>(type);
  const auto tag = room.subspan(record_size - tag_size, tag_size);
  const auto size = static_cast<word32>(body.size());
  const auto more = additional.span();
  const int result =
      cipher_ == nullptr
          ? wc_ChaCha20Poly1305_Encrypt(in(key_.key), in(nonce), in(more), static_cast<word32>(more.size()),
                                        in(body), size, out(body), out(tag))
          : wc_AesGcmEncrypt(&cipher_->aes, out(body), in(body), size, in(nonce), nonce.size(), out(tag),
                             tag_size, in(more), static_cast<word32>(more.size()));
  KFERRY_ASSERT(result == 0);
  count_up(key_.rec_seq);
  return record_size;
}

std::size_t RecordProtection::record_size(std::span<const std::byte, record_header_size> header) const {
  const std::size_t size = record_body_size(header);
  const std::size_t least = overhead() - record_header_size;
  const std::size_t most =
      key_.version == Version::tls_1_3 ? record_plain_max + inner_extra_max : record_plain_max + least;
  return size < least || size > most ? 0 : record_header_size + size;
}

std::optional<RecordProtection::Opened> RecordProtection::open(std::span<const std::byte> record,
                                                               std::span<std::byte> room) {
  const bool newest = key_.version == Version::tls_1_3;
  const auto body = record.subspan(content_offset(), record.size() - content_offset() - tag_size);
  const auto tag = record.last(tag_size);
  KFERRY_ASSERT(room.size() >= body.size());
  const Additional additional(key_, record, body.size());
  Nonce nonce = implicit_nonce();
  if (explicit_nonce())
    std::copy_n(record.begin() + record_header_size, explicit_nonce_size, nonce.begin() + 4);
  const auto size = static_cast<word32>(body.size());
  const auto more = additional.span();
  const int result =
      cipher_ == nullptr
          ? wc_ChaCha20Poly1305_Decrypt(in(key_.key), in(nonce), in(more), static_cast<word32>(more.size()),
                                        in(body), size, in(tag), out(room))
          : wc_AesGcmDecrypt(&cipher_->aes, out(room), in(body), size, in(nonce), nonce.size(), in(tag),
                             tag_size, in(more), static_cast<word32>(more.size()));
  if (result != 0) return std::nullopt;
  count_up(key_.rec_seq);
  if (!newest) return Opened{static_cast<RecordType>(record[0]), body.size()};
  // RFC 8446 §5.4: zeros pad the content; its type is the last octet that is none.
  std::size_t end = body.size();
  while (end > 0 && room[end - 1] == std::byte{}) --end;
  if (end == 0) return Opened{RecordType{}, 0};
  return Opened{static_cast<RecordType>(room[end - 1]), end - 1};
}

}  // namespace kferry::tls
