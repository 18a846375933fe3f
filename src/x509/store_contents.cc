#include "x509/store_contents.h"

#include "x509/jks.h"
#include "x509/key_opener.h"
#include "x509/pkcs12.h"

namespace kferry::x509 {
namespace {

bool is_certificate(const PemBlock& block) {
  return block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" ||
         block.label == "TRUSTED CERTIFICATE";
}

// The name that openssl pkcs12 writes above a block.
std::string friendly_name(std::string_view before) {
  constexpr std::string_view name = "friendlyName: ";
  const std::size_t at = before.rfind(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = before.substr(at + name.size());
  return shown_alias(rest.substr(0, rest.find_first_of("\r\n")));
}

// A certificate, followed by OpenSSL's trust settings if `block` says so.
X509Ptr parse_certificate(const PemBlock& block) {
  const unsigned char* at = raw(block.bytes);
  const auto size = static_cast<long>(block.bytes.size());
  X509Ptr certificate(block.label == "TRUSTED CERTIFICATE" ? d2i_X509_AUX(nullptr, &at, size)
                                                           : d2i_X509(nullptr, &at, size));
  ERR_clear_error();
  return certificate;
}
// False if it is not a PKCS7 with certificates.
bool take_pkcs7(std::span<const std::byte> der, StoreContents& contents) {
  const Pkcs7Ptr pkcs7 = parse_pkcs7(der);
  if (pkcs7 == nullptr) return false;
  const STACK_OF(X509)* const all = pkcs7->d.sign->cert;
  for (int i = 0; i < sk_X509_num(all); ++i) {
    X509* const one = sk_X509_value(all, i);
    X509_up_ref(one);
    contents.certificates.push_back({X509Ptr(one), {}});
  }
  return true;
}

HeldKey key_of(PemBlock& block, std::size_t position) {
  HeldKey key;
  key.alias = friendly_name(block.before);
  if (key.alias.empty()) key.alias = std::to_string(position);
  key.sealed = Secret(std::move(block.bytes));
  if (block.headers.find("ENCRYPTED") != std::string_view::npos) {
    key.form = HeldKey::Form::rfc1421;
    key.headers = block.headers;
  }
  return key;
}

StoreContents read_pem_contents(const StoreFile& file, std::vector<Note>& notes) {
  StoreContents contents;
  for (PemBlock& block : read_pem(text_of(file.bytes))) {
    if (is_key(block)) {
      HeldKey& key = contents.keys.emplace_back(key_of(block, contents.keys.size() + 1));
      if (block.label == "OPENSSH PRIVATE KEY") {
        key.refused = Failure{
            "key_unsupported",
            file.name +
                ": its key is in OpenSSH's own format: convert a copy of it by ssh-keygen -p -m PKCS8"};
      } else if (!block.well_formed) {
        key.refused = Failure{
            "pem_malformed", file.name + ": " + block_at(block) + " cannot be decoded: copy it again, whole"};
      }
    } else if (is_certificate(block) || is_pkcs7(block)) {
      if (!block.well_formed) {
        contents.damage("pem_malformed",
                        block_at(block) + " cannot be decoded and is left out: copy it again, whole", notes);
      } else if (is_pkcs7(block)) {
        if (!take_pkcs7(block.bytes, contents))
          contents.damage(
              "certificate_malformed",
              block_at(block) + " carries no certificates that can be read and is left out: export it again",
              notes);
      } else if (X509Ptr certificate = parse_certificate(block)) {
        contents.certificates.push_back({std::move(certificate), {}});
      } else {
        contents.damage(
            "certificate_malformed",
            block_at(block) + " is not a certificate that can be parsed and is left out: export it again",
            notes);
      }
    } else {
      wipe(block.bytes);
    }
  }
  return contents;
}

std::expected<StoreContents, Failure> read_pkcs12_contents(const StoreFile& file, bool trust_only,
                                                           KeyOpener& opener, std::vector<Note>& notes) {
  const Password password = file.password ? Password(*file.password) : std::nullopt;
  auto store = read_pkcs12(file.bytes, password, trust_only, opener.effort(), notes);
  if (store) {
    opener.store_opened(std::move(store->passwords), store->proved);
    return std::move(store->contents);
  }
  constexpr std::string_view anew = ": write it anew by keytool -importkeystore, or openssl pkcs12 -export";
  switch (store.error().why) {
    case Pkcs12Trouble::password_missing:
      return fail(file, "store_password_missing", "is encrypted: set " + file.password_variable);
    case Pkcs12Trouble::password_wrong:
      return fail(file, "store_password_wrong",
                  "does not open with this password: " + correct(file.password_variable, file.password));
    case Pkcs12Trouble::encryption_unknown:
      return fail(file, "store_unreadable",
                  "is a PKCS12 store encrypted by " + store.error().detail + ", which kferry cannot decrypt" +
                      std::string(anew));
    case Pkcs12Trouble::encryption_costly:
      return fail(file, "store_unreadable",
                  "is a PKCS12 store encrypted by " + store.error().detail + std::string(anew));
    case Pkcs12Trouble::malformed:
      break;
  }
  return fail(file, "store_malformed",
              "is a PKCS12 store that cannot be parsed, damaged or cut short: copy it again");
}

std::expected<StoreContents, Failure> read_jks_contents(const StoreFile& file, bool trust_only,
                                                        KeyOpener& opener, std::vector<Note>& notes) {
  auto store = read_jks(file.bytes, file.password);
  if (!store && store.error() == JksProblem::password_wrong)
    return fail(file, "store_password_wrong",
                "does not open with this password: " + correct(file.password_variable, file.password));
  if (!store)
    return fail(file, "store_malformed",
                "is a JKS store that cannot be parsed, damaged or cut short: copy it again");
  std::vector<Password> passwords;
  if (file.password) passwords.emplace_back(*file.password);
  opener.store_opened(std::move(passwords), file.password.has_value());
  StoreContents contents;
  const auto take = [&](std::span<const std::byte> der, const std::string& whose) {
    X509Ptr certificate = parse_x509(der);
    if (certificate == nullptr) {
      contents.damage("certificate_malformed", whose + " cannot be parsed and is left out: import it again",
                      notes);
      return false;
    }
    contents.certificates.push_back({std::move(certificate), {}});
    return true;
  };
  for (const JksTrusted& trusted : store->trusted)
    take(trusted.certificate, "certificate " + shown_alias(trusted.alias));
  if (trust_only) return contents;
  for (JksKey& from : store->keys) {
    HeldKey key;
    key.alias = shown_alias(from.alias);
    key.form = HeldKey::Form::jks;
    key.sealed = Secret(std::move(from.protected_key));
    key.chain.emplace();
    for (const Bytes& der : from.chain) {
      if (take(der, "a certificate of key " + key.alias))
        key.chain->push_back(contents.certificates.size() - 1);
    }
    contents.keys.push_back(std::move(key));
  }
  return contents;
}

// DER certificates, one after the other.
StoreContents read_der_contents(const StoreFile& file, std::vector<Note>& notes) {
  StoreContents contents;
  const unsigned char* at = raw(file.bytes);
  const unsigned char* const end = at + file.bytes.size();
  while (at < end) {
    X509Ptr certificate(d2i_X509(nullptr, &at, end - at));
    ERR_clear_error();
    if (certificate == nullptr) {
      contents.damage("certificate_malformed",
                      "what follows certificate " + std::to_string(contents.certificates.size()) +
                          " is not a certificate and is left out: export it again",
                      notes);
      break;
    }
    contents.certificates.push_back({std::move(certificate), {}});
  }
  return contents;
}

}  // namespace

std::string block_at(const PemBlock& block) {
  return "the " + std::string(block.label) + " block at line " + std::to_string(block.line);
}

bool is_key(const PemBlock& block) {
  return block.label.ends_with("PRIVATE KEY");
}
bool is_pkcs7(const PemBlock& block) {
  return block.label == "PKCS7" || block.label == "PKCS #7 SIGNED DATA" || block.label == "CMS";
}
Pkcs7Ptr parse_pkcs7(std::span<const std::byte> der) {
  const unsigned char* at = raw(der);
  Pkcs7Ptr pkcs7(d2i_PKCS7(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (pkcs7 == nullptr || !PKCS7_type_is_signed(pkcs7.get()) || pkcs7->d.sign == nullptr) return nullptr;
  return pkcs7;
}
std::expected<StoreContents, Failure> read_contents(const StoreFile& file, StoreKind kind, bool trust_only,
                                                    KeyOpener& opener, std::vector<Note>& notes) {
  if (file.bytes.size() > store_size_max)
    return fail(file, "store_unknown", "is larger than 4 MiB, which no store is: correct the path");
  switch (kind) {
    case StoreKind::pem:
      return read_pem_contents(file, notes);
    case StoreKind::pkcs12:
      return read_pkcs12_contents(file, trust_only, opener, notes);
    case StoreKind::jks:
      return read_jks_contents(file, trust_only, opener, notes);
    case StoreKind::certificate:
      return read_der_contents(file, notes);
    case StoreKind::pkcs7: {
      StoreContents contents;
      if (take_pkcs7(file.bytes, contents)) return contents;
      return fail(file, "store_malformed",
                  "is PKCS7 without certificates that can be read: export them again");
    }
    case StoreKind::key:
    case StoreKind::encrypted_key: {
      StoreContents contents;
      HeldKey key;
      key.alias = "1";
      key.sealed = Secret(file.bytes);
      contents.keys.push_back(std::move(key));
      return contents;
    }
    case StoreKind::revocations:
      return fail(file, "store_unknown", "is a revocation list (CRL), not a store: correct the path");
    default:
      return file.bytes.empty() ? fail(file, "store_empty", "is empty")
                                : fail(file, "store_unknown", unreadable_kind(kind));
  }
}

// What a PEM file without certificates contains instead, worded to follow "holds no certificate".
std::string instead_of_certificates(const StoreFile& file, StoreKind kind) {
  if (kind != StoreKind::pem) return {};
  for (const PemBlock& block : read_pem(text_of(file.bytes))) {
    if (block.label.ends_with("CERTIFICATE REQUEST"))
      return ", but a request for one (CSR): give what the authority returned for it";
    if (block.label == "X509 CRL") return ", but a revocation list: correct the path";
    if (block.label.ends_with("PUBLIC KEY")) return ", but a public key: give the certificate";
  }
  return {};
}
}  // namespace kferry::x509
