#include "x509/certificate.h"

#include <openssl/ec.h>

#include <array>
#include <ctime>

#include "x509/host.h"
#include "x509/name.h"
#include "x509/openssl.h"

namespace kferry::x509 {
namespace {

std::string text_of_string(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

void read_alt_names(X509* x509, CertificateNames& names) {
  auto* const all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS) names.dns_names.push_back(text_of_string(name->d.dNSName));
    if (name->type == GEN_IPADD) {
      const std::string text = text_of_string(name->d.iPAddress);
      const auto address = bytes_of(text);
      names.addresses.emplace_back(address.begin(), address.end());
    }
  }
  GENERAL_NAMES_free(all);
}

std::string common_name_of(const Name& subject) {
  std::string found;
  for (const auto& rdn : subject) {
    for (const Attribute& attribute : rdn) {
      if (attribute.type == "2.5.4.3") found = attribute.value;
    }
  }
  return found;
}

void read_key(const X509* x509, Certificate& certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &der);
  if (size > 0) {
    const auto bytes = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
    certificate.public_key.assign(bytes.begin(), bytes.end());
    OPENSSL_free(der);
  }
  EVP_PKEY* const key = X509_get0_pubkey(x509);
  if (key == nullptr) {
    ASN1_OBJECT* algorithm = nullptr;
    X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, nullptr, X509_get_X509_PUBKEY(x509));
    std::array<char, 80> name{};
    OBJ_obj2txt(name.data(), static_cast<int>(name.size()), algorithm, 0);
    certificate.key_type = name.data();
    ERR_clear_error();
    return;
  }
  certificate.key_bits = EVP_PKEY_get_bits(key);
  certificate.key_type = key_type_text(key);
}

}  // namespace

std::string key_type_text(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return "RSA";
    case EVP_PKEY_RSA_PSS:
      return "RSA-PSS";
    case EVP_PKEY_ED25519:
      return "Ed25519";
    case EVP_PKEY_ED448:
      return "Ed448";
    case EVP_PKEY_DSA:
      return "DSA";
    case EVP_PKEY_EC: {
      std::array<char, 64> group{};
      std::size_t size = 0;
      if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
        ERR_clear_error();
        return "EC";
      }
      const char* const nist = EC_curve_nid2nist(OBJ_sn2nid(group.data()));
      return std::string("EC ") + (nist != nullptr ? nist : group.data());
    }
    default: {
      const char* const name = EVP_PKEY_get0_type_name(key);
      return name != nullptr ? name : "(unnamed)";
    }
  }
}

std::expected<Certificate, Failure> read_certificate(std::span<const std::byte> der) {
  const X509Ptr x509 = parse_x509(der);
  if (x509 == nullptr) {
    return std::unexpected(
        Failure{"certificate_malformed", "holds a certificate that cannot be parsed: export it again"});
  }
  Certificate certificate;
  const Name subject = read_name(X509_get_subject_name(x509.get()));
  certificate.names.subject = name_text(X509_get_subject_name(x509.get()));
  certificate.names.common_name = common_name_of(subject);
  read_alt_names(x509.get(), certificate.names);
  certificate.issuer = name_text(X509_get_issuer_name(x509.get()));
  certificate.not_before_s = time_of(X509_get0_notBefore(x509.get()));
  certificate.not_after_s = time_of(X509_get0_notAfter(x509.get()));
  certificate.is_authority = X509_check_ca(x509.get()) == 1;
  read_key(x509.get(), certificate);
  int hash = NID_undef;
  if (X509_get_signature_info(x509.get(), &hash, nullptr, nullptr, nullptr) == 1 && hash != NID_undef)
    certificate.signature_hash = OBJ_nid2sn(hash);
  certificate.der.assign(der.begin(), der.end());
  ERR_clear_error();
  return certificate;
}

bool names_host(const Certificate& certificate, std::string_view host) {
  const X509Ptr x509 = parse_x509(certificate.der);
  return x509 != nullptr && names(x509.get(), Host(host));
}

std::string date_text(std::int64_t time_s) {
  const std::time_t time = time_s;
  std::tm when{};
  gmtime_r(&time, &when);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &when);
  return text.data();
}

std::string validity_problem(const Certificate& certificate, std::int64_t now_s) {
  std::string text = "the certificate of ";
  text += certificate.names.subject.empty() ? "(no subject)" : certificate.names.subject;
  if (now_s > certificate.not_after_s) {
    return text + " expired at " + date_text(certificate.not_after_s) + ": renew it";
  }
  if (now_s < certificate.not_before_s) {
    return text + " is not valid before " + date_text(certificate.not_before_s) +
           ": wait, or set this host's clock";
  }
  return {};
}

}  // namespace kferry::x509
