#include "x509/identity_reading.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "x509/own_chain.h"
#include "x509/private_key.h"

namespace kferry::x509 {
namespace {

// How many keys or certificates a message lists.
constexpr std::size_t named_max = 8;
// Limited because each key is compared with every certificate.
constexpr std::size_t keys_max = 256;

class IdentityReading {
 public:
  // `key_file` and `opener` belong to the keys.
  IdentityReading(const StoreFile& file, const StoreFile& key_file, KeyOpener& opener, StoreContents contents,
                  const KeyChoice& choice, std::vector<Note>& notes)
      : file_(file),
        key_file_(key_file),
        opener_(opener),
        contents_(std::move(contents)),
        choice_(choice),
        notes_(notes) {}

  std::expected<Identity, Failure> run() {
    if (contents_.keys.empty()) return no_key();
    if (contents_.certificates.empty()) return no_certificate();
    if (contents_.keys.size() > keys_max) {
      return fail(key_file_, "key_ambiguous",
                  "holds " + std::to_string(contents_.keys.size()) + " keys, where kferry takes at most " +
                      std::to_string(keys_max) + ": give a store with fewer");
    }
    if (contents_.keys.size() > 1) {
      for (HeldKey& key : contents_.keys) {
        // In JKS each key has its own certificates.
        if (key.form != HeldKey::Form::jks) opener_.open(key);
      }
    }
    if (!choice_.alias.empty()) return by_alias();
    if (contents_.keys.size() == 1) return serve(0);
    return best_of_several();
  }

 private:
  // What is known about a key before one is chosen.
  struct Candidate {
    std::size_t key = 0;
    std::optional<Leaf> leaf{};
    bool servable = false;

    auto rank() const {
      // Among keys that fit equally well the first is chosen, so that renewing one does not change the choice.
      const bool named = leaf && leaf->named;
      return std::tuple(named, leaf.has_value(), servable, leaf && leaf->valid,
                        named ? leaf->not_after_s : 0);
    }
  };

  std::expected<Identity, Failure> no_key() {
    if (contents_.certificates.empty()) {
      if (!contents_.damage_text.empty()) return fail(file_, contents_.damage_cause, contents_.damage_text);
      return fail(key_file_, "key_missing",
                  "holds neither a private key nor a certificate: give a key store");
    }
    return fail(key_file_, "key_missing",
                "holds certificates but no private key: is it the trust store? Give the key store, or the "
                "key's own file");
  }

  std::expected<Identity, Failure> no_certificate() {
    if (!contents_.damage_text.empty()) return fail(file_, contents_.damage_cause, contents_.damage_text);
    if (&file_ == &key_file_) {
      // A key that cannot be opened at all is the first thing to report.
      opener_.open(contents_.keys.front());
      if (contents_.keys.size() == 1 && contents_.keys.front().refused)
        return std::unexpected(*contents_.keys.front().refused);
      return fail(file_, "certificate_missing",
                  "holds a private key but no certificate: add the certificate and its chain");
    }
    return fail(file_, "certificate_missing",
                "holds no certificate" + instead_of_certificates(file_, recognise(file_.bytes)));
  }

  std::expected<Identity, Failure> by_alias() {
    const auto same = [](std::string_view a, std::string_view b) {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
      return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
    };
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < contents_.keys.size(); ++i) {
      if (contents_.keys[i].alias == choice_.alias) return serve(i);
      // Java compares aliases without case.
      if (!found && same(contents_.keys[i].alias, choice_.alias)) found = i;
    }
    if (found) return serve(*found);
    return fail(key_file_, "key_alias_unknown",
                "has no key with the alias " + shown_alias(choice_.alias) + ": " + how_to_choose());
  }

