#include "x509/jks.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>

#include "base/assert.h"
#include "base/byte_reader.h"
#include "x509/openssl.h"
#include "x509/pbe.h"

namespace kferry::x509 {
namespace {

constexpr std::uint32_t magic = 0xFEEDFEED;
constexpr std::size_t digest_size_sha1 = 20;
// No real key store has more entries or longer chains. Each costs at least its own bytes anyway.
constexpr std::uint32_t entries_max = 100'000;
constexpr std::uint32_t chain_max = 100;
constexpr std::string_view protector = "1.3.6.1.4.1.42.2.17.1.1";
constexpr std::string_view salt_word = "Mighty Aphrodite";

using Sha1 = std::array<std::byte, digest_size_sha1>;

Sha1 sha1(std::initializer_list<std::span<const std::byte>> parts) {
  const std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> state(EVP_MD_CTX_new());
  KFERRY_ASSERT(EVP_DigestInit_ex(state.get(), EVP_sha1(), nullptr) == 1);
  for (const auto part : parts) KFERRY_ASSERT(EVP_DigestUpdate(state.get(), part.data(), part.size()) == 1);
  Sha1 result;
  KFERRY_ASSERT(EVP_DigestFinal_ex(state.get(), reinterpret_cast<unsigned char*>(result.data()), nullptr) ==
                1);
  return result;
}

Bytes counted_bytes(ByteReader& in) {
  const auto taken = in.counted(4);
  return {taken.begin(), taken.end()};
}

std::string counted_text(ByteReader& in) {
  return std::string(text_of(in.counted(2)));
}

Bytes read_certificate_entry(ByteReader& in, std::uint32_t version) {
  if (version == 2) counted_text(in);  // "X.509"
  return counted_bytes(in);
}

}  // namespace

Secret utf16_of(std::string_view utf8) {
  Bytes units;
  units.reserve(utf8.size() * 2);  // growing would leave a copy behind
  const auto add = [&](std::uint32_t unit) {
    units.push_back(static_cast<std::byte>(unit >> 8));
    units.push_back(static_cast<std::byte>(unit));
  };
  for (std::size_t at = 0; at < utf8.size();) {
    const auto byte = static_cast<unsigned char>(utf8[at]);
    const std::size_t size = byte < 0x80       ? 1
                             : byte >> 5 == 6  ? 2
                             : byte >> 4 == 14 ? 3
                             : byte >> 3 == 30 ? 4
                                               : 0;
    std::uint32_t point = size == 1 ? byte : byte & (0x7FU >> size);
    bool well = size > 0 && at + size <= utf8.size();
    for (std::size_t i = 1; well && i < size; ++i) {
      const auto next = static_cast<unsigned char>(utf8[at + i]);
      well = next >> 6 == 2;
      point = point << 6 | (next & 0x3FU);
    }
    at += well ? size : 1;
    if (!well) point = 0xFFFD;
    if (point < 0x10000) {
      add(point);
    } else {
      add(0xD800 + ((point - 0x10000) >> 10));
      add(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  return Secret(std::move(units));
}

bool is_jks(std::span<const std::byte> file) {
  return ByteReader(file).integer(4) == magic;
}

std::expected<JksStore, JksProblem> read_jks(std::span<const std::byte> file,
                                             std::optional<std::string_view> password) {
  if (file.size() < digest_size_sha1) return std::unexpected(JksProblem::malformed);
  const auto body = file.first(file.size() - digest_size_sha1);
  JksStore store;
  ByteReader in(body);
  const bool begins = in.integer(4) == magic;
  const std::uint32_t version = in.integer(4);
  const std::uint32_t count = in.integer(4);
  if (!begins || !in.ok() || version < 1 || version > 2 || count > entries_max) {
    return std::unexpected(JksProblem::malformed);
  }
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t kind = in.integer(4);
    std::string alias = counted_text(in);
    in.take(8);  // the creation time
    if (kind == 1) {
      JksKey key{std::move(alias), counted_bytes(in), {}};
      const std::uint32_t chain = in.integer(4);
      if (chain > chain_max) return std::unexpected(JksProblem::malformed);
      for (std::uint32_t j = 0; j < chain && in.ok(); ++j)
        key.chain.push_back(read_certificate_entry(in, version));
      store.keys.push_back(std::move(key));
    } else if (kind == 2) {
      store.trusted.push_back({std::move(alias), read_certificate_entry(in, version)});
    } else {
      return std::unexpected(JksProblem::malformed);
    }
  }
  if (!in.ok() || !in.at_end()) return std::unexpected(JksProblem::malformed);
  if (password) {
    const Secret wide = utf16_of(*password);
    if (!equal_constant_time(sha1({wide.bytes(), bytes_of(salt_word), body}), file.last(digest_size_sha1))) {
      return std::unexpected(JksProblem::password_wrong);
    }
  }
  return store;
}

std::expected<Secret, JksProblem> unprotect_jks_key(std::span<const std::byte> protected_key,
                                                    std::string_view password) {
  const unsigned char* der = raw(protected_key);
  const std::unique_ptr<X509_SIG, Free<X509_SIG_free>> info(
      d2i_X509_SIG(nullptr, &der, static_cast<long>(protected_key.size())));
  ERR_clear_error();
  if (info == nullptr) return std::unexpected(JksProblem::malformed);
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* content = nullptr;
  X509_SIG_get0(info.get(), &algorithm, &content);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  const auto sealed = bytes_of(content);
  if (name_of(object) != protector || sealed.size() < 2 * digest_size_sha1)
    return std::unexpected(JksProblem::malformed);
  const Secret wide = utf16_of(password);
  const auto masked = sealed.subspan(digest_size_sha1, sealed.size() - 2 * digest_size_sha1);
  Bytes key(masked.begin(), masked.end());
  Sha1 mask;
  std::ranges::copy(sealed.first(digest_size_sha1), mask.begin());
  for (std::size_t at = 0; at < key.size(); at += mask.size()) {
    mask = sha1({wide.bytes(), mask});
    for (std::size_t i = 0; i < mask.size() && at + i < key.size(); ++i) key[at + i] ^= mask[i];
  }
  Secret plain(std::move(key));
  if (!equal_constant_time(sha1({wide.bytes(), plain.bytes()}), sealed.last(digest_size_sha1))) {
    return std::unexpected(JksProblem::password_wrong);
  }
  return plain;
}

}  // namespace kferry::x509
