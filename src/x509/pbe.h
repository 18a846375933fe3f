// Decrypts the password-based encryptions of PKCS#8 and PKCS12: PBES2 with PBKDF2 or scrypt, and PBES1 of PKCS12 and
// PKCS#5 (RFC 8018, RFC 7292), with libcrypto; RC2 with wolfCrypt. Only for this folder. Never does I/O. The work that
// a file may demand is limited, so that reading one cannot hang.
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

// Java's own limit for a PKCS12 store.
inline constexpr std::int64_t iterations_max = 5'000'000;

// The remaining effort allowed for opening one file.
class Effort {
 public:
  // False if that is too much for one password, or for the whole file.
  bool spend(std::int64_t iterations);

 private:
  std::int64_t left_ = 4 * iterations_max;
};

enum class Locked : std::uint8_t {
  wrong_password,  // or the file is damaged, which looks the same
  unknown,         // `detail` names the encryption: "PBES2 with DES-CBC"
  too_costly,      // `detail` states the demand and the limit
  malformed,
};
struct LockedReason {
  Locked why = Locked::malformed;
  std::string detail{};
};

// nullopt means no password, which differs from an empty one.
using Password = std::optional<std::string_view>;

// Why it cannot be decrypted with any password; nullopt if it can.
std::expected<void, LockedReason> check_encryption(const X509_ALGOR* algorithm, Effort& effort);

// The password is given in UTF-8, and used in the form that the algorithm requires: UTF-8 or BMPString.
std::expected<Secret, LockedReason> decrypt_by_password(const X509_ALGOR* algorithm,
                                                        std::span<const std::byte> sealed, Password password,
                                                        Effort& effort);

// The key that PBKDF2 derives with the parameters in `kdf`. It has `size` bytes unless they say otherwise.
std::expected<Secret, LockedReason> derive_by_pbkdf2(const X509_ALGOR* kdf, std::string_view password,
                                                     std::size_t size, Effort& effort);

// "iterations: 50000000, more than the 5000000 that kferry allows"
std::string too_many(std::optional<std::int64_t> iterations);

// The value of an iteration count: 0 if it is not positive, nullopt if it exceeds 2^63.
std::optional<std::int64_t> count_of(const ASN1_INTEGER* integer);

// "PBE-SHA1-RC2-40", or the dotted number if libcrypto does not know the algorithm.
std::string name_of(const ASN1_OBJECT* object);

using kferry::bytes_of;

inline std::span<const std::byte> bytes_of(const ASN1_STRING* string) {
  return std::as_bytes(
      std::span(ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))));
}

}  // namespace kferry::x509
