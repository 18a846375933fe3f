#include "x509/certificate.h"

#include <doctest/doctest.h>

#include "x509/maker_test.h"

namespace kferry::x509 {
namespace {

Certificate naming(const std::string& names) {
  Wanted wanted;
  wanted.extensions = {{NID_subject_alt_name, names}};
  if (names.empty()) wanted.extensions->clear();
  return read_certificate(make_leaf("common.example", nullptr, std::move(wanted)).der).value();
}

TEST_CASE("a host name matches a name of the certificate") {
  const Certificate both = naming("DNS:a.example,DNS:B.Example");
  CHECK(names_host(both, "b.example"));
  CHECK(names_host(both, "b.eXample."));
  CHECK_FALSE(names_host(both, "c.example"));
  CHECK_FALSE(names_host(both, "example"));
  CHECK_FALSE(names_host(both, "x.a.example"));
  CHECK_FALSE(names_host(both, ""));
  CHECK_FALSE(names_host(both, std::string("a.example\0.evil", 15)));
}

TEST_CASE("a wildcard matches one whole label, and not too near the root") {
  const Certificate wild =
      naming("DNS:*.kafka.example,DNS:*.com,DNS:*,DNS:b*.part.example,DNS:*.*.twice.example");
  CHECK(names_host(wild, "b1.kafka.example"));
  CHECK_FALSE(names_host(wild, "kafka.example"));
  CHECK_FALSE(names_host(wild, "a.b.kafka.example"));
  CHECK_FALSE(names_host(wild, ".kafka.example"));
  CHECK_FALSE(names_host(wild, "kafka.com"));
  CHECK_FALSE(names_host(wild, "kafka"));
  CHECK_FALSE(names_host(wild, "b1.part.example"));
  CHECK_FALSE(names_host(wild, "a.b.twice.example"));
}

TEST_CASE("the common name counts only without DNS names") {
  CHECK_FALSE(names_host(naming("DNS:a.example"), "common.example"));
  CHECK(names_host(naming(""), "common.example"));
  CHECK(names_host(naming("IP:127.0.0.1"), "common.example"));
}

TEST_CASE("an address is matched by its bytes, never by its text") {
  const Certificate certificate = naming("DNS:10.0.0.1,IP:127.0.0.1,IP:::1");
  CHECK(names_host(certificate, "127.0.0.1"));
  CHECK(names_host(certificate, "::1"));
  CHECK(names_host(certificate, "0:0::1"));
  CHECK(names_host(certificate, "[::1]"));
  CHECK(names_host(certificate, "::1%lo"));
  CHECK_FALSE(names_host(certificate, "10.0.0.1"));
  CHECK_FALSE(names_host(certificate, "127.0.0.2"));
  CHECK(certificate.names.addresses.size() == 2);
}

TEST_CASE("a subject is written in the form of RFC 2253, in UTF-8") {
  Wanted wanted;
  wanted.subject = {{"C", "DE"}, {"O", "A, B + \"C\""}, {"OU", "#x "}, {"CN", " yß"}, {"+UID", "7"}};
  const auto read = read_certificate(make(wanted).der);
  REQUIRE(read.has_value());
  CHECK(read->names.subject == R"(UID=7+CN=\ yß,OU=\#x\ ,O=A\, B \+ \"C\",C=DE)");
  CHECK(read->issuer == read->names.subject);
  CHECK(read->names.common_name == " yß");
}

TEST_CASE("control characters in a subject are escaped") {
  Wanted wanted;
  wanted.subject = {{"CN", "a\nb"}};
  CHECK(read_certificate(make(wanted).der)->names.subject == R"(CN=a\0Ab)");
}

TEST_CASE("keys, signatures and authority are read") {
  const Made root = make_authority("Root");
  const auto authority = read_certificate(root.der);
  REQUIRE(authority.has_value());
  CHECK(authority->is_authority);
  CHECK(authority->key_type == "EC P-256");
  CHECK(authority->key_bits == 256);
  CHECK(authority->signature_hash == "SHA256");
  CHECK(authority->not_after_s - authority->not_before_s == 31 * day_s);
  const KeyPtr rsa(EVP_RSA_gen(1024));
  Wanted wanted;
  wanted.key = rsa.get();
  wanted.hash = EVP_sha1();
  const auto leaf = read_certificate(make_leaf("leaf", nullptr, std::move(wanted)).der);
  REQUIRE(leaf.has_value());
  CHECK_FALSE(leaf->is_authority);
  CHECK(leaf->key_type == "RSA");
  CHECK(leaf->key_bits == 1024);
  CHECK(leaf->signature_hash == "SHA1");
  Wanted other;
  const KeyPtr brainpool = make_key("brainpoolP256r1");
  other.key = brainpool.get();
  CHECK(read_certificate(make_leaf("x", nullptr, std::move(other)).der)->key_type == "EC brainpoolP256r1");
}

TEST_CASE("a truncated certificate, or one with trailing bytes, is refused") {
  Bytes whole = make_leaf("leaf", nullptr).der;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(read_certificate(std::span(whole).first(size)).has_value());
  }
  whole.push_back(std::byte{0});
  CHECK_FALSE(read_certificate(whole).has_value());
}

}  // namespace
}  // namespace kferry::x509
