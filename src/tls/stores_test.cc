// Stores that openssl wrote, and files as people have them, read and then served in a handshake.
#include "x509/stores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tls/digests.h"
#include "tls/stores_fixture_test.h"
#include "x509/certificate.h"
#include "x509/jks.h"

namespace kferry::tls {

using namespace x509;

namespace {

const std::string pass(secret);

// Also in a password that is not ASCII.
constexpr std::string_view foreign = "pässwörd€😀";

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
    ++count;
  }
  REQUIRE(count > 0);
  return text;
}

TEST_CASE("PEM keys in every form, in clear and encrypted") {
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
    CHECK(recognise(whole.octets) == StoreKind::pem);
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

// Where only a module of OpenSSL's can write it.
const std::string legacy = " -provider legacy -provider default";

TEST_CASE("a key under every encryption of openssl opens, also with a password beyond ASCII") {
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
  // The label does not say that it is encrypted; DER has none.
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

TEST_CASE("an encryption that is not known is named, and no password blamed") {
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

// Of 70,000 iterations, 8,388,607 in as many bytes.
std::string costlier(const std::string& file) {
  return replaced(folder().text(file), std::string_view("\x02\x03\x01\x11\x70", 5), "\x02\x03\x7F\xFF\xFF");
}

TEST_CASE("iterations are bounded, and the bound is named") {
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
  // N = 16384, r = 8: four times the r is 64 MiB.
  CHECK(serves(read_identity(load("ec.crt").file, load("scrypt.der", {}, pass).file)) == "");
  folder().write("scrypt.der",
                 replaced(folder().text("scrypt.der"), std::string_view("\x02\x02\x40\x00\x02\x01\x08", 7),
                          std::string_view("\x02\x02\x40\x00\x02\x01\x20", 7)));
  check_refused(read_identity(load("ec.crt").file, load("scrypt.der", {}, pass).file),
                "key_encryption_costly", "32 MiB of memory");
}

TEST_CASE("PKCS12 as openssl writes it, new and old") {
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
      CHECK(recognise(store.octets) == StoreKind::pkcs12);
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

TEST_CASE("PKCS12 with a password beyond ASCII, with an empty one, without a MAC") {
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
  // Nothing but the key is encrypted, so only that proves the password.
  write("-certpbe NONE -nomac", pass);
  CHECK(serves(read_identity(load("store.p12", pass).file)) == "");
  check_refused(read_identity(load("store.p12", "wr0ng").file), "store_password_wrong",
                "correct STORE_PASSWORD");
  check_refused(read_identity(load("store.p12").file), "store_password_missing", "set STORE_PASSWORD");
  write("-keypbe NONE -certpbe NONE -nomac", pass);
  CHECK(serves(read_identity(load("store.p12").file)) == "");
  CHECK(serves(read_identity(load("store.p12", "anything").file)) == "");
  // Whom to trust can be read without the password that guards its integrity, as in Java.
  folder().run("openssl pkcs12 -export -nokeys -certpbe NONE -in ca.crt -passout pass:" + pass +
               " -out trust.p12");
  CHECK(refusal(read_authorities(load("trust.p12").file)) == "");
  check_refused(read_authorities(load("trust.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
}

// --- DER by hand

std::string der(int tag, std::string_view content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() >= 0x80) out += '\x82', out += static_cast<char>(content.size() >> 8);
  return out.append(1, static_cast<char>(content.size())).append(content);
}

// The elements within `content`, each with its tag and length: of 4 bytes at most, as openssl writes them.
std::vector<std::string> elements(std::string_view content) {
  std::vector<std::string> all;
  while (content.size() >= 2) {
    std::size_t size = static_cast<unsigned char>(content[1]), header = 2;
    if (size >= 0x80) {
      const std::size_t count = size & 0x7F;
      size = 0;
      for (std::size_t i = 0; i < count; ++i)
        size = size << 8 | static_cast<unsigned char>(content[header++]);
    }
    all.emplace_back(content.substr(0, header + size));
    content.remove_prefix(header + size);
  }
  return all;
}

std::string inside(std::string_view element) {
  const auto first = static_cast<unsigned char>(element[1]);
  return std::string(element.substr(first < 0x80 ? 2 : 2 + (first & 0x7F)));
}

TEST_CASE("PKCS12 in BER, of indefinite lengths") {
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
  CHECK(recognise(store.octets) == StoreKind::pkcs12);
  CHECK(serves(read_identity(store.file)) == "");
  check_refused(read_identity(load("ber.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
}

// As RFC 9579 has it: PBMAC1 with PBKDF2, both with HMAC of `prf`.
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
  const Digest key = pbkdf2(hash, octets(password), octets(salt), iterations);
  const Digest mac = hmac(hash, key.bytes(), octets(safes));
  const std::string digest_info = der(0x30, pbmac1 + der(4, text_of(mac.bytes())));
  return der(0x30, pfx.at(0) + pfx.at(1) + der(0x30, digest_info + der(4, "unused") + der(2, "\x01")));
}

TEST_CASE("PKCS12 with the MAC of RFC 9579, PBMAC1") {
  certificates();
  folder().run("openssl pkcs12 -export -inkey ec.key -in ec.crt -certfile ca.crt -passout 'pass:" +
               std::string(foreign) + "' -out store.p12");
  const std::string sha256 = "\x2A\x86\x48\x86\xF7\x0D\x02\x09", sha512 = "\x2A\x86\x48\x86\xF7\x0D\x02\x0B";
  for (const auto& [prf, hash] : {std::pair{sha256, Hash::sha256}, std::pair{sha512, Hash::sha512}}) {
    folder().write("pbmac1.p12", with_pbmac1(folder().text("store.p12"), foreign, prf, hash, 2048));
    CHECK(serves(read_identity(load("pbmac1.p12", std::string(foreign)).file)) == "");
    check_refused(read_identity(load("pbmac1.p12", "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
  }
  // HMAC with a digest that is unknown.
  folder().write("pbmac1.p12",
                 with_pbmac1(folder().text("store.p12"), foreign, "\x2A\x03\x04", Hash::sha256, 2048));
  check_refused(read_identity(load("pbmac1.p12", std::string(foreign)).file), "store_unreadable", "1.2.3.4");
}

TEST_CASE("a JKS store cut or changed anywhere is refused") {
  certificates();
  // Made by hand, so that it needs no Java: one trusted certificate.
  const Octets certificate = certificates().authority.certificate();
  std::string body("\xFE\xED\xFE\xED\0\0\0\2\0\0\0\1\0\0\0\2\0\1a\0\0\0\0\0\0\0\0\0\5X.509\0\0", 36);
  body += static_cast<char>(certificate.size() >> 8);
  body += static_cast<char>(certificate.size());
  body.append(text_of(certificate));
  const std::string store = body + std::string(20, '\0');
  const auto read = read_jks(octets(store), std::nullopt);
  REQUIRE(read.has_value());
  REQUIRE(read->trusted.size() == 1);
  CHECK(read->trusted.front().certificate == certificate);
  CHECK(read->trusted.front().alias == "a");
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

// Of a file with this content: why no identity can be read from it.
std::string refusal_of(std::string_view text) {
  StoreFile file;
  file.name = "file";
  file.octets = octets(text);
  return refusal(read_identity(file));
}

TEST_CASE("files that are no store, or not the right one, say so") {
  const auto cause = [](std::string_view text) {
    const std::string all = refusal_of(text);
    return all.substr(0, all.find(':'));
  };
  certificates();
  CHECK(cause("") == "store_empty");
  CHECK(cause("hello") == "store_unknown");
  CHECK(cause("-----BEGIN CERTIFICATE-----\nMII\n") == "pem_malformed");
  CHECK(cause("-----BEGIN X-----\nMIIB\n-----END X-----\n") == "key_missing");
  CHECK(cause(folder().text("ec.crt")) == "key_missing");
  CHECK(cause(folder().text("ec.key")) == "certificate_missing");
  const Octets certificate = certificates().ec.chain.front();
  CHECK(cause(text_of(certificate)) == "key_missing");
  CHECK(cause(text_of(certificates().authority.revocations())) == "store_unknown");
  const std::string whole = folder().text("ec.crt") + folder().text("ec.key");
  CHECK(cause(std::string(store_size_max, ' ') + whole) == "store_unknown");
  const Loaded crl = load("ca.crt");
  CHECK(read_revocations(crl.file).error().cause == "revocations_missing");
  CHECK(read_revocations(load("crl.pem").file)->size() == 1);
  check_refused(
      read_identity(load("ec.crt").file, load("client.key").file), "key_mismatch",
      "client.key: the private key does not belong to the certificate of CN=localhost,O=Example in ec.crt");
}

TEST_CASE("what kferry cannot read is called what it is, with the remedy") {
  const auto says = [](std::string_view text, std::string_view words) {
    CAPTURE(refusal_of(text));
    return refusal_of(text).find(words) != std::string::npos;
  };
  certificates();
  CHECK(says("\xCE\xCE\xCE\xCE....", "JCEKS store: convert it by keytool -importkeystore"));
  // SEQUENCE { EncryptedObjectStoreData { PBES2, OCTET STRING }, PbkdMacIntegrityCheck }
  const std::string pbes2 = der(0x30, der(6, "\x2A\x86\x48\x86\xF7\x0D\x01\x05\x0D") + der(0x30, ""));
  CHECK(says(der(0x30, der(0x30, pbes2 + der(4, std::string(900, 'x'))) + der(0x30, pbes2)), "BCFKS store"));
  CHECK(says(std::string_view("\0\0\0\2\0\0\0\x14"
                              "12345678901234567890",
                              28),
             "BKS store"));
  CHECK(says(std::string_view("\xFF\xFE-\0-\0-\0", 8), "UTF-16"));
  CHECK(says("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "base64 -d"));
  CHECK(says("MIIBszCCAVmgAwIBAgIU", "base64 -d"));
  folder().run(
      "openssl req -new -key ec.key -subj /CN=x -out x.csr && openssl pkcs12 -export -inkey ec.key -in "
      "ec.crt -passout pass:x -out cut.p12 && truncate -s 500 cut.p12");
  check_refused(read_identity(load("x.csr").file, load("ec.key").file), "certificate_missing",
                "a request for one (CSR)");
  check_refused(read_authorities(load("x.csr").file), "authorities_missing", "a request for one (CSR)");
  check_refused(read_identity(load("cut.p12", "x").file), "store_malformed", "cut short");
  folder().run("rm -f ssh* && ssh-keygen -q -t ecdsa -N '' -f ssh && cat ssh ec.crt >ssh.pem || : >ssh.pem");
  if (!folder().text("ssh.pem").empty())
    check_refused(read_identity(load("ssh.pem").file), "key_unsupported", "ssh-keygen -p -m PKCS8");
  // The algorithm of a key that libcrypto does not know, under a password that is right or in clear.
  folder().run("openssl pkcs8 -topk8 -nocrypt -in ec.key -outform DER -out ec.der");
  folder().write("unknown.der", replaced(folder().text("ec.der"), "\x2A\x86\x48\xCE\x3D\x02\x01",
                                         "\x2A\x86\x48\xCE\x3D\x02\x09"));
  check_refused(read_identity(load("ec.crt").file, load("unknown.der").file), "key_unsupported",
                "a kind that is not known here (1.2.840.10045.2.9)");
}

TEST_CASE("kinds of keys that TLS here cannot serve are named") {
  certificates();
  const auto read = [](const std::string& options) {
    folder().run("openssl req -x509 -newkey " + options +
                 " -nodes -keyout k.key -out k.crt -days 3 -subj /CN=k && cat k.crt k.key >k.pem");
    return read_identity(load("k.pem").file);
  };
  check_refused(read("ed448"), "key_unsupported",
                "its key is an Ed448 key, which kferry cannot serve: use RSA");
  check_refused(read("ec -pkeyopt ec_paramgen_curve:brainpoolP256r1"), "key_unsupported",
                "on the curve brainpoolP256r1");
  check_refused(read("ec -pkeyopt ec_paramgen_curve:secp256k1"), "key_unsupported", "on the curve secp256k1");
  check_refused(read("ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit"), "key_unsupported",
                "make it with a named curve");
  check_refused(read("rsa:2048 -pkeyopt rsa_keygen_primes:3"), "key_unsupported", "more than two primes");
  folder().run("openssl dsaparam -out dsa.param 1024");
  check_refused(read("dsa:dsa.param"), "key_unsupported", "a DSA key");
  for (const char* const options :
       {"ed25519", "ec -pkeyopt ec_paramgen_curve:P-521", "rsa-pss -pkeyopt rsa_keygen_bits:2048"}) {
    CAPTURE(options);
    CHECK(refusal(read(options)) == "");
  }
}

TEST_CASE("PKCS#8 of version 2, with the public key inside") {
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

TEST_CASE("a private key that contradicts the public key beside it is not taken") {
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

// --- PEM as people have it

TEST_CASE("PEM in any order and layout") {
  certificates();
  const std::string key = folder().text("ec.key"), leaf = folder().text("ec.crt"),
                    ca = folder().text("ca.crt");
  const auto read = [](const std::string& text) {
    StoreFile file;
    file.name = "file";
    file.octets = octets(text);
    return read_identity(file);
  };
  const std::string usual = key + leaf + ca;
  const auto lines = [&](const std::string& before, const std::string& after) {
    return before + replaced(usual, "\n", after + before);
  };
  folder().run(
      "openssl ecparam -name prime256v1 -out ec.param && openssl x509 -in ec.crt -trustout -addtrust "
      "serverAuth -setalias mine -out trusted.crt && openssl crl2pkcs7 -nocrl -certfile ec.crt -certfile "
      "ca.crt -out ec.p7");
  for (const std::string& text :
       {usual, ca + leaf + key, leaf + ca + key, ca + key + leaf, lines("  \t", " \t\r\n"), lines("", "\n\n"),
        lines("", "\r"), "\xEF\xBB\xBF" + usual,
        "Bag Attributes\n  localKeyID: 01\n" + leaf + "words\n" + key, folder().text("ec.param") + usual,
        replaced(usual, " CERTIFICATE", " X509 CERTIFICATE"), folder().text("trusted.crt") + key,
        folder().text("ec.p7") + key}) {
    CAPTURE(text);
    CHECK(serves(read(text)) == "");
  }
  // On one line, as some templates leave it.
  CHECK(serves(read(replaced(usual, "\n", " "))) == "");
}

// NAME.crt for the key KEY.key, by the test's authority.
void issue(const std::string& name, const std::string& key, const std::string& subject,
           const std::string& names, const std::string& dates) {
  if (folder().text(key + ".key").empty())
    folder().run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " + key + ".key");
  folder().run("openssl req -new -key " + key + ".key -subj '" + subject + "' -addext 'subjectAltName=" +
               names + "' -out " + name + ".csr && openssl ca -batch -config ca.cnf -notext -in " + name +
               ".csr -out " + name + ".crt " + dates);
}

TEST_CASE(
    "the certificate that has the key is the leaf; of a renewed one, the valid one that lasts the longest") {
  certificates();
  const std::string past = "-startdate 20200101000000Z -enddate 20210101000000Z";
  const std::string future = "-startdate 20980101000000Z -enddate 20990101000000Z";
  issue("stranger", "stranger", "/O=Example/CN=stranger", "DNS:localhost", "-days 30");
  issue("expired", "renewed", "/O=Example/CN=expired", "DNS:localhost", past);
  issue("short", "renewed", "/O=Example/CN=short", "DNS:localhost", "-days 2");
  issue("long", "renewed", "/O=Example/CN=long", "DNS:localhost", "-days 20");
  issue("later", "renewed", "/O=Example/CN=later", "DNS:localhost", future);
  folder().run(
      "cat stranger.crt expired.crt short.crt later.crt long.crt ca.crt renewed.key >all.pem && cat "
      "expired.crt later.crt renewed.key >none.pem && cat stranger.crt short.crt >chain.pem");
  std::vector<Note> notes;
  const auto all = x509::read_identity(load("all.pem").file, choice(), notes);
  REQUIRE(refusal(all) == "");
  CHECK(subject_of(all->chain.at(0)) == "CN=long,O=Example");
  CHECK(all->chain.size() == 2);
  CHECK(all->choices.empty());
  // When the next one begins: 2098-01-01.
  CHECK(all->choose_again_s == 4039372800);
  REQUIRE(notes.size() == 1);
  CHECK(notes.at(0).cause == "certificate_stray");
  CHECK(notes.at(0).text.find("CN=stranger,O=Example") != std::string::npos);
  CHECK_FALSE(notes.at(0).unusable);
  KeyChoice then = choice();
  then.now_s = 4039372801;
  CHECK(subject_of(read_identity(load("all.pem").file, then)->chain.at(0)) == "CN=later,O=Example");
  // Which of them cannot serve is for others to judge.
  CHECK(subject_of(read_identity(load("none.pem").file)->chain.at(0)) == "CN=later,O=Example");
  CHECK(subject_of(read_identity(load("chain.pem").file, load("renewed.key").file)->chain.at(0)) ==
        "CN=short,O=Example");
}

TEST_CASE("one malformed block does not take the others with it") {
  certificates();
  const std::string key = folder().text("ec.key"), leaf = folder().text("ec.crt"),
                    ca = folder().text("ca.crt");
  const std::string open = "-----BEGIN CERTIFICATE-----\n", close = "-----END CERTIFICATE-----\n";
  const std::string cut = leaf.substr(0, leaf.find(close)), noise = open + "MIIB!\n" + close,
                    empty = open + "MAA=\n" + close, key_open = "-----BEGIN PRIVATE KEY-----\nMII!\n";
  for (const std::string& bad : {cut, noise, empty}) {
    CAPTURE(bad);
    folder().write("bad.pem", ca + bad + leaf + key);
    std::vector<Note> notes;
    const auto trusted = x509::read_authorities(load("bad.pem").file, Role::client, notes);
    REQUIRE(refusal(trusted) == "");
    CHECK(*trusted ==
          std::vector<Octets>{certificates().authority.certificate(), certificates().ec.chain.front()});
    REQUIRE(notes.size() == 1);
    const auto line = std::ranges::count(ca, '\n') + 1;
    CHECK(notes.at(0).text.find("at line " + std::to_string(line) + " ") != std::string::npos);
    CHECK(notes.at(0).unusable);
    CHECK(serves(read_identity(load("bad.pem").file)) == "");
    folder().write("bad.pem", bad);
    CHECK_FALSE(read_authorities(load("bad.pem").file).has_value());
    // It may be the leaf.
    folder().write("bad.pem", ca + bad + key);
    check_refused(read_identity(load("bad.pem").file),
                  bad == empty ? "certificate_malformed" : "pem_malformed", "at line ");
  }
  folder().write("bad.pem", leaf + key_open);
  check_refused(read_identity(load("bad.pem").file), "pem_malformed", "the PRIVATE KEY block at line ");
}

TEST_CASE("revocation lists: several in PEM, one or more in DER, in PKCS7, a malformed one among them") {
  certificates().authority.revocations();
  certificates().stranger.revocations();
  folder().run(
      "openssl crl -in crl.pem -outform DER -out one.der && cat one.der one.der >two.der && openssl "
      "crl2pkcs7 -in crl.pem -out crl.p7");
  const std::string one = folder().text("crl.pem"), other = certificates().stranger.folder().text("crl.pem");
  const std::string bad = "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n";
  folder().write("several.pem", one + bad + folder().text("ca.crt") + other);
  std::vector<Note> notes;
  const auto several = x509::read_revocations(load("several.pem").file, notes);
  REQUIRE(refusal(several) == "");
  CHECK(several->size() == 2);
  REQUIRE(notes.size() == 1);
  CHECK(notes.at(0).cause == "revocations_malformed");
  CHECK(notes.at(0).text.starts_with("the X509 CRL block at line "));
  CHECK(read_revocations(load("one.der").file)->size() == 1);
  CHECK(read_revocations(load("two.der").file)->size() == 2);
  CHECK(read_revocations(load("crl.p7").file)->size() == 1);
  folder().write("bad.pem", bad);
  check_refused(read_revocations(load("bad.pem").file), "revocations_unusable",
                "the X509 CRL block at line 1");
  folder().write("bad.der", "\x30\x03\x02\x01\x01");
  check_refused(read_revocations(load("bad.der").file), "revocations_missing", "bad.der");
}

TEST_CASE("whom to trust: DER, PKCS7, and OpenSSL's trust settings") {
  certificates();
  folder().run(
      "openssl x509 -in ca.crt -outform DER -out ca.der && cat ca.der ca.der >two.der && openssl crl2pkcs7 "
      "-nocrl "
      "-certfile ca.crt -certfile ec.crt -outform DER -out ca.p7b && openssl x509 -in ca.crt -trustout "
      "-addtrust "
      "serverAuth -out broker.pem && openssl x509 -in ca.crt -trustout -addreject clientAuth -out "
      "rejects.pem && "
      "openssl x509 -in ca.crt -trustout -addtrust anyExtendedKeyUsage -out any.pem && cat rejects.pem "
      "ec.crt "
      ">mixed.pem");
  CHECK(read_authorities(load("ca.der").file)->size() == 1);
  CHECK(read_authorities(load("two.der").file)->size() == 2);
  CHECK(read_authorities(load("ca.p7b").file)->size() == 2);
  CHECK(read_authorities(load("any.pem").file) ==
        std::vector<Octets>{certificates().authority.certificate()});
  check_refused(read_authorities(load("broker.pem").file), "authority_rejected",
                "does not trust it for clientAuth");
  check_refused(read_authorities(load("rejects.pem").file), "authority_rejected",
                "rejects it for clientAuth");
  std::vector<Note> notes;
  CHECK(x509::read_authorities(load("broker.pem").file, Role::broker, notes)->size() == 1);
  CHECK(x509::read_authorities(load("rejects.pem").file, Role::broker, notes)->size() == 1);
  CHECK(notes.empty());
  CHECK(x509::read_authorities(load("mixed.pem").file, Role::client, notes)->size() == 1);
  CHECK(notes.size() == 1);
}

TEST_CASE("of several keys, the one whose certificate names the host, or the one of the alias") {
  certificates();
  issue("north", "north", "/O=Example/CN=north", "DNS:north.example", "-days 20");
  issue("south", "south", "/O=Example/CN=south", "DNS:*.south.example,DNS:b-7.k.example", "-days 20");
  folder().run(
      "cat north.crt north.key south.key south.crt ca.crt >keys.pem && openssl pkcs12 -export -name north "
      "-inkey north.key -in north.crt -passout pass:x -out n.p12 && openssl pkcs12 -in n.p12 -passin pass:x "
      "-nodes -out named.pem && cat south.key south.crt >>named.pem && openssl pkcs8 -topk8 -in south.key "
      "-passout pass:" +
      pass + " -out south.locked && cat north.crt north.key south.locked south.crt >locked.pem");
  const auto leaf = [](const std::string& file, const KeyChoice& which,
                       std::optional<std::string> password = {}) {
    const auto read = read_identity(load(file, {}, std::move(password)).file, which);
    return read ? subject_of(read->chain.at(0)) : refusal(read);
  };
  const std::string north = "CN=north,O=Example", south = "CN=south,O=Example";
  CHECK(leaf("keys.pem", choice({"north.example"})) == north);
  CHECK(leaf("keys.pem", choice({"a.south.example"})) == south);
  CHECK(leaf("keys.pem", choice({"k.example", "b-{{nodeId}}.k.example"})) == south);
  CHECK(leaf("keys.pem", choice({"b-{{nodeId}}.south.example"})) == south);
  CHECK(leaf("keys.pem", choice({"north.example"}, "2")) == south);
  CHECK(leaf("keys.pem", choice({}, "1")) == north);
  const auto unnamed = read_identity(load("keys.pem").file, choice({"west.example"}));
  check_refused(unnamed, "key_ambiguous",
                "holds 2 keys, and no certificate of theirs names west.example: set KEY_ALIAS to one of 1 "
                "(CN=north,O=Example), 2 (CN=south,O=Example)");
  check_refused(read_identity(load("keys.pem").file, choice({}, "three")), "key_alias_unknown",
                "no key with the alias three: set KEY_ALIAS to one of 1 (CN=north");
  CHECK(leaf("named.pem", choice({"a.south.example"}, "NORTH")) == north);
  // A key that does not open is no obstacle to another, unless it is the one to be served.
  CHECK(leaf("locked.pem", choice({"north.example"})) == north);
  CHECK(leaf("locked.pem", choice({"a.south.example"}), pass) == south);
  CHECK(leaf("locked.pem", choice({"a.south.example"})).starts_with("store_password_missing"));
  // Without a host, as a client has none, the first; the list of them is for `check`.
  std::vector<Note> notes;
  const auto first = x509::read_identity(load("keys.pem").file, choice(), notes);
  REQUIRE(refusal(first) == "");
  CHECK(subject_of(first->chain.at(0)) == north);
  REQUIRE(first->choices.size() == 2);
  CHECK(first->choices.at(0).chosen);
  CHECK(first->choices.at(1).alias == "2");
  CHECK(first->choices.at(1).subject == south);
  REQUIRE(notes.size() == 1);
  CHECK(notes.at(0).cause == "key_several");
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
