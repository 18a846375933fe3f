// PKCS12 and JKS stores, read and then served in a handshake.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tls/der_test.h"
#include "tls/digests.h"
#include "tls/stores_fixture_test.h"
#include "x509/certificate.h"
#include "x509/jks.h"
#include "x509/stores.h"

namespace kferry::tls {

using namespace x509;

namespace {

TEST_CASE("PKCS12 is read as old and new versions of openssl write it") {
  certificates();
  for (const std::string kind : {"ec", "rsa"}) {
    for (const std::string how :
         {"", "-legacy", "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
          "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-RC2-40 -macalg sha1",
          "-keypbe AES-128-CBC -certpbe AES-256-CBC", "-keypbe NONE -certpbe NONE",
          "-keypbe AES-256-CBC -certpbe NONE -macalg sha512", "-macalg sha384 -nomaciter",
          "-keypbe CAMELLIA-256-CBC -certpbe PBE-SHA1-2DES"}) {
      CAPTURE(kind);
      CAPTURE(how);
      folder().run("openssl pkcs12 -export " + how + " -inkey " + kind + ".key -in " + kind +
                   ".crt -certfile ca.crt -passout pass:" + pass + " -out store.p12");
      const Loaded store = load("store.p12", pass);
      CHECK(recognise(store.bytes) == StoreKind::pkcs12);
      const auto identity = read_identity(store.file);
      CHECK(serves(identity) == "");
      CHECK(identity->chain.size() == 2);
      check_refused(read_identity(load("store.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
      check_refused(read_identity(load("store.p12").file), "store_password_missing", "STORE_PASSWORD");
    }
  }
  folder().run("openssl pkcs12 -export -nokeys -in ca.crt -passout pass:" + pass + " -out trust.p12");
  const auto trusted = read_authorities(load("trust.p12", pass).file);
  REQUIRE(trusted.has_value());
  CHECK(trusted->size() == 1);
}

TEST_CASE("PKCS12 is read with a password beyond ASCII, with an empty one, and without a MAC") {
  certificates();
  const auto write = [](const std::string& how, std::string_view password) {
    folder().run("openssl pkcs12 -export " + how +
                 " -inkey ec.key -in ec.crt -certfile ca.crt -passout 'pass:" + std::string(password) +
                 "' -out store.p12");
  };
  for (const std::string how :
       {"", "-legacy", "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-40 -legacy -nomac"}) {
    CAPTURE(how);
    for (const std::string_view password : {foreign, std::string_view(" with blanks ")}) {
      write(how, password);
      CHECK(serves(read_identity(load("store.p12", std::string(password)).file)) == "");
      check_refused(read_identity(load("store.p12", "wr0ng").file), "store_password_wrong",
                    "does not open with this password: correct STORE_PASSWORD");
    }
    write(how, "");
    CHECK(serves(read_identity(load("store.p12", "").file)) == "");
    CHECK(serves(read_identity(load("store.p12").file)) == "");
    check_refused(read_identity(load("store.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
  }
  check_refused(read_identity(load("store.p12", "wr0ng\n").file), "store_password_wrong",
                "begins or ends with a blank or a line end");
  // Only the key is encrypted, so only the key proves the password.
  write("-certpbe NONE -nomac", pass);
  CHECK(serves(read_identity(load("store.p12", pass).file)) == "");
  check_refused(read_identity(load("store.p12", "wr0ng").file), "store_password_wrong",
                "correct STORE_PASSWORD");
  check_refused(read_identity(load("store.p12").file), "store_password_missing", "set STORE_PASSWORD");
  write("-keypbe NONE -certpbe NONE -nomac", pass);
  CHECK(serves(read_identity(load("store.p12").file)) == "");
  CHECK(serves(read_identity(load("store.p12", "anything").file)) == "");
  // Authorities can be read without the password that protects the integrity of the store, as in Java.
  folder().run("openssl pkcs12 -export -nokeys -certpbe NONE -in ca.crt -passout pass:" + pass +
               " -out trust.p12");
  CHECK(refusal(read_authorities(load("trust.p12").file)) == "");
  check_refused(read_authorities(load("trust.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
}

TEST_CASE("PKCS12 is read in BER with indefinite lengths") {
  certificates();
  folder().run("openssl pkcs12 -export -inkey ec.key -in ec.crt -certfile ca.crt -passout pass:" + pass +
               " -out store.p12");
  const auto pfx = elements(inside(folder().text("store.p12")));
  const auto content_info = elements(inside(pfx.at(1)));
  const std::string safes = inside(inside(content_info.at(1)));
  const auto endless = [](int tag, const std::string& content) {
    return std::string(1, static_cast<char>(tag)) + '\x80' + content + std::string(2, '\0');
  };
  const std::string pieces = endless(0x24, der(4, safes.substr(0, 300)) + der(4, safes.substr(300)));
  folder().write(
      "ber.p12",
      endless(0x30, pfx.at(0) + endless(0x30, content_info.at(0) + endless(0xA0, pieces)) + pfx.at(2)));
  const Loaded store = load("ber.p12", pass);
  CHECK(recognise(store.bytes) == StoreKind::pkcs12);
  CHECK(serves(read_identity(store.file)) == "");
  check_refused(read_identity(load("ber.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
}

// Makes a store according to RFC 9579: PBMAC1 with PBKDF2, both with HMAC of `prf`.
std::string with_pbmac1(std::string_view store, std::string_view password, const std::string& prf, Hash hash,
                        std::uint16_t iterations) {
  const auto pfx = elements(inside(store));
  const std::string safes = inside(inside(elements(inside(pfx.at(1))).at(1)));
  const std::string pkcs5 = "\x2A\x86\x48\x86\xF7\x0D\x01\x05", salt = "saltsalt";
  const std::string null("\x05\0", 2);
  const std::string algorithm = der(0x30, der(6, prf) + null);
  const auto size = static_cast<char>(digest_size(hash));
  const std::string count{static_cast<char>(iterations >> 8), static_cast<char>(iterations)};
  const std::string kdf =
      der(0x30, der(6, pkcs5 + "\x0C") +
                    der(0x30, der(4, salt) + der(2, count) + der(2, std::string(1, size)) + algorithm));
  const std::string pbmac1 = der(0x30, der(6, pkcs5 + "\x0E") + der(0x30, kdf + algorithm));
  const Digest key = pbkdf2(hash, bytes_of(password), bytes_of(salt), iterations);
  const Digest mac = hmac(hash, key.bytes(), bytes_of(safes));
  const std::string digest_info = der(0x30, pbmac1 + der(4, text_of(mac.bytes())));
  return der(0x30, pfx.at(0) + pfx.at(1) + der(0x30, digest_info + der(4, "unused") + der(2, "\x01")));
}

TEST_CASE("PKCS12 is read with the MAC of RFC 9579, PBMAC1") {
  certificates();
  folder().run("openssl pkcs12 -export -inkey ec.key -in ec.crt -certfile ca.crt -passout 'pass:" +
               std::string(foreign) + "' -out store.p12");
  const std::string sha256 = "\x2A\x86\x48\x86\xF7\x0D\x02\x09", sha512 = "\x2A\x86\x48\x86\xF7\x0D\x02\x0B";
  for (const auto& [prf, hash] : {std::pair{sha256, Hash::sha256}, std::pair{sha512, Hash::sha512}}) {
    folder().write("pbmac1.p12", with_pbmac1(folder().text("store.p12"), foreign, prf, hash, 2048));
    CHECK(serves(read_identity(load("pbmac1.p12", std::string(foreign)).file)) == "");
    check_refused(read_identity(load("pbmac1.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
  }
  // HMAC with an unknown digest.
  folder().write("pbmac1.p12",
                 with_pbmac1(folder().text("store.p12"), foreign, "\x2A\x03\x04", Hash::sha256, 2048));
  check_refused(read_identity(load("pbmac1.p12", std::string(foreign)).file), "store_unreadable", "1.2.3.4");
}

TEST_CASE("a JKS store that is truncated or changed anywhere is refused") {
  certificates();
  // Made by hand, so that it needs no Java: one trusted certificate.
  const Bytes certificate = certificates().authority.certificate();
  std::string body("\xFE\xED\xFE\xED\0\0\0\2\0\0\0\1\0\0\0\2\0\1a\0\0\0\0\0\0\0\0\0\5X.509\0\0", 36);
  body += static_cast<char>(certificate.size() >> 8);
  body += static_cast<char>(certificate.size());
  body.append(text_of(certificate));
  const std::string store = body + std::string(20, '\0');
  const auto read = read_jks(bytes_of(store), std::nullopt);
  REQUIRE(read.has_value());
  REQUIRE(read->trusted.size() == 1);
  CHECK(read->trusted.front().certificate == certificate);
  CHECK(read->trusted.front().alias == "a");
  CHECK(read_jks(bytes_of(store), "x").error() == JksProblem::password_wrong);
  for (std::size_t size = 0; size < store.size(); ++size) {
    CHECK_FALSE(read_jks(bytes_of(store).first(size), std::nullopt).has_value());
  }
}

TEST_CASE("passwords become UTF-16") {
  CHECK(std::ranges::equal(utf16_of("aé€😀").bytes(),
                           bytes_of(std::string_view("\0a\0\xE9\x20\xAC\xD8\x3D\xDE\0", 10))));
  CHECK(std::ranges::equal(utf16_of("\xFFz").bytes(), bytes_of(std::string_view("\xFF\xFD\0z", 4))));
}

}  // namespace
}  // namespace kferry::tls