  std::expected<Identity, Failure> best_of_several() {
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < contents_.keys.size(); ++i) {
      const HeldKey& key = contents_.keys[i];
      candidates.push_back(
          {i, leaf_of(key), key.opened == nullptr || unserved_kind(key.opened.get()).empty()});
    }
    const auto best = std::ranges::max_element(
        candidates, [](const Candidate& a, const Candidate& b) { return a.rank() < b.rank(); });
    const auto named =
        std::ranges::count_if(candidates, [](const Candidate& c) { return c.leaf && c.leaf->named; });
    if (named == 0 && !choice_.hosts.empty()) {
      for (const HeldKey& key : contents_.keys) {
        if (key.refused) return std::unexpected(*key.refused);
      }
      return fail(key_file_, "key_ambiguous",
                  "holds " + std::to_string(contents_.keys.size()) +
                      " keys, and no certificate of theirs names " + hosts() + ": " + how_to_choose());
    }
    if (named != 1) {
      notes_.push_back(
          {"key_several", "holds several keys" +
                              (named > 1 ? " whose certificates name " + hosts() : std::string()) + ", and " +
                              contents_.keys[best->key].alias + " is taken: " + how_to_choose()});
    }
    return serve(best->key);
  }

  std::vector<std::size_t> pool_of(const HeldKey& key) const {
    if (key.chain) return *key.chain;
    std::vector<std::size_t> all(contents_.certificates.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  // The certificates for this key.
  std::vector<Leaf> leaves_of(const HeldKey& key) const {
    std::vector<Leaf> leaves;
    for (const std::size_t index : pool_of(key)) {
      const HeldCertificate& held = contents_.certificates[index];
      const bool belongs =
          key.opened != nullptr
              ? same_public_key(X509_get0_pubkey(held.x509.get()), key.opened.get())
              : (key.chain ? index == key.chain->front() : !key.key_id.empty() && held.key_id == key.key_id);
      if (belongs) leaves.push_back(judge_leaf(contents_, index, choice_.hosts, choice_.now_s));
    }
    return leaves;
  }

  std::optional<Leaf> leaf_of(const HeldKey& key) {
    std::optional<Leaf> best;
    for (const Leaf& leaf : leaves_of(key)) {
      if (leaf.not_before_s > choice_.now_s && (choose_again_s_ == 0 || leaf.not_before_s < choose_again_s_))
        choose_again_s_ = leaf.not_before_s;
      if (!best || better_leaf(leaf, *best)) best = leaf;
    }
    return best;
  }

  std::expected<Identity, Failure> serve(std::size_t index) {
    HeldKey& key = contents_.keys[index];
    opener_.open(key);
    if (key.refused) return std::unexpected(*key.refused);
    if (std::string kind = unserved_kind(key.opened.get()); !kind.empty())
      return fail(key_file_, "key_unsupported", "its key is " + kind);
    const std::optional<Leaf> leaf = leaf_of(key);
    if (!leaf) return mismatch(key);
    if (!signs_for(X509_get0_pubkey(contents_.certificates[leaf->index].x509.get()), key.opened.get())) {
      return fail(
          key_file_, "key_mismatch",
          "its private key contradicts the public key that is written beside it: give the key that was made "
          "with the certificate of " +
              subject(leaf->index));
    }
    Identity identity;
    identity.key = write_key(key.opened.get());
    if (identity.key.empty())
      return fail(key_file_, "key_malformed", "its private key cannot be used: export it again");
    take_chain(key, leaf->index, identity);
    identity.choose_again_s = choose_again_s_;
    if (contents_.keys.size() > 1) {
      for (std::size_t i = 0; i < contents_.keys.size(); ++i)
        identity.choices.push_back({contents_.keys[i].alias, subject_of_key(contents_.keys[i]), i == index});
    }
    return identity;
  }

  void take_chain(const HeldKey& key, std::size_t leaf, Identity& identity) {
    const std::vector<std::size_t> pool = pool_of(key);
    const std::vector<std::size_t> chain = chain_of(contents_, pool, leaf);
    for (const std::size_t index : chain)
      identity.chain.push_back(der_of(contents_.certificates[index].x509.get()));
    if (contents_.keys.size() > 1) return;  // the others belong to other keys
    std::vector<std::string> strays;
    for (const std::size_t index : pool) {
      X509* const x509 = contents_.certificates[index].x509.get();
      const bool used = std::ranges::any_of(chain, [&](std::size_t one) {
        return X509_cmp(contents_.certificates[one].x509.get(), x509) == 0;
      });
      if (!used && !same_public_key(X509_get0_pubkey(x509), key.opened.get()))
        strays.push_back(subject_of(x509));
    }
    if (strays.empty()) return;
    const bool one = strays.size() == 1;
    notes_.push_back({"certificate_stray",
                      "the chain of " + subject(leaf) + " does not need the " +
                          (one ? "certificate of " : "certificates of ") + joined(strays) +
                          (one ? ", which is not sent: remove it" : ", which are not sent: remove them")});
  }

  std::expected<Identity, Failure> mismatch(const HeldKey& key) {
    if (!contents_.damage_text.empty()) return fail(file_, contents_.damage_cause, contents_.damage_text);
    const std::vector<std::size_t> pool = pool_of(key);
    if (pool.empty()) {
      return fail(file_, "certificate_missing",
                  "holds key " + key.alias + " without a certificate: add the certificate and its chain");
    }
    const std::string whose = pool.size() == 1 ? "the certificate of " + subject(pool.front())
                                               : "any of its " + std::to_string(pool.size()) +
                                                     " certificates, of " + subjects(pool);
    return fail(key_file_, "key_mismatch",
                "the private key does not belong to " + whose +
                    (&file_ == &key_file_ ? "" : " in " + file_.name) +
                    ": give the two that were made together");
  }

  std::string subject(std::size_t index) const {
    return subject_of(contents_.certificates[index].x509.get());
  }

  std::string subject_of_key(const HeldKey& key) {
    const std::optional<Leaf> leaf = leaf_of(key);
    return leaf ? subject(leaf->index) : std::string();
  }

  static std::string joined(std::span<const std::string> parts) {
    std::string text;
    for (std::size_t i = 0; i < std::min(parts.size(), named_max); ++i)
      text.append(text.empty() ? "" : ", ").append(parts[i]);
    if (parts.size() > named_max) text += " and " + std::to_string(parts.size() - named_max) + " more";
    return text;
  }

  std::string subjects(std::span<const std::size_t> indices) const {
    std::vector<std::string> all;
    for (const std::size_t index : indices) all.push_back(subject(index));
    return joined(all);
  }

  std::string hosts() const {
    std::string text;
    for (const std::string& host : choice_.hosts) text.append(text.empty() ? "" : " or ").append(host);
    return text;
  }

  std::string how_to_choose() {
    const std::string keys = list_keys();
    return choice_.alias_setting.empty() ? "give a store with one key; here are " + keys
                                         : "set " + choice_.alias_setting + " to one of " + keys;
  }

  // "a (CN=x), b (CN=y)"
  std::string list_keys() {
    std::vector<std::string> all;
    for (const HeldKey& key : contents_.keys) {
      const std::string subject = subject_of_key(key);
      all.push_back(subject.empty() ? key.alias : key.alias + " (" + subject + ")");
    }
    return joined(all);
  }

  const StoreFile& file_;
  const StoreFile& key_file_;
  KeyOpener& opener_;
  StoreContents contents_;
  const KeyChoice& choice_;
  std::vector<Note>& notes_;
  std::int64_t choose_again_s_ = 0;
};

}  // namespace

std::expected<Identity, Failure> identity_of(const StoreFile& file, const StoreFile& key_file,
                                             KeyOpener& opener, StoreContents contents,
                                             const KeyChoice& choice, std::vector<Note>& notes) {
  return IdentityReading(file, key_file, opener, std::move(contents), choice, notes).run();
}

}  // namespace kferry::x509
