// Stores and keys that kferry refuses, each named with its remedy, and how it chooses among several.
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

// Why no identity can be read from a file with this content.
std::string refusal_of(std::string_view text) {
  StoreFile file;
  file.name = "file";
  file.bytes = bytes_of(text);
  return refusal(read_identity(file));
}

TEST_CASE("files that are not a store, or not the right one, are named as what they are") {
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
  const Bytes certificate = certificates().ec.chain.front();
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

TEST_CASE("what kferry cannot read is named, with the remedy") {
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
  // A key of an algorithm that libcrypto does not know, with the right password or unencrypted.
  folder().run("openssl pkcs8 -topk8 -nocrypt -in ec.key -outform DER -out ec.der");
  folder().write("unknown.der", replaced(folder().text("ec.der"), "\x2A\x86\x48\xCE\x3D\x02\x01",
                                         "\x2A\x86\x48\xCE\x3D\x02\x09"));
  check_refused(read_identity(load("ec.crt").file, load("unknown.der").file), "key_unsupported",
                "a kind that is not known here (1.2.840.10045.2.9)");
}

TEST_CASE("kinds of keys that kferry cannot serve are named") {
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

TEST_CASE("of several keys, the one whose certificate names the host, or the one with the alias, is chosen") {
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
  // A key that cannot be opened does not matter unless it is the one to be served.
  CHECK(leaf("locked.pem", choice({"north.example"})) == north);
  CHECK(leaf("locked.pem", choice({"a.south.example"}), pass) == south);
  CHECK(leaf("locked.pem", choice({"a.south.example"})).starts_with("store_password_missing"));
  // Without a host, as for a client, the first is chosen. `check` lists them.
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

TEST_CASE("a chain is put in order, and strangers are left out") {
  certificates();
  folder().run("cat ec.crt rsa.crt ca.crt ec.key >mixed.pem");
  const auto identity = read_identity(load("mixed.pem").file);
  REQUIRE(identity.has_value());
  CHECK(identity->chain.size() == 2);
  CHECK(identity->chain[1] == certificates().authority.certificate());
}

}  // namespace
}  // namespace kferry::tls
