#include "x509/pbe.h"

#include <openssl/pkcs12.h>

#include <array>
#include <bit>
#include <memory>
#include <type_traits>
#include <utility>

#include "x509/openssl.h"
#include "x509/rc2.h"

namespace kferry::x509 {
namespace {

constexpr std::size_t rc2_iv_size = 8;
// libcrypto's own limit for scrypt's memory, 128 * N * r.
constexpr std::uint64_t scrypt_memory_max = 32ULL * 1024 * 1024;
constexpr std::int64_t derived_size_max = 1024;
// N * r * p: 32 times the default of `openssl pkcs8 -scrypt`, about a second.
constexpr std::uint64_t scrypt_work_max = 1ULL << 22;

using CipherPtr = std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>>;
using DigestPtr = std::unique_ptr<EVP_MD, Free<EVP_MD_free>>;

using Judged = std::expected<void, LockedReason>;

std::unexpected<LockedReason> locked(Locked why, std::string detail = {}) {
  return std::unexpected(LockedReason{why, std::move(detail)});
}

int nid_of(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  return OBJ_obj2nid(object);
}

std::string name_of(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  return x509::name_of(object);
}

// The algorithm's parameters; null if they are not a SEQUENCE.
template <auto parse, auto free>
auto parameters(const X509_ALGOR* algorithm) {
  using Parameters = std::remove_pointer_t<decltype(parse(nullptr, nullptr, 0))>;
  std::unique_ptr<Parameters, Free<free>> parsed;
  int type = V_ASN1_UNDEF;
  const void* value = nullptr;
  X509_ALGOR_get0(nullptr, &type, &value, algorithm);
  if (type == V_ASN1_SEQUENCE) {
    const auto* const text = static_cast<const ASN1_STRING*>(value);
    const unsigned char* at = ASN1_STRING_get0_data(text);
    parsed.reset(parse(nullptr, &at, ASN1_STRING_length(text)));
  }
  return parsed;
}

auto pbkdf2_of(const X509_ALGOR* kdf) {
  return parameters<d2i_PBKDF2PARAM, PBKDF2PARAM_free>(kdf);
}
auto pbes1_of(const X509_ALGOR* algorithm) {
  return parameters<d2i_PBEPARAM, PBEPARAM_free>(algorithm);
}

// libcrypto does not read the parameters of authenticated modes here.
bool cipher_is_known(const char* name) {
  const CipherPtr cipher(EVP_CIPHER_fetch(nullptr, name, nullptr));
  if (cipher == nullptr) return false;
  const int mode = EVP_CIPHER_get_mode(cipher.get());
  return mode == EVP_CIPH_CBC_MODE || mode == EVP_CIPH_CFB_MODE || mode == EVP_CIPH_OFB_MODE;
}

bool digest_is_known(int nid) {
  const DigestPtr digest(EVP_MD_fetch(nullptr, OBJ_nid2sn(nid), nullptr));
  return digest != nullptr;
}

Judged judge_pbkdf2(const X509_ALGOR* kdf, Effort& effort) {
  const auto settings = pbkdf2_of(kdf);
  if (settings == nullptr || settings->salt->type != V_ASN1_OCTET_STRING) return locked(Locked::malformed);
  const auto iterations = count_of(settings->iter);
  if (iterations == 0) return locked(Locked::malformed);
  if (!iterations || !effort.spend(*iterations)) return locked(Locked::too_costly, too_many(iterations));
  if (settings->prf == nullptr) return {};
  int digest = NID_undef;
  const int prf = nid_of(settings->prf);
  if (EVP_PBE_find(EVP_PBE_TYPE_PRF, prf, nullptr, &digest, nullptr) != 1 || !digest_is_known(digest))
    return locked(Locked::unknown, "PBKDF2 with " + name_of(settings->prf));
  return {};
}

Judged judge_scrypt(const X509_ALGOR* kdf) {
  const auto settings = parameters<d2i_SCRYPT_PARAMS, SCRYPT_PARAMS_free>(kdf);
  if (settings == nullptr) return locked(Locked::malformed);
  std::uint64_t n = 0, r = 0, p = 0;
  // A number that does not fit stays 0.
  ASN1_INTEGER_get_uint64(&n, settings->costParameter);
  ASN1_INTEGER_get_uint64(&r, settings->blockSize);
  ASN1_INTEGER_get_uint64(&p, settings->parallelizationParameter);
  if (n < 2 || !std::has_single_bit(n) || r == 0 || p == 0) return locked(Locked::malformed);
  const bool small = n <= scrypt_work_max && r <= scrypt_work_max && p <= scrypt_work_max;
  if (!small || n * r > scrypt_work_max || n * r * p > scrypt_work_max ||
      128 * r * (n + 2 + p) > scrypt_memory_max) {
    return locked(Locked::too_costly, "scrypt with N = " + std::to_string(n) + ", r = " + std::to_string(r) +
                                          ", p = " + std::to_string(p) +
                                          ", where kferry allows 32 MiB of memory and N * r * p up to " +
                                          std::to_string(scrypt_work_max));
  }
  return {};
}

Judged judge_pbes2(const X509_ALGOR* algorithm, Effort& effort) {
  const auto settings = parameters<d2i_PBE2PARAM, PBE2PARAM_free>(algorithm);
  if (settings == nullptr) return locked(Locked::malformed);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, settings->encryption);
  if (!cipher_is_known(x509::name_of(object).c_str()))
    return locked(Locked::unknown, "PBES2 with " + x509::name_of(object));
  switch (nid_of(settings->keyfunc)) {
    case NID_id_pbkdf2:
      return judge_pbkdf2(settings->keyfunc, effort);
    case NID_id_scrypt:
      return judge_scrypt(settings->keyfunc);
    default:
      return locked(Locked::unknown, "PBES2 with " + name_of(settings->keyfunc));
  }
}

Judged judge_pbes1(const X509_ALGOR* algorithm, Effort& effort) {
  const auto settings = pbes1_of(algorithm);
  if (settings == nullptr) return locked(Locked::malformed);
  const auto iterations = count_of(settings->iter);
  if (iterations == 0) return locked(Locked::malformed);
  if (!iterations || !effort.spend(*iterations)) return locked(Locked::too_costly, too_many(iterations));
  return {};
}

// Whether libcrypto and this code can decrypt it, within the allowed effort.
Judged judge(const X509_ALGOR* algorithm, Effort& effort) {
  const int nid = nid_of(algorithm);
  if (nid == NID_pbes2) return judge_pbes2(algorithm, effort);
  int cipher = NID_undef, digest = NID_undef;
  if (EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, &cipher, &digest, nullptr) != 1 || cipher <= 0 || digest <= 0)
    return locked(Locked::unknown, name_of(algorithm));
  const bool rc2 = nid == NID_pbe_WithSHA1And40BitRC2_CBC || nid == NID_pbe_WithSHA1And128BitRC2_CBC;
  if (!rc2 && (!cipher_is_known(OBJ_nid2sn(cipher)) || !digest_is_known(digest)))
    return locked(Locked::unknown, name_of(algorithm));
  return judge_pbes1(algorithm, effort);
}

