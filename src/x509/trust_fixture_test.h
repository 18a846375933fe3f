// Shared by the tests of TrustStore: a question to a store, and its answer in short form.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "x509/maker_test.h"
#include "x509/trust.h"

namespace kferry::x509 {

struct Asked {
  Role role = Role::client;
  std::vector<const Made*> trusted{};
  std::vector<Bytes> lists{};
  std::vector<const Made*> chain{};
  std::string host{};
  std::int64_t after_s = 0;  // from now
  std::vector<std::string> subjects{};
};

inline std::shared_ptr<const TrustStore> store(const Asked& asked, std::vector<Note>* notes = nullptr) {
  TrustSettings settings{.role = asked.role, .revocations = asked.lists};
  for (const Made* const one : asked.trusted) settings.certificates.push_back(one->der);
  for (const std::string& rule : asked.subjects)
    settings.subjects.push_back(SubjectRule::parse(rule).value());
  std::vector<Note> all;
  auto made = TrustStore::make(settings, now(), all);
  if (!made) FAIL(made.error().text);
  if (notes != nullptr) *notes = all;
  return *made;
}

inline Verdict judge(const TrustStore& trust, const Asked& asked) {
  std::vector<std::span<const std::byte>> chain;
  for (const Made* const one : asked.chain) chain.push_back(one->der);
  return trust.judge({.chain = chain, .now_s = now() + asked.after_s, .host = asked.host});
}

// The cause of the objection; "good" if there is none.
inline std::string cause(const Asked& asked) {
  const Verdict verdict = judge(*store(asked), asked);
  if (!verdict.good()) {
    // An objection always has an alert and a text.
    CHECK(verdict.objection.alert != 0);
    CHECK_FALSE(verdict.objection.text.empty());
  }
  return verdict.good() ? "good" : std::string(verdict.objection.cause);
}

inline std::string words(const Asked& asked) {
  return judge(*store(asked), asked).objection.text;
}

inline bool noted(const Asked& asked, std::string_view cause_of_note, std::string_view word = {}) {
  std::vector<Note> notes;
  store(asked, &notes);
  return std::ranges::any_of(notes, [&](const Note& note) {
    return note.cause == cause_of_note && note.text.find(word) != std::string::npos;
  });
}

inline Wanted with(std::vector<Extension> extensions) {
  Wanted wanted;
  wanted.extensions = std::move(extensions);
  return wanted;
}

inline Wanted lasting(std::int64_t from_s, std::int64_t to_s,
                      std::vector<Extension> extensions = leaf_extensions()) {
  Wanted wanted = with(std::move(extensions));
  wanted.from_s = from_s;
  wanted.to_s = to_s;
  return wanted;
}

inline Wanted keyed(const Made& other, Wanted wanted = {}) {
  wanted.key = other.key.get();
  return wanted;
}

}  // namespace kferry::x509
