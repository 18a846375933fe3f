#include "x509/key_opener.h"

#include <utility>

#include "x509/jks.h"

namespace kferry::x509 {

struct KeyOpener::Passwords {
  std::vector<Password> list;  // in the order of the attempts
  std::string variable;        // what to set if none of them is right
  const std::optional<std::string>* given = nullptr;
};

namespace {

std::string words_of(const KeyReason& reason) {
  constexpr std::string_view anew = ": write it anew by openssl pkcs8 -topk8 -v2 aes256";
  switch (reason.why) {
    case KeyTrouble::encryption_unknown:
      return "its key is encrypted by " + reason.detail + ", which kferry cannot decrypt" + std::string(anew);
    case KeyTrouble::encryption_costly:
      return "its key is encrypted by " + reason.detail + std::string(anew);
    case KeyTrouble::kind_unknown:
      return "its key is of a kind that is not known here" +
             (reason.detail.empty() ? std::string() : " (" + reason.detail + ")") + ": use " +
             std::string(served_kinds);
    default:
      return "holds a private key that cannot be parsed: export it again";
  }
}

std::string_view cause_of(KeyTrouble why) {
  switch (why) {
    case KeyTrouble::password_missing:
      return "store_password_missing";
    case KeyTrouble::password_wrong:
      return "store_password_wrong";
    case KeyTrouble::encryption_unknown:
      return "key_encryption_unknown";
    case KeyTrouble::encryption_costly:
      return "key_encryption_costly";
    case KeyTrouble::kind_unknown:
      return "key_unsupported";
    case KeyTrouble::malformed:
      break;
  }
  return "key_malformed";
}

}  // namespace

KeyOpener::Passwords KeyOpener::passwords() const {
  Passwords passwords;
  if (file_.key_password) passwords.list.emplace_back(*file_.key_password);
  const bool in_store = kind_ == StoreKind::pkcs12 || kind_ == StoreKind::jks;
  if (in_store) {
    passwords.list.insert(passwords.list.end(), store_passwords_.begin(), store_passwords_.end());
  } else if (file_.password) {
    passwords.list.emplace_back(*file_.password);
  }
  // A store needs its own password first. A key in PEM or DER has only its own.
  const bool store = in_store || file_.password;
  passwords.variable = file_.key_password || !store ? file_.key_password_variable : file_.password_variable;
  passwords.given = file_.key_password ? &file_.key_password : &file_.password;
  return passwords;
}

void KeyOpener::open(HeldKey& key) {
  if (key.opened != nullptr || key.refused) return;
  const Passwords with = passwords();
  auto opened = key.form == HeldKey::Form::jks ? open_jks(key, with)
                : key.form == HeldKey::Form::rfc1421
                    ? open_rfc1421_key(key.sealed.bytes(), key.headers, with.list)
                    : open_key(key.sealed.bytes(), with.list, effort_);
  if (opened) {
    key.opened = std::move(*opened);
    return;
  }
  KeyReason& reason = opened.error();
  const auto refuse = [&](const std::string& words) {
    key.refused = fail(file_, cause_of(reason.why), words).error();
  };
  if (reason.why == KeyTrouble::password_wrong && !*with.given) reason.why = KeyTrouble::password_missing;
  if (reason.why == KeyTrouble::password_missing) return refuse("its key is encrypted: set " + with.variable);
  if (reason.why != KeyTrouble::password_wrong) return refuse(words_of(reason));
  // If the store was opened, the key must have a different password.
  if (store_proved_ && !file_.key_password)
    return refuse("key " + key.alias + " has a password of its own: set " + file_.key_password_variable);
  const bool named = kind_ == StoreKind::pkcs12 || kind_ == StoreKind::jks;
  refuse((named ? "key " + key.alias : "its key") +
         " does not open with this password: " + correct(with.variable, *with.given));
}

std::expected<KeyPtr, KeyReason> KeyOpener::open_jks(const HeldKey& key, const Passwords& with) {
  KeyReason reason{KeyTrouble::password_missing};
  for (const Password password : with.list) {
    auto plain = unprotect_jks_key(key.sealed.bytes(), password.value_or(""));
    if (plain) return open_key(plain->bytes(), {}, effort_);
    reason.why = KeyTrouble::password_wrong;
    if (plain.error() == JksProblem::malformed)
      return std::unexpected(KeyReason{KeyTrouble::encryption_unknown, "other means than JKS has"});
  }
  return std::unexpected(std::move(reason));
}

}  // namespace kferry::x509
