// PKCS12 stores (RFC 7292), DER or BER, with or without a MAC, that of RFC 9579 (PBMAC1) included: their certificates and
// keys, by libcrypto. For the sources of this folder. Never does I/O.
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
  encryption_costly,   // `detail` says what is asked for, and the limit
};
struct Pkcs12Reason {
  Pkcs12Trouble why = Pkcs12Trouble::malformed;
  std::string detail{};
};

struct Pkcs12 {
  StoreContents contents;
  // What may open its keys. One where it opened the store, which proves it; otherwise the MAC is missing and nothing but
  // the keys is encrypted.
  std::vector<Password> passwords;
  bool proved = false;
};

// The keys stay sealed. Without a password, the MAC of a store whose certificates are in clear goes unchecked where
// `trust_only`, as Java has it for trust stores.
std::expected<Pkcs12, Pkcs12Reason> read_pkcs12(std::span<const std::byte> file, Password password,
                                                bool trust_only, Effort& effort, std::vector<Note>& notes);

}  // namespace kferry::x509
