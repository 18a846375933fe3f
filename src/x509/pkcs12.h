// Reads the certificates and keys of PKCS12 stores (RFC 7292), in DER or BER, with or without a MAC, including that of
// RFC 9579 (PBMAC1). Uses libcrypto. Only for this folder. Never does I/O.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "x509/pbe.h"
#include "x509/store_contents.h"
#include "x509/trust.h"

namespace kferry::x509 {

enum class Pkcs12Trouble : std::uint8_t {
  malformed,
  password_missing,
  password_wrong,
  encryption_unknown,  // `detail` names the encryption or the MAC
  encryption_costly,   // `detail` states the demand and the limit
};
struct Pkcs12Reason {
  Pkcs12Trouble why = Pkcs12Trouble::malformed;
  std::string detail{};
};

struct Pkcs12 {
  StoreContents contents;
  // The passwords that may open its keys. Exactly one if it opened the store, which proves it right. Otherwise the
  // store has no MAC and only its keys are encrypted.
  std::vector<Password> passwords;
  bool proved = false;
};

// The keys stay encrypted. With `trust_only` and without a password, the MAC of a store with unencrypted certificates
// is not checked, like in Java's trust stores.
std::expected<Pkcs12, Pkcs12Reason> read_pkcs12(std::span<const std::byte> file, Password password,
                                                bool trust_only, Effort& effort, std::vector<Note>& notes);

}  // namespace kferry::x509
