// Reads distinguished names from libcrypto's structures. Only for this folder.
#pragma once

#include "x509/certificate.h"
#include "x509/openssl.h"

namespace kferry::x509 {

Name read_name(const X509_NAME* name);

// "RSA", "EC P-256", "EC brainpoolP256r1", "Ed25519", …
std::string key_type_text(const EVP_PKEY* key);

}  // namespace kferry::x509
