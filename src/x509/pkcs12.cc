#include "x509/pkcs12.h"

#include <openssl/hmac.h>
#include <openssl/pkcs12.h>

#include <array>
#include <utility>

namespace kferry::x509 {
namespace {

// Nested bags, which no tool writes.
constexpr int depth_max = 4;

using Pkcs12Ptr = std::unique_ptr<PKCS12, Free<PKCS12_free>>;
using Pbmac1Ptr = std::unique_ptr<PBE2PARAM, Free<PBE2PARAM_free>>;
using DigestPtr = std::unique_ptr<EVP_MD, Free<EVP_MD_free>>;

void free_safes(STACK_OF(PKCS7) * safes) {
  sk_PKCS7_pop_free(safes, PKCS7_free);
}
void free_bags(STACK_OF(PKCS12_SAFEBAG) * bags) {
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}
using SafesPtr = std::unique_ptr<STACK_OF(PKCS7), Free<free_safes>>;
using BagsPtr = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), Free<free_bags>>;

using Read = std::expected<void, Pkcs12Reason>;

std::unexpected<Pkcs12Reason> trouble(Pkcs12Trouble why, std::string detail = {}) {
  return std::unexpected(Pkcs12Reason{why, std::move(detail)});
}

std::unexpected<Pkcs12Reason> trouble(const LockedReason& locked) {
  switch (locked.why) {
    case Locked::wrong_password:
      return trouble(Pkcs12Trouble::password_wrong);
    case Locked::unknown:
      return trouble(Pkcs12Trouble::encryption_unknown, locked.detail);
    case Locked::too_costly:
      return trouble(Pkcs12Trouble::encryption_costly, locked.detail);
    case Locked::malformed:
      break;
  }
  return trouble(Pkcs12Trouble::malformed);
}

// Removes the next element from `rest` and returns its content; empty if there is none.
std::span<const std::byte> next_content(std::span<const std::byte>& rest) {
  const unsigned char* at = raw(rest);
  long length = 0;
  int tag = 0, xclass = 0;
  const int form = ASN1_get_object(&at, &length, &tag, &xclass, static_cast<long>(rest.size()));
  if ((form & 0x81) != 0) {
    rest = {};
    return {};
  }
  const auto content =
      rest.subspan(static_cast<std::size_t>(at - raw(rest)), static_cast<std::size_t>(length));
  rest = rest.subspan(static_cast<std::size_t>(at - raw(rest) + length));
  return content;
}

// What the MAC covers: the OCTET STRING in SEQUENCE { version, SEQUENCE { data, [0] { OCTET STRING } }, … }.
Bytes authenticated_part(const PKCS12* store) {
  unsigned char* der = nullptr;
  const int size = i2d_PKCS12(store, &der);
  if (size <= 0) return {};
  const auto all = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  auto outer = all;
  auto fields = next_content(outer);
  next_content(fields);  // the version
  auto content_info = next_content(fields);
  next_content(content_info);  // "data"
  auto tagged = next_content(content_info);
  const auto found = next_content(tagged);
  Bytes part(found.begin(), found.end());
  OPENSSL_free(der);
  return part;
}

// RFC 9579: HMAC with a key of PBKDF2.
std::expected<bool, Pkcs12Reason> pbmac1_verifies(const PKCS12* store, const X509_ALGOR* algorithm,
                                                  std::span<const std::byte> mac, std::string_view password,
                                                  Effort& effort) {
  const ASN1_OBJECT* object = nullptr;
  int type = V_ASN1_UNDEF;
  const void* value = nullptr;
  X509_ALGOR_get0(&object, &type, &value, algorithm);
  if (type != V_ASN1_SEQUENCE) return trouble(Pkcs12Trouble::malformed);
  const auto* const text = static_cast<const ASN1_STRING*>(value);
  const unsigned char* at = ASN1_STRING_get0_data(text);
  // PBMAC1-params has the same form as PBES2-params.
  const Pbmac1Ptr settings(d2i_PBE2PARAM(nullptr, &at, ASN1_STRING_length(text)));
  if (settings == nullptr) return trouble(Pkcs12Trouble::malformed);
  X509_ALGOR_get0(&object, nullptr, nullptr, settings->encryption);
  int digest = NID_undef;
  if (EVP_PBE_find(EVP_PBE_TYPE_PRF, OBJ_obj2nid(object), nullptr, &digest, nullptr) != 1)
    return trouble(Pkcs12Trouble::encryption_unknown, "PBMAC1 with " + name_of(object));
  const DigestPtr hash(EVP_MD_fetch(nullptr, OBJ_nid2sn(digest), nullptr));
  if (hash == nullptr) return trouble(Pkcs12Trouble::encryption_unknown, "PBMAC1 with " + name_of(object));
  const auto key = derive_by_pbkdf2(settings->keyfunc, password,
                                    static_cast<std::size_t>(EVP_MD_get_size(hash.get())), effort);
  if (!key) return trouble(key.error());
  const Bytes part = authenticated_part(store);
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned size = 0;
  if (HMAC(hash.get(), raw(key->bytes()), static_cast<int>(key->bytes().size()), raw(part), part.size(),
           made.data(), &size) == nullptr) {
    return trouble(Pkcs12Trouble::malformed);
  }
  return equal_constant_time(std::as_bytes(std::span(made).first(size)), mac);
}

std::expected<bool, Pkcs12Reason> mac_verifies(PKCS12* store, Password password, Effort& effort) {
  const ASN1_OCTET_STRING* mac = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_INTEGER* count = nullptr;
  PKCS12_get0_mac(&mac, &algorithm, nullptr, &count, store);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  if (OBJ_obj2nid(object) == NID_pbmac1)
    return pbmac1_verifies(store, algorithm, bytes_of(mac), password.value_or(""), effort);
  const std::string name = name_of(object);
  const DigestPtr digest(EVP_MD_fetch(nullptr, name.c_str(), nullptr));
  if (digest == nullptr) return trouble(Pkcs12Trouble::encryption_unknown, "a MAC of " + name);
  const auto iterations = count == nullptr ? 1 : count_of(count);
  if (!iterations || !effort.spend(*iterations))
    return trouble(Pkcs12Trouble::encryption_costly, too_many(iterations));
  return PKCS12_verify_mac(store, password ? password->data() : nullptr,
                           password ? static_cast<int>(password->size()) : 0) == 1;
}

class Reader {
 public:
  Reader(Password password, Effort& effort, std::vector<Note>& notes)
      : password_(password), effort_(effort), notes_(notes) {}

