// Decrypts what a password encrypts in PKCS#8 and PKCS12: PBES2 with PBKDF2 or scrypt, PBES1 of PKCS12 and PKCS#5 (RFC
// 8018, RFC 7292), by libcrypto, and RC2 by wolfCrypt. For the sources of this folder. Never does I/O. The work that a
// file may ask for is bounded, so that reading one cannot hang.
#pragma once

#include <openssl/x509.h>

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace kferry::x509 {

// Java's own bound on a PKCS12 store.
inline constexpr std::int64_t iterations_max = 5'000'000;

// What opening one file may still cost.
class Effort {
 public:
  // False when that is too much for one password, or for the whole file.
  bool spend(std::int64_t iterations);

 private:
  std::int64_t left_ = 4 * iterations_max;
};

enum class Locked : std::uint8_t {
  wrong_password,  // or the file is damaged, which cannot be told apart
  unknown,         // `detail` names the encryption: "PBES2 with DES-CBC"
  too_costly,      // `detail` says what is asked for, and the limit
  malformed,
};
struct LockedReason {
  Locked why = Locked::malformed;
  std::string detail{};
};

// No password and an empty one differ: nullopt is the former.
using Password = std::optional<std::string_view>;

// What there is to say against decrypting it, whatever the password.
std::expected<void, LockedReason> check_encryption(const X509_ALGOR* algorithm, Effort& effort);

// In UTF-8, the password is used as the algorithm asks for it: as UTF-8 or as a BMPString.
std::expected<Secret, LockedReason> decrypt_by_password(const X509_ALGOR* algorithm,
                                                        std::span<const std::byte> sealed, Password password,
                                                        Effort& effort);

// The key that PBKDF2 derives by the parameters in `kdf`, of `size` bytes unless they say otherwise.
std::expected<Secret, LockedReason> derive_by_pbkdf2(const X509_ALGOR* kdf, std::string_view password,
                                                     std::size_t size, Effort& effort);

// "iterations: 50000000, more than the 5000000 that kferry allows"
std::string too_many(std::optional<std::int64_t> iterations);

// The positive value of an iteration count; nullopt where it is larger than 2^63, 0 where it is not positive.
std::optional<std::int64_t> count_of(const ASN1_INTEGER* integer);

// "PBE-SHA1-RC2-40", or the dotted number of what libcrypto does not know.
std::string name_of(const ASN1_OBJECT* object);

using kferry::bytes_of;

inline std::span<const std::byte> bytes_of(const ASN1_STRING* string) {
  return std::as_bytes(
      std::span(ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))));
}

}  // namespace kferry::x509
