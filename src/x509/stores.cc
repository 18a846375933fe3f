#include "x509/stores.h"

#include <wolfssl/options.h>
// The options come first: they decide the layout of what the others declare.
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/pkcs12.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "x509/certificate.h"
#include "x509/der.h"
#include "x509/jks.h"
#include "x509/pem.h"

namespace kferry::x509 {
namespace {

constexpr std::uint32_t jceks_magic = 0xCECECECE;

std::unexpected<Failure> fail(const StoreFile& file, std::string_view cause, std::string_view words) {
  return std::unexpected(Failure{cause, file.name + ": " + std::string(words)});
}

std::unexpected<Failure> password_wrong(const StoreFile& file, const std::string& variable, bool given) {
  if (!given) return fail(file, "store_password_missing", "is encrypted: set " + variable);
  return fail(file, "store_password_wrong", "does not open with this password: correct " + variable);
}

const std::string* key_password_of(const StoreFile& file) {
  return file.key_password ? &*file.key_password : file.password ? &*file.password : nullptr;
}

// What is missing of an identity, in words.
std::expected<Identity, Failure> complete(const StoreFile& file, Identity identity) {
  if (identity.key.empty()) {
    return fail(file, "key_missing",
                identity.chain.empty()
                    ? "holds neither a private key nor a certificate: give a key store"
                    : "holds certificates but no private key: is it the trust store? Give the key store");
  }
  if (identity.chain.empty()) {
    return fail(file, "certificate_missing",
                "holds a private key but no certificate: add the certificate and its chain");
  }
  // From the leaf up, each the issuer of the one before; what does not belong is left out.
  std::vector<Octets> rest = std::exchange(identity.chain, {});
  Octets next = std::move(rest.front());
  rest.erase(rest.begin());
  while (!next.empty()) {
    const auto certificate = read_certificate(next);
    if (!certificate) return fail(file, certificate.error().cause, certificate.error().text);
    identity.chain.push_back(std::exchange(next, {}));
    if (certificate->issuer == certificate->names.subject) break;
    const auto issuer = std::ranges::find_if(rest, [&](const Octets& der) {
      const auto other = read_certificate(der);
      return other && other->names.subject == certificate->issuer;
    });
    if (issuer == rest.end()) break;
    next = std::move(*issuer);
    rest.erase(issuer);
  }
  return identity;
}

// PKCS#1, SEC 1 and PKCS#8 alike: a sequence that begins with a small version.
std::span<const std::byte> key_within(std::span<const std::byte> octets) {
  Der outer(octets);
  const DerElement whole = outer.any();
  Der fields(whole.content);
  const auto version = fields.content(tag::integer);
  return whole.tag == tag::sequence && fields.ok() && version.size() == 1 ? whole.whole
                                                                          : std::span<const std::byte>{};
}

// wolfSSL derives PBES2's keys by HMAC of SHA-1 and SHA-256 alone.
bool derived_otherwise(std::string_view der) {
  using namespace std::string_view_literals;
  return der.find("\x2A\x86\x48\x86\xF7\x0D\x02\x0A"sv) != std::string_view::npos ||
         der.find("\x2A\x86\x48\x86\xF7\x0D\x02\x0B"sv) != std::string_view::npos;
}

// wolfSSL decrypts into room of its own size; what it leaves there is wiped.
std::expected<Secret, Failure> decrypt_pem_key(const StoreFile& file, const PemBlock& block,
                                               const Secret& sealed) {
  const std::string* const password = key_password_of(file);
  const std::string& variable =
      file.key_password || !file.password ? file.key_password_variable : file.password_variable;
  if (password == nullptr) return password_wrong(file, variable, false);
  if (derived_otherwise(text_of(sealed.bytes()))) {
    return fail(file, "key_encryption_unknown",
                "its key is encrypted in a way that is not known here: write it anew by openssl pkcs8 -topk8 "
                "-v2 aes256");
  }
  Octets room(block.text.size());
  const int size =
      wc_KeyPemToDer(reinterpret_cast<const byte*>(block.text.data()), static_cast<int>(block.text.size()),
                     reinterpret_cast<byte*>(room.data()), static_cast<int>(room.size()), password->c_str());
  // The older encryption has no check of its own: a wrong password gives noise.
  Secret key(key_within(std::span<const std::byte>(room).first(static_cast<std::size_t>(std::max(size, 0)))));
  wipe(room);
  if (key.empty()) return password_wrong(file, variable, true);
  return key;
}

bool is_key(const PemBlock& block) {
  return block.label.ends_with("PRIVATE KEY");
}

bool is_certificate(const PemBlock& block) {
  return block.label == "CERTIFICATE" || block.label == "X509 CERTIFICATE" ||
         block.label == "TRUSTED CERTIFICATE";
}

std::expected<Identity, Failure> read_pem_identity(const StoreFile& file) {
  Identity identity;
  for (PemBlock& block : read_pem(text_of(file.octets))) {
    const bool key = is_key(block);
    if (!key && !is_certificate(block)) continue;
    // A legacy encrypted key holds base64 too, after its headers.
    if (!block.well_formed)
      return fail(file, "pem_malformed", "holds a PEM block that cannot be decoded: copy it again, whole");
    if (!key) {
      identity.chain.push_back(std::move(block.octets));
      continue;
    }
    Secret octets(std::move(block.octets));
    if (!identity.key.empty()) continue;  // the first counts
    if (block.label == "ENCRYPTED PRIVATE KEY" || block.headers.find("ENCRYPTED") != std::string_view::npos) {
      auto decrypted = decrypt_pem_key(file, block, octets);
      if (!decrypted) return std::unexpected(std::move(decrypted.error()));
      octets = std::move(*decrypted);
    }
    identity.key = std::move(octets);
  }
  return identity;
}

struct FreePkcs12 {
  void operator()(WC_PKCS12* store) const { wc_PKCS12_free(store); }
};

struct FreeList {
  void operator()(WC_DerCertList* list) const {
    while (list != nullptr) {
      WC_DerCertList* const next = list->next;
      XFREE(list->buffer, nullptr, DYNAMIC_TYPE_PKCS);
      XFREE(list, nullptr, DYNAMIC_TYPE_PKCS);
      list = next;
    }
  }
};

// pbeWithSHAAnd128BitRC2-CBC and pbeWithSHAAnd40BitRC2-CBC (RFC 7292, appendix C), named in clear.
bool uses_rc2(std::span<const std::byte> store) {
  constexpr std::string_view oid = "\x2A\x86\x48\x86\xF7\x0D\x01\x0C\x01";
  const std::string_view text = text_of(store);
  for (std::size_t at = text.find(oid); at != std::string_view::npos; at = text.find(oid, at + 1)) {
    const std::size_t last = at + oid.size();
    if (last < text.size() && (text[last] == 5 || text[last] == 6)) return true;
  }
  return false;
}

std::expected<Identity, Failure> read_pkcs12(const StoreFile& file) {
  const std::unique_ptr<WC_PKCS12, FreePkcs12> store(wc_PKCS12_new());
  KFERRY_ASSERT(store != nullptr);
  if (wc_d2i_PKCS12(reinterpret_cast<const byte*>(file.octets.data()),
                    static_cast<word32>(file.octets.size()), store.get()) < 0) {
    return fail(file, "store_malformed", "is a PKCS12 store that cannot be parsed: make it anew");
  }
  byte* key = nullptr;
  byte* leaf = nullptr;
  word32 key_size = 0, leaf_size = 0;
  WC_DerCertList* list = nullptr;
  const std::string password = file.password.value_or("");
  const int parsed =
      wc_PKCS12_parse(store.get(), password.c_str(), &key, &key_size, &leaf, &leaf_size, &list);
  const std::unique_ptr<WC_DerCertList, FreeList> others(list);
  Identity identity;
  if (key != nullptr) {
    identity.key = Secret(std::as_bytes(std::span(key, key_size)));
    wipe(std::as_writable_bytes(std::span(key, key_size)));
    XFREE(key, nullptr, DYNAMIC_TYPE_PUBLIC_KEY);
  }
  if (leaf != nullptr) {
    const auto octets = std::as_bytes(std::span(leaf, leaf_size));
    identity.chain.emplace_back(octets.begin(), octets.end());
    XFREE(leaf, nullptr, DYNAMIC_TYPE_PKCS);
  }
  if (parsed == MAC_CMP_FAILED_E)
    return password_wrong(file, file.password_variable, file.password.has_value());
  if (parsed != 0 && !reads_rc2() && uses_rc2(file.octets)) {
    return fail(
        file, "store_unreadable",
        "is an old PKCS12 store, encrypted by RC2, which the packaged wolfSSL in this build cannot read: "
        "write it anew by a current openssl pkcs12 -export or keytool -importkeystore, or use a kferry "
        "with its own wolfSSL");
  }
  if (parsed != 0) {
    return fail(file, "store_unreadable",
                "is a PKCS12 store whose encryption is not known here (" +
                    std::string(wc_GetErrorString(parsed)) +
                    "): write it anew by keytool -importkeystore, or openssl pkcs12 -export");
  }
  for (const WC_DerCertList* one = others.get(); one != nullptr; one = one->next) {
    const auto octets = std::as_bytes(std::span(one->buffer, one->bufferSz));
    identity.chain.emplace_back(octets.begin(), octets.end());
  }
  return identity;
}

std::expected<JksStore, Failure> open_jks(const StoreFile& file) {
  auto store = read_jks(file.octets, file.password);
  if (store) return std::move(*store);
  if (store.error() == JksProblem::password_wrong) return password_wrong(file, file.password_variable, true);
  return fail(file, "store_malformed", "is a JKS store that cannot be parsed: it is damaged or cut short");
}

std::expected<Identity, Failure> read_jks_identity(const StoreFile& file) {
  auto store = open_jks(file);
  if (!store) return std::unexpected(std::move(store.error()));
  Identity identity;
  if (store->keys.empty()) {
    identity.chain = std::move(store->trusted);
    return identity;
  }
  const std::string* const password = key_password_of(file);
  const std::string& variable = file.key_password ? file.key_password_variable : file.password_variable;
  if (password == nullptr) return password_wrong(file, variable, false);
  auto key = unprotect_jks_key(store->keys.front().protected_key, *password);
  if (!key) {
    if (key.error() == JksProblem::malformed) {
      return fail(file, "key_encryption_unknown",
                  "its key is protected in a way that is not known here: convert it by "
                  "keytool -importkeystore -deststoretype PKCS12");
    }
    // The store has opened, so it is the key's own password that differs.
    return fail(file, "store_password_wrong",
                file.key_password ? "its key does not open with this password: correct " + variable
                                  : "its key has a password of its own: set " + file.key_password_variable);
  }
  identity.key = std::move(*key);
  identity.chain = std::move(store->keys.front().chain);
  return identity;
}

std::unexpected<Failure> not_a_store(const StoreFile& file, StoreKind kind) {
  if (file.octets.empty()) return fail(file, "store_empty", "is empty");
  if (kind == StoreKind::jceks) {
    return fail(file, "store_unknown",
                "is a JCEKS store: convert it by keytool -importkeystore -deststoretype PKCS12");
  }
  return fail(file, "store_unknown", "is neither PEM, PKCS12 nor JKS");
}

}  // namespace

bool reads_rc2() {
#ifdef WC_RC2
  return true;
#else
  return false;
#endif
}

StoreKind recognise(std::span<const std::byte> file) {
  if (is_jks(file)) return StoreKind::jks;
  if (file.size() >= 4) {
    std::uint32_t first = 0;
    for (const std::byte octet : file.first(4)) first = first << 8 | std::to_integer<std::uint32_t>(octet);
    if (first == jceks_magic) return StoreKind::jceks;
  }
  if (text_of(file).find("-----BEGIN ") != std::string_view::npos) return StoreKind::pem;
  // PKCS12's PFX begins with its version; a certificate with a sequence. BER's indefinite length (30 80) is PKCS12's.
  if (file.size() >= 2 && file[0] == std::byte{0x30} && file[1] == std::byte{0x80}) return StoreKind::pkcs12;
  Der outer(file);
  Der inner(outer.content(tag::sequence));
  if (outer.ok() && inner.peek() == tag::integer) return StoreKind::pkcs12;
  if (outer.ok() && inner.peek() == tag::sequence) return StoreKind::certificate;
  return StoreKind::unknown;
}

std::expected<Identity, Failure> read_identity(const StoreFile& file, const KeyChoice&, std::vector<Note>&) {
  const StoreKind kind = recognise(file.octets);
  std::expected<Identity, Failure> identity;
  switch (kind) {
    case StoreKind::pem:
      identity = read_pem_identity(file);
      break;
    case StoreKind::pkcs12:
      identity = read_pkcs12(file);
      break;
    case StoreKind::jks:
      identity = read_jks_identity(file);
      break;
    case StoreKind::certificate:
      return fail(file, "key_missing", "holds a certificate alone, in DER: give its key too");
    case StoreKind::jceks:
    case StoreKind::unknown:
      return not_a_store(file, kind);
  }
  if (!identity) return identity;
  return complete(file, std::move(*identity));
}

std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key,
                                               const KeyChoice&, std::vector<Note>& notes) {
  auto chain = read_authorities(certificates, Role::client, notes);
  if (!chain) return std::unexpected(std::move(chain.error()));
  Identity identity;
  if (recognise(key.octets) == StoreKind::pem) {
    auto read = read_pem_identity(key);
    if (!read) return read;
    identity.key = std::move(read->key);
  } else {
    // PKCS#8, PKCS#1 and SEC 1 in DER begin as a PFX does; whether it is a key is seen when it is used.
    identity.key = Secret(key.octets);
  }
  if (identity.key.empty()) return fail(key, "key_missing", "holds no private key");
  identity.chain = std::move(*chain);
  return complete(certificates, std::move(identity));
}