  Read safe(PKCS7* safe) {
    if (PKCS7_type_is_data(safe)) return plain_safe(safe);
    if (PKCS7_type_is_encrypted(safe)) return encrypted_safe(safe);
    return trouble(Pkcs12Trouble::encryption_unknown, "a public key (" + name_of(safe->type) + ")");
  }

  bool decrypted() const { return decrypted_; }
  StoreContents take() { return std::move(contents_); }

 private:
  Read plain_safe(PKCS7* safe) {
    const BagsPtr bags(PKCS12_unpack_p7data(safe));
    if (bags == nullptr) return trouble(Pkcs12Trouble::malformed);
    take_bags(bags.get(), 0);
    return {};
  }

  Read encrypted_safe(PKCS7* safe) {
    const PKCS7_ENC_CONTENT* const sealed =
        safe->d.encrypted == nullptr ? nullptr : safe->d.encrypted->enc_data;
    if (sealed == nullptr || sealed->algorithm == nullptr || sealed->enc_data == nullptr)
      return trouble(Pkcs12Trouble::malformed);
    const auto plain = decrypt_by_password(sealed->algorithm, bytes_of(sealed->enc_data), password_, effort_);
    if (!plain) return trouble(plain.error());
    const unsigned char* at = raw(plain->bytes());
    const BagsPtr bags(reinterpret_cast<STACK_OF(PKCS12_SAFEBAG)*>(ASN1_item_d2i(
        nullptr, &at, static_cast<long>(plain->bytes().size()), ASN1_ITEM_rptr(PKCS12_SAFEBAGS))));
    // Random bytes have valid padding once in 256 times.
    if (bags == nullptr) return trouble(Pkcs12Trouble::password_wrong);
    decrypted_ = true;
    take_bags(bags.get(), 0);
    return {};
  }

  void take_bags(const STACK_OF(PKCS12_SAFEBAG) * bags, int depth) {
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
      PKCS12_SAFEBAG* const bag = sk_PKCS12_SAFEBAG_value(bags, i);
      switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_certBag:
          take_certificate(bag);
          break;
        case NID_keyBag: {
          unsigned char* der = nullptr;
          const int size = i2d_PKCS8_PRIV_KEY_INFO(PKCS12_SAFEBAG_get0_p8inf(bag), &der);
          take_key(bag, der, size);
          break;
        }
        case NID_pkcs8ShroudedKeyBag: {
          unsigned char* der = nullptr;
          const int size = i2d_X509_SIG(PKCS12_SAFEBAG_get0_pkcs8(bag), &der);
          take_key(bag, der, size);
          break;
        }
        case NID_safeContentsBag:
          if (depth < depth_max) take_bags(PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
          break;
        default:  // secrets and revocation lists
          break;
      }
    }
  }