// pbeWithSHAAnd128BitRC2-CBC and pbeWithSHAAnd40BitRC2-CBC (RFC 7292, appendix C).
std::expected<Secret, LockedReason> decrypt_rc2(const X509_ALGOR* algorithm,
                                                std::span<const std::byte> sealed, Password password,
                                                std::size_t key_size) {
  const auto settings = pbes1_of(algorithm);
  const int iterations = static_cast<int>(count_of(settings->iter).value_or(1));
  const auto salt = bytes_of(settings->salt);
  const auto derive = [&](int id, std::size_t size) {
    Bytes derived(size);
    const bool made =
        PKCS12_key_gen_utf8(
            password ? password->data() : nullptr, password ? static_cast<int>(password->size()) : 0,
            const_cast<unsigned char*>(raw(salt)), static_cast<int>(salt.size()), id, iterations,
            static_cast<int>(size), reinterpret_cast<unsigned char*>(derived.data()), EVP_sha1()) == 1;
    return made ? Secret(std::move(derived)) : Secret();
  };
  const Secret key = derive(PKCS12_KEY_ID, key_size);
  const Secret iv = derive(PKCS12_IV_ID, rc2_iv_size);
  if (key.empty() || iv.empty()) return locked(Locked::malformed);
  auto plain = decrypt_rc2_cbc(key.bytes(), iv.bytes(), sealed);
  if (!plain) return locked(Locked::wrong_password);
  return std::move(*plain);
}