std::expected<std::vector<Octets>, Failure> read_authorities(const StoreFile& file, Role,
                                                             std::vector<Note>&) {
  std::vector<Octets> found;
  const StoreKind kind = recognise(file.octets);
  switch (kind) {
    case StoreKind::pem:
      for (PemBlock& block : read_pem(text_of(file.octets))) {
        if (is_key(block)) wipe(block.octets);
        if (!is_certificate(block)) continue;
        if (!block.well_formed) {
          return fail(file, "pem_malformed",
                      "holds a PEM block that cannot be decoded: copy it again, whole");
        }
        found.push_back(std::move(block.octets));
      }
      break;
    case StoreKind::pkcs12: {
      auto store = read_pkcs12(file);
      if (!store) return std::unexpected(std::move(store.error()));
      found = std::move(store->chain);
      break;
    }
    case StoreKind::jks: {
      auto store = open_jks(file);
      if (!store) return std::unexpected(std::move(store.error()));
      found = std::move(store->trusted);
      break;
    }
    case StoreKind::certificate:
      found.emplace_back(file.octets.begin(), file.octets.end());
      break;
    case StoreKind::jceks:
    case StoreKind::unknown:
      return not_a_store(file, kind);
  }
  if (found.empty()) return fail(file, "authorities_missing", "holds no certificate to trust");
  for (const Octets& der : found) {
    if (const auto read = read_certificate(der); !read)
      return fail(file, read.error().cause, read.error().text);
  }
  return found;
}

std::expected<std::vector<Octets>, Failure> read_revocations(const StoreFile& file, std::vector<Note>&) {
  std::vector<Octets> found;
  if (recognise(file.octets) == StoreKind::pem) {
    for (PemBlock& block : read_pem(text_of(file.octets))) {
      if (block.label == "X509 CRL" && block.well_formed) found.push_back(std::move(block.octets));
    }
  } else if (recognise(file.octets) == StoreKind::certificate) {
    found.emplace_back(file.octets.begin(), file.octets.end());
  }
  if (found.empty()) return fail(file, "revocations_missing", "holds no revocation list (X509 CRL)");
  return found;
}

}  // namespace kferry::x509
