// Private keys as openssl writes them: in every form, under every encryption, and malformed.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tls/der_test.h"
#include "tls/stores_fixture_test.h"
#include "x509/certificate.h"
#include "x509/stores.h"

namespace kferry::tls {

using namespace x509;

namespace {

TEST_CASE("PEM keys are read in every form, plain and encrypted") {
  certificates();
  folder().run(
      "openssl pkey -in ec.key -traditional -out ec.sec1 && openssl pkey -in rsa.key -traditional -out "
      "rsa.pkcs1");
  for (const std::string name : {"ec.key", "rsa.key", "ec.sec1", "rsa.pkcs1"}) {
    CAPTURE(name);
    const std::string kind = name.substr(0, name.find('.'));
    folder().run("cat " + name + " " + kind + ".crt ca.crt >whole.pem && openssl pkey -in " + name +
                 " -outform DER -out key.der && openssl x509 -in " + kind + ".crt -outform DER -out crt.der");
    const Loaded whole = load("whole.pem");
    CHECK(recognise(whole.bytes) == StoreKind::pem);
    const auto identity = read_identity(whole.file);
    CHECK(serves(identity) == "");
    CHECK(identity->chain.size() == 2);
    const Loaded chain = load(kind + ".crt"), key = load(name);
    CHECK(serves(read_identity(chain.file, key.file)) == "");
    CHECK(serves(read_identity(load("crt.der").file, load("key.der").file)) == "");
    for (const std::string how :
         {"openssl pkcs8 -topk8 -v2 aes256", "openssl pkcs8 -topk8 -v2 aes128",
          "openssl pkcs8 -topk8 -v2 des3", "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES",
          "openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWithSHA1", "openssl pkey -traditional -aes256",
          "openssl pkey -traditional -aes128", "openssl pkey -traditional -des3"}) {
      CAPTURE(how);
      folder().run(how + " -in " + name + " -passout pass:" + pass + " -out locked.key && cat " + kind +
                   ".crt locked.key >locked.pem");
      CHECK(serves(read_identity(load("locked.pem", {}, pass).file)) == "");
      CHECK(serves(read_identity(load("locked.pem", pass).file)) == "");
      check_refused(read_identity(load("locked.pem", {}, "wr0ng").file), "store_password_wrong",
                    "KEY_PASSWORD");
      check_refused(read_identity(load("locked.pem").file), "store_password_missing", "KEY_PASSWORD");
    }
  }
}

// For encryptions that need OpenSSL's legacy module.
const std::string legacy = " -provider legacy -provider default";

TEST_CASE("a key opens under every encryption of openssl, also with a password beyond ASCII") {
  certificates();
  std::vector<std::string> ways{"openssl pkcs8 -topk8 -scrypt",
                                "openssl pkcs8 -topk8 -v2 aes-192-cbc",
                                "openssl pkcs8 -topk8 -v2 camellia-256-cbc",
                                "openssl pkcs8 -topk8 -v2 aria-128-cbc",
                                "openssl pkcs8 -topk8 -v2 aes-256-cfb",
                                "openssl pkcs8 -topk8 -v1 PBE-SHA1-2DES",
                                "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES",
                                "openssl pkcs8 -topk8 -v1 PBE-SHA1-RC2-128" + legacy,
                                "openssl pkcs8 -topk8 -v1 PBE-SHA1-RC2-40" + legacy,
                                "openssl pkey -traditional -camellia256",
                                "openssl pkey -traditional -aes192",
                                "openssl pkey -traditional -aria256"};
  for (const std::string prf : {"SHA224", "SHA384", "SHA512", "SHA512-256"})
    ways.push_back("openssl pkcs8 -topk8 -v2 aes256 -v2prf hmacWith" + prf);
  for (const std::string& how : ways) {
    for (const std::string& password : {pass, std::string(foreign)}) {
      CAPTURE(how);
      CAPTURE(password);
      folder().run(how + " -in rsa.key -passout pass:" + password +
                   " -out locked.key && cat rsa.crt locked.key >locked.pem");
      CHECK(refusal(read_identity(load("locked.pem", {}, password).file)) == "");
      check_refused(read_identity(load("locked.pem", {}, "wr0ng").file), "store_password_wrong",
                    "KEY_PASSWORD");
    }
  }
  // The label does not say that it is encrypted, and DER has no label.
  folder().run("openssl pkcs8 -topk8 -in ec.key -passout pass:" + pass +
               " -out locked.key && cat ec.crt locked.key >labelled.pem && openssl pkcs8 -topk8 -in ec.key "
               "-passout pass:" +
               pass + " -outform DER -out locked.der");
  folder().write("plain.pem", replaced(folder().text("labelled.pem"), "ENCRYPTED PRIVATE", "PRIVATE"));
  CHECK(serves(read_identity(load("plain.pem", {}, pass).file)) == "");
  CHECK(serves(read_identity(load("ec.crt").file, load("locked.der", {}, pass).file)) == "");
  check_refused(read_identity(load("ec.crt").file, load("locked.der").file), "store_password_missing",
                "locked.der: its key is encrypted");
}

TEST_CASE("an unknown encryption is named, and the password is not blamed") {
  certificates();
  for (const auto& [how, name] :
       {std::pair<std::string, std::string>{"pkcs8 -topk8 -v1 PBE-MD5-DES", "PBE-MD5-DES"},
        {"pkcs8 -topk8 -v1 PBE-SHA1-RC4-128", "PBE-SHA1-RC4-128"},
        {"pkcs8 -topk8 -v2 des", "PBES2 with DES-CBC"},
        {"pkcs8 -topk8 -v2 bf", "PBES2 with BF-CBC"},
        {"pkey -traditional -des", "DES-CBC"},
        {"pkey -traditional -seed", "SEED-CBC"}}) {
    CAPTURE(how);
    folder().run("openssl " + how + legacy + " -in rsa.key -passout pass:" + pass +
                 " -out locked.key && cat rsa.crt locked.key >locked.pem");
    for (const std::optional<std::string>& password : {std::optional(pass), std::optional<std::string>()}) {
      check_refused(read_identity(load("locked.pem", {}, password).file), "key_encryption_unknown",
                    "encrypted by " + name + ", which kferry cannot decrypt: write it anew");
    }
  }
}

// Replaces 70,000 iterations by 8,388,607, which is encoded in as many bytes.
std::string costlier(const std::string& file) {
  return replaced(folder().text(file), std::string_view("\x02\x03\x01\x11\x70", 5), "\x02\x03\x7F\xFF\xFF");
}

TEST_CASE("iterations are limited, and the message names the limit") {
  certificates();
  folder().run("openssl pkcs8 -topk8 -iter 70000 -in ec.key -passout pass:" + pass +
               " -outform DER -out costly.der && openssl pkcs12 -export -iter 70000 -inkey ec.key -in ec.crt "
               "-passout pass:" +
               pass +
               " -out costly.p12 && openssl pkcs12 -export -iter 70000 -nomac -inkey ec.key -in ec.crt "
               "-passout pass:" +
               pass + " -out nomac.p12 && openssl pkcs8 -topk8 -scrypt -in ec.key -passout pass:" + pass +
               " -outform DER -out scrypt.der");
  CHECK(serves(read_identity(load("ec.crt").file, load("costly.der", {}, pass).file)) == "");
  CHECK(serves(read_identity(load("costly.p12", pass).file)) == "");
  for (const char* const file : {"costly.der", "costly.p12", "nomac.p12"})
    folder().write(file, costlier(file));
  constexpr std::string_view words = "8388607 iterations, where kferry allows 5000000";
  check_refused(read_identity(load("ec.crt").file, load("costly.der", {}, pass).file),
                "key_encryption_costly", words);
  check_refused(read_identity(load("costly.p12", pass).file), "store_unreadable", words);
  check_refused(read_identity(load("nomac.p12", pass).file), "key_encryption_costly", words);
  // N = 16384 and r = 8; four times that r needs 64 MiB.
  CHECK(serves(read_identity(load("ec.crt").file, load("scrypt.der", {}, pass).file)) == "");
  folder().write("scrypt.der",
                 replaced(folder().text("scrypt.der"), std::string_view("\x02\x02\x40\x00\x02\x01\x08", 7),
                          std::string_view("\x02\x02\x40\x00\x02\x01\x20", 7)));
  check_refused(read_identity(load("ec.crt").file, load("scrypt.der", {}, pass).file),
                "key_encryption_costly", "32 MiB of memory");
}

TEST_CASE("PKCS#8 version 2 is read, with the public key inside") {
  certificates();
  folder().run(
      "openssl req -x509 -newkey ed25519 -nodes -keyout v1.key -out v2.crt -days 3 -subj /CN=v2 && openssl "
      "pkcs8 "
      "-topk8 -nocrypt -in v1.key -outform DER -out v1.der");
  const auto fields = elements(inside(folder().text("v1.der")));
  const std::string version_2 =
      der(0x30, der(2, "\1") + fields.at(1) + fields.at(2) + der(0x81, std::string(33, '\0')));
  folder().write("v2.der", version_2);
  CHECK(refusal(read_identity(load("v2.crt").file, load("v2.der").file)) == "");
  for (std::size_t size = 0; size < version_2.size(); ++size) {
    folder().write("v2.der", version_2.substr(0, size));
    CHECK_FALSE(read_identity(load("v2.crt").file, load("v2.der").file).has_value());
  }
}

TEST_CASE("a private key that contradicts its public key is refused") {
  certificates();
  folder().run(
      "openssl ecparam -genkey -name P-256 -noout -out a.key && openssl ecparam -genkey -name P-256 "
      "-noout -out b.key && openssl ec -in a.key -outform DER -out a.der && openssl ec -in b.key -outform "
      "DER -out b.der && openssl req -x509 -new -key b.key -subj /CN=b -days 3 -out b.crt");
  // SEC 1: SEQUENCE { 1, private OCTET STRING, [0] curve, [1] point }
  const auto a = elements(inside(folder().text("a.der"))), b = elements(inside(folder().text("b.der")));
  folder().write("mixed.der", der(0x30, a.at(0) + a.at(1) + a.at(2) + b.at(3)));
  CHECK(refusal(read_identity(load("b.crt").file, load("b.der").file)) == "");
  check_refused(read_identity(load("b.crt").file, load("mixed.der").file), "key_mismatch", "contradicts");
}

}  // namespace
}  // namespace kferry::tls
