// Owners for libcrypto's objects, and conversions between its types and ours. Only for this folder, which alone
// includes OpenSSL's headers.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/secret.h"

namespace kferry::x509 {

template <auto free>
struct Free {
  template <typename Object>
  void operator()(Object* object) const {
    free(object);
  }
};

using X509Ptr = std::unique_ptr<X509, Free<X509_free>>;
using X509CrlPtr = std::unique_ptr<X509_CRL, Free<X509_CRL_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using X509StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;

inline const unsigned char* raw(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Null if `der` is not exactly one certificate. Leaves no error in libcrypto's queue.
X509Ptr parse_x509(std::span<const std::byte> der);
X509CrlPtr parse_crl(std::span<const std::byte> der);

// RFC 2253, in UTF-8: "CN=app,O=Example". Empty if there are no RDNs.
std::string name_text(const X509_NAME* name);

// Unix time, saturated at the ends of the representable range.
std::int64_t time_of(const ASN1_TIME* time);

// The reason of the last error in libcrypto's queue, or an empty string. Clears the queue.
std::string last_reason();

}  // namespace kferry::x509