std::expected<Secret, LockedReason> decrypt(const X509_ALGOR* algorithm, std::span<const std::byte> sealed,
                                            Password password) {
  const int nid = nid_of(algorithm);
  if (nid == NID_pbe_WithSHA1And40BitRC2_CBC) return decrypt_rc2(algorithm, sealed, password, 5);
  if (nid == NID_pbe_WithSHA1And128BitRC2_CBC) return decrypt_rc2(algorithm, sealed, password, 16);
  unsigned char* plain = nullptr;
  int size = 0;
  if (PKCS12_pbe_crypt(algorithm, password ? password->data() : nullptr,
                       password ? static_cast<int>(password->size()) : 0, raw(sealed),
                       static_cast<int>(sealed.size()), &plain, &size, 0) == nullptr) {
    return locked(Locked::wrong_password);
  }
  Secret result(std::as_bytes(std::span(plain, static_cast<std::size_t>(size))));
  OPENSSL_clear_free(plain, static_cast<std::size_t>(size));
  return result;
}

}  // namespace

bool Effort::spend(std::int64_t iterations) {
  if (iterations > iterations_max || iterations > left_) return false;
  left_ -= iterations;
  return true;
}

std::string too_many(std::optional<std::int64_t> iterations) {
  return (iterations ? std::to_string(*iterations) : std::string("more than 2^63")) +
         " iterations, where kferry allows " + std::to_string(iterations_max) +
         " for one password and four times as many for a file";
}

std::optional<std::int64_t> count_of(const ASN1_INTEGER* integer) {
  if (ASN1_STRING_type(integer) == V_ASN1_NEG_INTEGER) return 0;
  std::int64_t value = 0;
  if (ASN1_INTEGER_get_int64(&value, integer) != 1) return std::nullopt;
  return value;
}

std::string name_of(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  std::array<char, 80> dotted{};
  OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), object, 1);
  return dotted.data();
}

std::expected<void, LockedReason> check_encryption(const X509_ALGOR* algorithm, Effort& effort) {
  auto judged = judge(algorithm, effort);
  ERR_clear_error();
  return judged;
}

std::expected<Secret, LockedReason> decrypt_by_password(const X509_ALGOR* algorithm,
                                                        std::span<const std::byte> sealed, Password password,
                                                        Effort& effort) {
  const Judged judged = check_encryption(algorithm, effort);
  if (!judged) return std::unexpected(judged.error());
  auto plain = decrypt(algorithm, sealed, password);
  ERR_clear_error();
  return plain;
}

std::expected<Secret, LockedReason> derive_by_pbkdf2(const X509_ALGOR* kdf, std::string_view password,
                                                     std::size_t size, Effort& effort) {
  const Judged judged = nid_of(kdf) == NID_id_pbkdf2 ? judge_pbkdf2(kdf, effort)
                                                     : Judged(locked(Locked::unknown, name_of(kdf)));
  if (!judged) {
    ERR_clear_error();
    return std::unexpected(judged.error());
  }
  const auto settings = pbkdf2_of(kdf);
  int digest = NID_sha1;
  if (settings->prf != nullptr)
    EVP_PBE_find(EVP_PBE_TYPE_PRF, nid_of(settings->prf), nullptr, &digest, nullptr);
  const auto salt = bytes_of(settings->salt->value.octet_string);
  if (settings->keylength != nullptr) {
    const auto given = count_of(settings->keylength);
    if (!given || *given < 1 || *given > derived_size_max) return locked(Locked::malformed);
    size = static_cast<std::size_t>(*given);
  }
  Bytes key(size);
  const bool derived =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), raw(salt),
                        static_cast<int>(salt.size()), static_cast<int>(count_of(settings->iter).value_or(1)),
                        EVP_get_digestbynid(digest), static_cast<int>(size),
                        reinterpret_cast<unsigned char*>(key.data())) == 1;
  ERR_clear_error();
  if (!derived) return locked(Locked::malformed);
  return Secret(std::move(key));
}

}  // namespace kferry::x509
