// Keys for tests: those that take too long to generate, and those of unusual kinds.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "x509/openssl.h"

namespace kferry::x509 {

// Generates a key of a kind such as "RSA-PSS" or "ED25519".
inline KeyPtr make_key_of_type(const char* type, int bits = 0) {
  EVP_PKEY_CTX* const maker = EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr);
  EVP_PKEY* key = nullptr;
  EVP_PKEY_keygen_init(maker);
  if (bits > 0) EVP_PKEY_CTX_set_rsa_keygen_bits(maker, bits);
  const bool generated = EVP_PKEY_generate(maker, &key) > 0;
  EVP_PKEY_CTX_free(maker);
  if (!generated) throw std::runtime_error("EVP_PKEY_generate");
  return KeyPtr(key);
}

// PKCS#8.
inline std::string pem_of(EVP_PKEY* key) {
  BIO* const memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  const std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(memory);
  return text;
}

struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
using NumberPtr = std::unique_ptr<BIGNUM, FreeNumber>;

// The prime of a group of RFC 7919 such as "ffdhe4096".
inline NumberPtr prime_of_group(const std::string& name) {
  std::string group = name;
  const OSSL_PARAM params[]{OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
                            OSSL_PARAM_construct_end()};
  EVP_PKEY_CTX* const maker = EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr);
  EVP_PKEY* parameters = nullptr;
  BIGNUM* prime = nullptr;
  const bool made =
      EVP_PKEY_fromdata_init(maker) > 0 &&
      EVP_PKEY_fromdata(maker, &parameters, EVP_PKEY_KEY_PARAMETERS, const_cast<OSSL_PARAM*>(params)) > 0 &&
      EVP_PKEY_get_bn_param(parameters, OSSL_PKEY_PARAM_FFC_P, &prime) > 0;
  EVP_PKEY_free(parameters);
  EVP_PKEY_CTX_free(maker);
  if (!made) throw std::runtime_error("no prime of " + name);
  return NumberPtr(prime);
}

// An RSA key of 8192 or 16384 bits, from well-known primes, because finding new ones takes half a minute.
inline KeyPtr make_rsa_key(int bits) {
  const auto number = [] { return NumberPtr(BN_new()); };
  const NumberPtr p(bits == 8192 ? BN_get_rfc3526_prime_4096(nullptr) : BN_get_rfc3526_prime_8192(nullptr));
  const NumberPtr q = prime_of_group(bits == 8192 ? "ffdhe4096" : "ffdhe8192");
  const NumberPtr n = number(), e = number(), d = number(), phi = number(), p_1(BN_dup(p.get())),
                  q_1(BN_dup(q.get())), d_p = number(), d_q = number(), inverse = number();
  BN_CTX* const context = BN_CTX_new();
  BN_set_word(e.get(), 65537);
  BN_mul(n.get(), p.get(), q.get(), context);
  BN_sub_word(p_1.get(), 1);
  BN_sub_word(q_1.get(), 1);
  BN_mul(phi.get(), p_1.get(), q_1.get(), context);
  BN_mod_inverse(d.get(), e.get(), phi.get(), context);
  BN_mod(d_p.get(), d.get(), p_1.get(), context);
  BN_mod(d_q.get(), d.get(), q_1.get(), context);
  BN_mod_inverse(inverse.get(), q.get(), p.get(), context);
  BN_CTX_free(context);
  OSSL_PARAM_BLD* const builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, d.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR1, p.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_FACTOR2, q.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT1, d_p.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_EXPONENT2, d_q.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, inverse.get());
  OSSL_PARAM* const params = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* const maker = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* key = nullptr;
  const bool made =
      EVP_PKEY_fromdata_init(maker) > 0 && EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) > 0;
  EVP_PKEY_CTX_free(maker);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  if (!made) throw std::runtime_error("EVP_PKEY_fromdata");
  return KeyPtr(key);
}

}  // namespace kferry::x509
