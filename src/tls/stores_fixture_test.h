// Shared by the tests of stores: a folder of certificates, reading without the notes, and a handshake with the result.
#pragma once

#include <doctest/doctest.h>

#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tls/engine_pair_test.h"
#include "x509/stores.h"

namespace kferry::tls {

inline constexpr std::string_view secret = "s3cret-Pass";

// The folder of the fixture, with ca.crt, ec.crt, ec.key and so on.
inline const Folder& folder() {
  return certificates().authority.folder();
}

struct Loaded {
  Bytes bytes;
  x509::StoreFile file;
};

inline Loaded load(const std::string& name, std::optional<std::string> password = {},
                   std::optional<std::string> key_password = {}) {
  Loaded loaded{folder().bytes(name), {}};
  loaded.file.name = name;
  loaded.file.bytes = loaded.bytes;
  loaded.file.password = std::move(password);
  loaded.file.key_password = std::move(key_password);
  loaded.file.password_variable = "STORE_PASSWORD";
  loaded.file.key_password_variable = "KEY_PASSWORD";
  return loaded;
}

inline x509::KeyChoice choice(std::vector<std::string> hosts = {}, std::string alias = {}) {
  x509::KeyChoice choice;
  choice.hosts = std::move(hosts);
  choice.alias = std::move(alias);
  choice.alias_setting = "KEY_ALIAS";
  choice.now_s = std::time(nullptr);
  return choice;
}

using ReadIdentity = std::expected<x509::Identity, Failure>;
using ReadList = std::expected<std::vector<Bytes>, Failure>;

inline ReadIdentity read_identity(const x509::StoreFile& file, const x509::KeyChoice& which = choice()) {
  std::vector<x509::Note> notes;
  return x509::read_identity(file, which, notes);
}
inline ReadIdentity read_identity(const x509::StoreFile& certificates, const x509::StoreFile& key) {
  std::vector<x509::Note> notes;
  return x509::read_identity(certificates, key, choice(), notes);
}
inline ReadList read_authorities(const x509::StoreFile& file) {
  std::vector<x509::Note> notes;
  return x509::read_authorities(file, x509::Role::client, notes);
}
inline ReadList read_revocations(const x509::StoreFile& file) {
  std::vector<x509::Note> notes;
  return x509::read_revocations(file, notes);
}

// "cause: text" of the failure; empty if it was read.
template <typename Read>
std::string refusal(const Read& read) {
  return read ? std::string() : std::string(read.error().cause) + ": " + read.error().text;
}

// Why the identity cannot serve a handshake; empty if it can.
inline std::string serves(const ReadIdentity& identity) {
  if (!identity) return refusal(identity);
  const auto context = ServerContext::make(serving(*identity), nullptr);
  if (!context) return std::string(context.error().cause) + ": " + context.error().text;
  Pair pair;
  pair.server = Engine::server(always(*context));
  pair.client = Engine::client(client_context({}), "localhost", 1);
  pair.run();
  return pair.client->state() == Engine::State::open ? "" : pair.client->failure().text;
}

// Checks that the text is one line without a secret.
inline void check_words(const Failure& failure) {
  CHECK(failure.text.find('\n') == std::string::npos);
  CHECK(failure.text.find(secret) == std::string::npos);
  CHECK(failure.text.find("wr0ng") == std::string::npos);
}

// Checks that `read` was refused with this cause, and that its text contains these words.
template <typename Read>
void check_refused(const Read& read, std::string_view cause, std::string_view words) {
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().cause == cause);
  CAPTURE(read.error().text);
  CHECK(read.error().text.find(words) != std::string::npos);
  check_words(read.error());
}

inline std::string subject_of(const Bytes& der) {
  const auto certificate = x509::read_certificate(der);
  return certificate ? certificate->names.subject : "(malformed)";
}

inline const std::string pass(secret);

// A password beyond ASCII.
inline constexpr std::string_view foreign = "pässwörd€😀";

inline std::string replaced(std::string text, std::string_view what, std::string_view by) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
    ++count;
  }
  REQUIRE(count > 0);
  return text;
}

// Makes NAME.crt for the key KEY.key, signed by the test's authority.
inline void issue(const std::string& name, const std::string& key, const std::string& subject,
                  const std::string& names, const std::string& dates) {
  if (folder().text(key + ".key").empty())
    folder().run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + key + ".key");
  folder().run("openssl req -new -key " + key + ".key -subj '" + subject + "' -addext 'subjectAltName=" +
               names + "' -out " + name + ".csr && openssl ca -batch -config ca.cnf -notext -in " + name +
               ".csr -out " + name + ".crt " + dates);
}

}  // namespace kferry::tls
