// Stores written by Java's keytool, in its own format and, through its security properties, in those of other versions.
// They are read and then used in a handshake.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tls/stores_fixture_test.h"
#include "x509/certificate.h"

namespace kferry::tls {

using namespace x509;

namespace {

// Sets options with which the virtual machine starts fast.
bool has_keytool() {
  static const bool found = [] {
    setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData", 1);
    return std::system("command -v keytool >/dev/null 2>&1") == 0;
  }();
  if (!found) MESSAGE("keytool is not installed: stores made by Java are not read here");
  return found;
}

// Creates KIND.p12 with openssl, with the alias KIND.
void write_source(const std::string& kind) {
  certificates();
  folder().run("openssl pkcs12 -export -name " + kind + " -inkey " + kind + ".key -in " + kind +
               ".crt -certfile ca.crt -passout pass:" + pass + " -out " + kind + ".p12");
}

// Adds the content of KIND.p12 to `store`.
std::string import(const std::string& kind, const std::string& store, const std::string& options,
                   const std::string& password = pass) {
  return "keytool " + options + " -importkeystore -noprompt -srckeystore " + kind + ".p12 -srcstorepass " +
         pass + " -destkeystore " + store + " -deststorepass '" + password + "'";
}

void check_opens(const std::string& store, const std::string& password = pass) {
  CHECK(serves(read_identity(load(store, password).file)) == "");
  check_refused(read_identity(load(store, "wr0ng").file), "store_password_wrong", "STORE_PASSWORD");
}

TEST_CASE("key stores of keytool are read: JKS, and PKCS12 as written by JDK 8, 11 and today") {
  if (!has_keytool()) return;
  write_source("rsa");
  for (const std::string type : {"JKS", "PKCS12", "PKCS12 -J-Dkeystore.pkcs12.legacy"}) {
    CAPTURE(type);
    folder().run("rm -f to.store && " + import("rsa", "to.store", "") + " -deststoretype " + type);
    CHECK(recognise(load("to.store").bytes) == (type == "JKS" ? StoreKind::jks : StoreKind::pkcs12));
    check_opens("to.store");
  }
}

TEST_CASE("PKCS12 opens under keytool's other algorithms, or the algorithm is named") {
  if (!has_keytool()) return;
  write_source("ec");
  const auto write = [](const std::string& pbe, const std::string& mac, const std::string& iterations) {
    folder().write("java.security", "keystore.pkcs12.certProtectionAlgorithm=" + pbe +
                                        "\nkeystore.pkcs12.keyProtectionAlgorithm=" +
                                        (pbe == "NONE" ? "PBEWithHmacSHA256AndAES_128" : pbe) +
                                        "\nkeystore.pkcs12.macAlgorithm=" + mac +
                                        "\nkeystore.pkcs12.certPbeIterationCount=" + iterations +
                                        "\nkeystore.pkcs12.keyPbeIterationCount=" + iterations +
                                        "\nkeystore.pkcs12.macIterationCount=" + iterations + "\n");
    folder().run("rm -f to.p12 && " + import("ec", "to.p12", "-J-Djava.security.properties=java.security") +
                 " -deststoretype PKCS12");
  };
  for (const auto& [pbe, mac, iterations] : {std::tuple<std::string, std::string, std::string>{
                                                 "PBEWithHmacSHA512AndAES_256", "HmacPBESHA512", "10000"},
                                             {"PBEWithHmacSHA1AndAES_128", "HmacPBESHA1", "1"},
                                             {"PBEWithHmacSHA384AndAES_256", "HmacPBESHA384", "10000"},
                                             {"PBEWithHmacSHA224AndAES_128", "HmacPBESHA512/256", "10000"},
                                             {"PBEWithSHA1AndRC2_128", "HmacPBESHA224", "50000"}}) {
    CAPTURE(pbe);
    write(pbe, mac, iterations);
    check_opens("to.p12");
  }
  write("NONE", "NONE", "10000");
  check_opens("to.p12");
  CHECK(read_authorities(load("to.p12").file)->size() == 2);
  write("PBEWithSHA1AndRC4_128", "HmacPBESHA256", "10000");
  check_refused(read_identity(load("to.p12", pass).file), "store_unreadable",
                "encrypted by PBE-SHA1-RC4-128, which kferry cannot decrypt");
}

TEST_CASE("trust stores of keytool are read") {
  if (!has_keytool()) return;
  certificates();
  for (const std::string type : {"JKS", "PKCS12"}) {
    CAPTURE(type);
    folder().run(
        "rm -f trust.store && keytool -importcert -noprompt -alias a -file ca.crt -keystore trust.store "
        "-storetype " +
        type + " -storepass " + pass +
        " && keytool -importcert -noprompt -alias b -file ec.crt -keystore trust.store -storepass " + pass);
    const auto trusted = read_authorities(load("trust.store", pass).file);
    REQUIRE(refusal(trusted) == "");
    CHECK(trusted->size() == 2);
    check_refused(read_authorities(load("trust.store", "wr0ng").file), "store_password_wrong",
                  "STORE_PASSWORD");
    check_refused(read_identity(load("trust.store", pass).file), "key_missing", "is it the trust store?");
    // JKS opens without its password, as in Java; PKCS12 does if its certificates are not encrypted.
    if (type == "JKS") CHECK(read_authorities(load("trust.store").file).has_value());
  }
}

TEST_CASE(
    "stores with several keys, own key passwords, and passwords beyond ASCII are read; JCEKS is named") {
  if (!has_keytool()) return;
  write_source("ec");
  write_source("rsa");
  folder().run(
      "rm -f own.jks && keytool -genkeypair -alias a -keyalg EC -groupname secp256r1 -storetype JKS "
      "-keystore own.jks -dname CN=own -ext san=dns:own.example -storepass " +
      pass + " -keypass other-pass");
  CHECK(read_identity(load("own.jks", pass, "other-pass").file).has_value());
  check_refused(read_identity(load("own.jks", pass).file), "store_password_wrong",
                "key a has a password of its own: set KEY_PASSWORD");
  check_refused(read_identity(load("own.jks", pass, "wr0ng").file), "store_password_wrong",
                "correct KEY_PASSWORD");
  // Two keys in one store, with Java's aliases.
  folder().run(import("rsa", "own.jks", ""));
  CHECK(serves(read_identity(load("own.jks", pass).file, choice({"localhost"}))) == "");
  CHECK(subject_of(
            read_identity(load("own.jks", pass, "other-pass").file, choice({"own.example"}))->chain.at(0)) ==
        "CN=own");
  CHECK(subject_of(read_identity(load("own.jks", pass, "other-pass").file, choice({"localhost"}, "A"))
                       ->chain.at(0)) == "CN=own");
  const auto unnamed = read_identity(load("own.jks", pass).file, choice({"west.example"}));
  check_refused(unnamed, "key_ambiguous", "a (CN=own)");
  check_refused(unnamed, "key_ambiguous", "rsa (CN=localhost,O=Example)");
  folder().run("rm -f two.p12 && " + import("ec", "two.p12", "") + " && " + import("rsa", "two.p12", ""));
  const auto both = read_identity(load("two.p12", pass).file, choice({"localhost"}, "rsa"));
  CHECK(serves(both) == "");
  CHECK(both->choices.size() == 2);
  CHECK(both->chain.at(0) == certificates().rsa.chain.at(0));
  const std::string foreign = "пароль-€uro";
  folder().run("rm -f foreign.jks && " + import("ec", "foreign.jks", "-J-Dsun.jnu.encoding=UTF-8", foreign) +
               " -deststoretype JKS -destkeypass '" + foreign + "'");
  check_opens("foreign.jks", foreign);
  folder().run("rm -f to.jceks && " + import("ec", "to.jceks", "") + " -deststoretype JCEKS");
  check_refused(read_identity(load("to.jceks", pass).file), "store_unknown",
                "JCEKS store: convert it by keytool");
}

}  // namespace
}  // namespace kferry::tls
