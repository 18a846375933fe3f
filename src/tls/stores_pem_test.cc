// PEM, DER and PKCS7 as people have them: in any order and layout, with several lists and authorities.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tls/stores_fixture_test.h"
#include "x509/certificate.h"
#include "x509/stores.h"

namespace kferry::tls {

using namespace x509;

namespace {

TEST_CASE("PEM is read in any order and layout") {
  certificates();
  const std::string key = folder().text("ec.key"), leaf = folder().text("ec.crt"),
                    ca = folder().text("ca.crt");
  const auto read = [](const std::string& text) {
    StoreFile file;
    file.name = "file";
    file.bytes = bytes_of(text);
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
  // On a single line, as some templates write it.
  CHECK(serves(read(replaced(usual, "\n", " "))) == "");
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
  // The validity of the next one begins on 2098-01-01.
  CHECK(all->choose_again_s == 4039372800);
  REQUIRE(notes.size() == 1);
  CHECK(notes.at(0).cause == "certificate_stray");
  CHECK(notes.at(0).text.find("CN=stranger,O=Example") != std::string::npos);
  CHECK_FALSE(notes.at(0).unusable);
  KeyChoice then = choice();
  then.now_s = 4039372801;
  CHECK(subject_of(read_identity(load("all.pem").file, then)->chain.at(0)) == "CN=later,O=Example");
  // Reading does not decide which of them cannot serve.
  CHECK(subject_of(read_identity(load("none.pem").file)->chain.at(0)) == "CN=later,O=Example");
  CHECK(subject_of(read_identity(load("chain.pem").file, load("renewed.key").file)->chain.at(0)) ==
        "CN=short,O=Example");
}

TEST_CASE("one malformed block does not spoil the others") {
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
          std::vector<Bytes>{certificates().authority.certificate(), certificates().ec.chain.front()});
    REQUIRE(notes.size() == 1);
    const auto line = std::ranges::count(ca, '\n') + 1;
    CHECK(notes.at(0).text.find("at line " + std::to_string(line) + " ") != std::string::npos);
    CHECK(notes.at(0).unusable);
    CHECK(serves(read_identity(load("bad.pem").file)) == "");
    folder().write("bad.pem", bad);
    CHECK_FALSE(read_authorities(load("bad.pem").file).has_value());
    // The malformed block may be the leaf.
    folder().write("bad.pem", ca + bad + key);
    check_refused(read_identity(load("bad.pem").file),
                  bad == empty ? "certificate_malformed" : "pem_malformed", "at line ");
  }
  folder().write("bad.pem", leaf + key_open);
  check_refused(read_identity(load("bad.pem").file), "pem_malformed", "the PRIVATE KEY block at line ");
}

TEST_CASE("revocation lists are read from PEM, DER and PKCS7, past a malformed one") {
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

TEST_CASE("authorities are read from DER, PKCS7, and OpenSSL's trusted certificates") {
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
  CHECK(read_authorities(load("any.pem").file) == std::vector<Bytes>{certificates().authority.certificate()});
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

}  // namespace
}  // namespace kferry::tls