  void take_certificate(PKCS12_SAFEBAG* bag) {
    ++count_;
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return;
    X509Ptr x509(PKCS12_SAFEBAG_get1_cert(bag));
    if (x509 != nullptr) {
      contents_.certificates.push_back({std::move(x509), key_id(bag)});
      return;
    }
    const std::string alias = friendly_name(bag);
    contents_.damage("certificate_malformed",
                     "certificate " + std::to_string(count_) + (alias.empty() ? "" : " (" + alias + ")") +
                         " cannot be parsed and is left out: export it again",
                     notes_);
  }

  void take_key(PKCS12_SAFEBAG* bag, unsigned char* der, int size) {
    HeldKey key;
    key.alias = friendly_name(bag);
    if (key.alias.empty()) key.alias = std::to_string(contents_.keys.size() + 1);
    key.key_id = key_id(bag);
    if (size > 0) key.sealed = Secret(std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
    OPENSSL_clear_free(der, size > 0 ? static_cast<std::size_t>(size) : 0);
    contents_.keys.push_back(std::move(key));
  }

  static std::string friendly_name(PKCS12_SAFEBAG* bag) {
    char* const text = PKCS12_get_friendlyname(bag);
    if (text == nullptr) return {};
    std::string name = shown_alias(text);
    OPENSSL_free(text);
    return name;
  }

  static std::string key_id(PKCS12_SAFEBAG* bag) {
    const ASN1_TYPE* const id = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);
    if (id == nullptr || id->type != V_ASN1_OCTET_STRING) return {};
    return std::string(text_of(bytes_of(id->value.octet_string)));
  }

  Password password_;
  Effort& effort_;
  std::vector<Note>& notes_;
  StoreContents contents_;
  std::size_t count_ = 0;
  bool decrypted_ = false;
};

std::expected<Pkcs12, Pkcs12Reason> read(PKCS12* store, Password password, bool trust_only, Effort& effort,
                                         std::vector<Note>& notes) {
  // Programs differ in which of these they use for a store without a password.
  std::vector<Password> candidates;
  if (password && !password->empty()) {
    candidates = {password};
  } else {
    candidates = {std::nullopt, std::string_view("")};
  }
  const auto refused = password ? Pkcs12Trouble::password_wrong : Pkcs12Trouble::password_missing;
  std::optional<Password> verified;
  if (PKCS12_mac_present(store) == 1) {
    for (const Password candidate : candidates) {
      const auto verifies = mac_verifies(store, candidate, effort);
      if (!verifies) return std::unexpected(verifies.error());
      if (!*verifies) continue;
      verified = candidate;
      break;
    }
    if (verified) {
      candidates = {*verified};
    } else if (!trust_only || password) {
      return trouble(refused);
    }
  }
  const SafesPtr safes(PKCS12_unpack_authsafes(store));
  if (safes == nullptr) return trouble(Pkcs12Trouble::malformed);
  Pkcs12Reason reason;
  for (const Password candidate : candidates) {
    std::vector<Note> found;
    Reader reader(candidate, effort, found);
    Read read;
    for (int i = 0; i < sk_PKCS7_num(safes.get()) && read; ++i)
      read = reader.safe(sk_PKCS7_value(safes.get(), i));
    if (read) {
      std::move(found.begin(), found.end(), std::back_inserter(notes));
      const bool proved = verified || reader.decrypted();
      return Pkcs12{reader.take(), proved ? std::vector{candidate} : candidates, proved};
    }
    reason = read.error();
    if (reason.why != Pkcs12Trouble::password_wrong) break;
    // The MAC has proved the password right.
    reason.why = verified ? Pkcs12Trouble::malformed : refused;
  }
  return std::unexpected(std::move(reason));
}

}  // namespace

std::expected<Pkcs12, Pkcs12Reason> read_pkcs12(std::span<const std::byte> file, Password password,
                                                bool trust_only, Effort& effort, std::vector<Note>& notes) {
  const unsigned char* at = raw(file);
  const Pkcs12Ptr store(d2i_PKCS12(nullptr, &at, static_cast<long>(file.size())));
  auto result = store == nullptr ? std::expected<Pkcs12, Pkcs12Reason>(trouble(Pkcs12Trouble::malformed))
                                 : read(store.get(), password, trust_only, effort, notes);
  ERR_clear_error();
  return result;
}

}  // namespace kferry::x509
