#include "tls/known_answers.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tls/context.h"
#include "tls/digests.h"
#include "tls/record/aead.h"
#include "tls/record/gather.h"
#include "tls/record/protection.h"
#include "tls/record/traffic_key.h"

namespace kferry::tls {
namespace {

// A full record with its type, and content small enough for a single call: the two code paths of Aead.
constexpr std::array<std::size_t, 2> sizes{record_plain_max + 1, 1000};

using Tag = std::array<std::uint8_t, Aead::tag_size>;
struct Known {
  const char* name;
  RecordCipher cipher;
  std::array<Tag, sizes.size()> tags;  // by size of the content
};

// Made with OpenSSL.
constexpr Known known[] = {
    {"AES-128-GCM",
     RecordCipher::aes_128_gcm,
     {{{0xa4, 0x43, 0xbf, 0xac, 0x02, 0x3f, 0xca, 0x7c, 0x64, 0xe7, 0x40, 0xa8, 0x3a, 0x7e, 0xbd, 0xf7},
       {0x92, 0x68, 0xae, 0x16, 0x8e, 0xc9, 0x1a, 0x09, 0x1b, 0xfe, 0x94, 0x71, 0x88, 0x45, 0x0e, 0x63}}}},
    {"AES-256-GCM",
     RecordCipher::aes_256_gcm,
     {{{0xb1, 0x5b, 0x16, 0x7d, 0x12, 0x3d, 0x7a, 0x90, 0x0f, 0x96, 0x5e, 0xf8, 0xbc, 0x36, 0x98, 0x57},
       {0x7c, 0x88, 0x51, 0x1d, 0x2a, 0xc1, 0xff, 0x74, 0xe4, 0xbe, 0x4f, 0x3b, 0xef, 0x4b, 0x2c, 0xf2}}}},
    {"ChaCha20-Poly1305",
     RecordCipher::chacha20_poly1305,
     {{{0x45, 0xe6, 0xec, 0x9e, 0xcc, 0xf8, 0x60, 0xf6, 0x21, 0x17, 0x6c, 0x69, 0xc8, 0x0b, 0xef, 0xac},
       {0x7f, 0xbd, 0xf0, 0x19, 0x99, 0xa6, 0x5e, 0x80, 0xab, 0xae, 0x9a, 0xfb, 0xdc, 0xa7, 0xff, 0x33}}}},
};

Bytes pattern(std::size_t size, unsigned factor, unsigned first) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * factor + first);
  return bytes;
}

bool right(RecordCipher cipher, std::size_t size, const Tag& known_tag) {
  TrafficKey key;
  key.cipher = cipher;
  std::ranges::copy(pattern(key.key_size(), 3, 1), key.key.begin());
  Aead::Nonce nonce;
  std::ranges::copy(pattern(nonce.size(), 5, 2), nonce.begin());
  const Bytes additional = pattern(5, 1, 0);
  Bytes content = pattern(size, 7, 3);
  Aead aead(key);

  // In two pieces, neither block-aligned.
  const std::size_t first = size / 3;
  const std::array<iovec, 2> pieces{iovec{content.data(), first},
                                    iovec{content.data() + first, size - first}};
  Gather plain(pieces, size);
  Bytes sealed(size + Aead::tag_size);
  aead.seal(nonce, additional, plain, size, {}, sealed);
  const auto tag = std::span(sealed).last(Aead::tag_size);
  if (!std::ranges::equal(tag, std::as_bytes(std::span(known_tag)))) return false;

  Bytes opened(size);
  Gather whole{std::span<const std::byte>(sealed)};
  if (!aead.open(nonce, additional, whole, opened) || opened != content) return false;
  const std::array<iovec, 2> cut{iovec{sealed.data(), first},
                                 iovec{sealed.data() + first, sealed.size() - first}};
  Gather in_pieces(cut, sealed.size());
  std::ranges::fill(opened, std::byte{});
  return aead.open(nonce, additional, in_pieces, opened) && opened == content;
}

}  // namespace

std::optional<std::string> check_known_answers() {
  for (const Known& one : known) {
    bool all_right = true;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      all_right = all_right && right(one.cipher, sizes[i], one.tags[i]);
    if (all_right) continue;
    return std::string(one.name) + " comes out wrong with " + std::string(library_version()) +
           " on this processor: report it, and do not use TLS here until it is fixed";
  }
  return std::nullopt;
}

}  // namespace kferry::tls
