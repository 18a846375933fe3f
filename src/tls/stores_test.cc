// Stores that openssl and keytool wrote, read and then served in a handshake.
#include "x509/stores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tls/engine_pair_test.h"
#include "x509/jks.h"

namespace kferry::tls {

using namespace x509;

namespace {

// A fixture's folder: ec.crt, ec.key and so on, ca.crt.
const Folder& folder() {
  return certificates().authority.folder();
}

// The functions of stores.h for tests that do not look at notes.
std::expected<Identity, Failure> read_identity(const StoreFile& file) {
  std::vector<Note> notes;
  return x509::read_identity(file, {}, notes);
}
std::expected<Identity, Failure> read_identity(const StoreFile& certificates, const StoreFile& key) {
  std::vector<Note> notes;
  return x509::read_identity(certificates, key, {}, notes);
}
std::expected<std::vector<Octets>, Failure> read_authorities(const StoreFile& file) {
  std::vector<Note> notes;
  return x509::read_authorities(file, Role::client, notes);
}
std::expected<std::vector<Octets>, Failure> read_revocations(const StoreFile& file) {
  std::vector<Note> notes;
  return x509::read_revocations(file, notes);
}

struct Loaded {
  Octets octets;
  StoreFile file;
};

Loaded load(const std::string& name, std::optional<std::string> password = {},
            std::optional<std::string> key_password = {}) {
  Loaded loaded{folder().octets(name), {}};
  loaded.file.name = name;
  loaded.file.octets = loaded.octets;
  loaded.file.password = std::move(password);
  loaded.file.key_password = std::move(key_password);
  loaded.file.password_variable = "STORE_PASSWORD";
  loaded.file.key_password_variable = "KEY_PASSWORD";
  return loaded;
}

// Whether the identity serves a handshake; else why not.
std::string serves(const std::expected<Identity, Failure>& identity) {
  if (!identity) return std::string(identity.error().cause) + ": " + identity.error().text;
  const auto context = ServerContext::make(serving(*identity), nullptr);
  if (!context) return std::string(context.error().cause) + ": " + context.error().text;
  Pair pair;
  pair.server = Engine::server(always(*context));
  pair.client = Engine::client(client_context({}), "localhost", 1);
  pair.run();
  return pair.client->state() == Engine::State::open ? "" : pair.client->failure().text;
}

bool has_keytool() {
  static const bool found = std::system("command -v keytool >/dev/null 2>&1") == 0;
  if (!found) MESSAGE("keytool is not installed: stores made by Java are not read here");
  return found;
}

constexpr std::string_view secret = "s3cret-Pass";

// False where the store is refused for RC2, as it must be by a library that lacks it.
bool readable(const std::expected<Identity, Failure>& identity, const std::string& how) {
  if (reads_rc2() || identity || identity.error().text.find("RC2") == std::string::npos) return true;
  MESSAGE("not read, as this wolfSSL lacks RC2: " << how);
  return false;
}

// One line, and no secret in it.
void check_words(const Failure& failure) {
  CHECK(failure.text.find('\n') == std::string::npos);
  CHECK(failure.text.find(secret) == std::string::npos);
  CHECK(failure.text.find("wr0ng") == std::string::npos);
}

TEST_CASE("PEM keys in every form, in clear and encrypted") {
  certificates();
  folder().run(
      "openssl pkey -in ec.key -traditional -out ec.sec1 && openssl pkey -in rsa.key -traditional -out "
      "rsa.pkcs1");
  for (const std::string name : {"ec.key", "rsa.key", "ec.sec1", "rsa.pkcs1"}) {
    CAPTURE(name);
    const std::string kind = name.substr(0, name.find('.'));
    folder().run("cat " + name + " " + kind + ".crt ca.crt >whole.pem");
    const Loaded whole = load("whole.pem");
    CHECK(recognise(whole.octets) == StoreKind::pem);
    const auto identity = read_identity(whole.file);
    CHECK(serves(identity) == "");
    CHECK(identity->chain.size() == 2);
    const Loaded chain = load(kind + ".crt"), key = load(name);
    CHECK(serves(read_identity(chain.file, key.file)) == "");
    for (const std::string how :
         {"openssl pkcs8 -topk8 -v2 aes256", "openssl pkcs8 -topk8 -v2 aes128",
          "openssl pkcs8 -topk8 -v2 des3", "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES",
          "openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA1", "openssl pkey -traditional -aes256",
          "openssl pkey -traditional -aes128", "openssl pkey -traditional -des3"}) {
      CAPTURE(how);
      folder().run(how + " -in " + name + " -passout pass:" + std::string(secret) +
                   " -out locked.key && cat " + kind + ".crt locked.key >locked.pem");
      CHECK(serves(read_identity(load("locked.pem", {}, std::string(secret)).file)) == "");
      CHECK(serves(read_identity(load("locked.pem", std::string(secret)).file)) == "");
      const auto wrong = read_identity(load("locked.pem", {}, "wr0ng").file);
      REQUIRE_FALSE(wrong.has_value());
      CHECK(wrong.error().cause == "store_password_wrong");
      CHECK(wrong.error().text.find("KEY_PASSWORD") != std::string::npos);
      check_words(wrong.error());
      const auto none = read_identity(load("locked.pem").file);
      REQUIRE_FALSE(none.has_value());
      CHECK(none.error().cause == "store_password_missing");
    }
  }
}

TEST_CASE("a key derived in a way that is unknown is not called a wrong password") {
  certificates();
  folder().run(
      "openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA512 -in ec.key -passout pass:x -out ec.512 && cat "
      "ec.crt ec.512 >512.pem");
  CHECK(read_identity(load("512.pem", {}, "x").file).error().cause == "key_encryption_unknown");
}

TEST_CASE("PKCS12 as openssl writes it, new and old") {
  certificates();
  for (const std::string kind : {"ec", "rsa"}) {
    for (const std::string how : {"", "-legacy", "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
                                  "-legacy -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-40 -macalg sha1",
                                  "-keypbe AES-128-CBC -certpbe AES-256-CBC", "-keypbe NONE -certpbe NONE",
                                  "-keypbe AES-256-CBC -certpbe NONE -macalg sha512"}) {
      CAPTURE(kind);
      CAPTURE(how);
      folder().run("openssl pkcs12 -export " + how + " -inkey " + kind + ".key -in " + kind +
                   ".crt -certfile ca.crt -passout pass:" + std::string(secret) + " -out store.p12");
      const Loaded store = load("store.p12", std::string(secret));
      CHECK(recognise(store.octets) == StoreKind::pkcs12);
      const auto identity = read_identity(store.file);
      if (readable(identity, how)) CHECK(serves(identity) == "");
      if (identity) CHECK(identity->chain.size() == 2);
      const auto wrong = read_identity(load("store.p12", "wr0ng").file);
      REQUIRE_FALSE(wrong.has_value());
      CHECK(wrong.error().cause == "store_password_wrong");
      CHECK(wrong.error().text.find("STORE_PASSWORD") != std::string::npos);
      check_words(wrong.error());
      const auto none = read_identity(load("store.p12").file);
      REQUIRE_FALSE(none.has_value());
      CHECK(none.error().cause == "store_password_missing");
    }
  }
  folder().run("openssl pkcs12 -export -nokeys -in ca.crt -passout pass:" + std::string(secret) +
               " -out trust.p12");
  const auto trusted = read_authorities(load("trust.p12", std::string(secret)).file);
  REQUIRE(trusted.has_value());
  CHECK(trusted->size() == 1);
}

TEST_CASE("stores as keytool writes them: JKS, PKCS12 of today and of older JDKs") {
  certificates();
  if (!has_keytool()) return;
  const std::string pass(secret);
  for (const std::string type : {"JKS", "PKCS12", "PKCS12 -J-Dkeystore.pkcs12.legacy"}) {
    for (const std::string kind : {"ec", "rsa"}) {
      CAPTURE(type);
      CAPTURE(kind);
      folder().run("openssl pkcs12 -export -name mine -inkey " + kind + ".key -in " + kind +
                   ".crt -certfile ca.crt -passout pass:" + pass +
                   " -out from.p12 && rm -f to.store && keytool -importkeystore -noprompt "
                   "-srckeystore from.p12 -srcstorepass " +
                   pass + " -destkeystore to.store -deststoretype " + type + " -deststorepass " + pass);
      const Loaded store = load("to.store", pass);
      CHECK(recognise(store.octets) == (type == "JKS" ? StoreKind::jks : StoreKind::pkcs12));
      const auto identity = read_identity(store.file);
      if (readable(identity, type)) CHECK(serves(identity) == "");
      const auto wrong = read_identity(load("to.store", "wr0ng").file);
      REQUIRE_FALSE(wrong.has_value());
      CHECK(wrong.error().cause == "store_password_wrong");
      check_words(wrong.error());
    }
    folder().run(
        "rm -f trust.store && keytool -importcert -noprompt -alias a -file ca.crt -keystore trust.store "
        "-storetype " +
        type + " -storepass " + pass +
        " && keytool -importcert -noprompt -alias b -file ec.crt -keystore trust.store -storepass " + pass);
    const auto trusted = read_authorities(load("trust.store", pass).file);
    if (!trusted && !readable(std::unexpected(trusted.error()), type)) continue;
    REQUIRE_MESSAGE(trusted.has_value(), (trusted ? "" : trusted.error().text));
    CHECK(trusted->size() == 2);
    const auto keyless = read_identity(load("trust.store", pass).file);
    REQUIRE_FALSE(keyless.has_value());
    CHECK(keyless.error().cause == "key_missing");
  }
  // A JKS key with a password of its own, and one that is not ASCII.
  folder().run(
      "rm -f own.jks && keytool -genkeypair -alias a -keyalg EC -groupname secp256r1 -storetype JKS "
      "-keystore own.jks -dname CN=own -storepass " +
      pass + " -keypass other-pass");
  CHECK(read_identity(load("own.jks", pass, "other-pass").file).has_value());
  const auto without = read_identity(load("own.jks", pass).file);
  REQUIRE_FALSE(without.has_value());
  CHECK(without.error().text.find("KEY_PASSWORD") != std::string::npos);
  check_words(without.error());
  // A trust store opens without its password, as in Java.
  folder().run(
      "rm -f t.jks && keytool -importcert -noprompt -alias a -file ca.crt -keystore t.jks -storetype JKS "
      "-storepass " +
      pass);
  CHECK(read_authorities(load("t.jks").file).has_value());
}

TEST_CASE("a JKS store cut or changed anywhere is refused") {
  certificates();
  // Made by hand, so that it needs no Java: one trusted certificate.
  const Octets der = certificates().authority.certificate();
  std::string body("\xFE\xED\xFE\xED\0\0\0\2\0\0\0\1\0\0\0\2\0\1a\0\0\0\0\0\0\0\0\0\5X.509\0\0", 36);
  body += static_cast<char>(der.size() >> 8);
  body += static_cast<char>(der.size());
  body.append(reinterpret_cast<const char*>(der.data()), der.size());
  const std::string store = body + std::string(20, '\0');
  const auto read = read_jks(octets(store), std::nullopt);
  REQUIRE(read.has_value());
  CHECK(read->trusted == std::vector<Octets>{der});
  CHECK(read_jks(octets(store), "x").error() == JksProblem::password_wrong);
  for (std::size_t size = 0; size < store.size(); ++size) {
    CHECK_FALSE(read_jks(octets(store).first(size), std::nullopt).has_value());
  }
}

TEST_CASE("passwords become UTF-16") {
  CHECK(std::ranges::equal(utf16_of("aé€😀").bytes(),
                           octets(std::string_view("\0a\0\xE9\x20\xAC\xD8\x3D\xDE\0", 10))));
  CHECK(std::ranges::equal(utf16_of("\xFFz").bytes(), octets(std::string_view("\xFF\xFD\0z", 4))));
}

TEST_CASE("files that are no store, or not the right one, say so") {
  const auto cause = [](std::string_view text) {
    StoreFile file;
    file.name = "file";
    file.octets = octets(text);
    const auto read = read_identity(file);
    return read ? "" : std::string(read.error().cause);
  };
  CHECK(cause("") == "store_empty");
  CHECK(cause("hello") == "store_unknown");
  CHECK(cause("\xCE\xCE\xCE\xCE....") == "store_unknown");
  CHECK(cause("-----BEGIN CERTIFICATE-----\nMII\n") == "pem_malformed");
  CHECK(cause("-----BEGIN X-----\nMIIB\n-----END X-----\n") == "key_missing");
  CHECK(cause(folder().text("ec.crt")) == "key_missing");
  CHECK(cause(folder().text("ec.key")) == "certificate_missing");
  const Octets der = certificates().ec.chain.front();
  CHECK(cause({reinterpret_cast<const char*>(der.data()), der.size()}) == "key_missing");
  const Loaded crl = load("ca.crt");
  CHECK(read_revocations(crl.file).error().cause == "revocations_missing");
  certificates().authority.revocations();
  CHECK(read_revocations(load("crl.pem").file)->size() == 1);
  CHECK(serves(read_identity(load("ec.crt").file, load("client.key").file)).starts_with("key_mismatch"));
}

TEST_CASE("a chain in any order is put in order, and strangers left out") {
  certificates();
  folder().run("cat ec.crt rsa.crt ca.crt ec.key >mixed.pem");
  const auto identity = read_identity(load("mixed.pem").file);
  REQUIRE(identity.has_value());
  CHECK(identity->chain.size() == 2);
  CHECK(identity->chain[1] == certificates().authority.certificate());
}

}  // namespace
}  // namespace kferry::tls
