#include "x509/description.h"

#include <doctest/doctest.h>

#include "base/secret.h"
#include "x509/certificate.h"
#include "x509/maker_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("a certificate is described by its names, its serial number and its fingerprint") {
  const auto leaf = make_leaf("app.example", nullptr, {});
  const Certificate read = read_certificate(leaf.der).value();
  const Description description = describe(leaf.der);
  CHECK(description.subject == read.names.subject);
  CHECK(description.issuer == read.issuer);
  CHECK(description.serial.size() % 2 == 0);
  CHECK(description.serial.size() >= 2);
  CHECK(description.sha256.size() == 64);
  CHECK(description.sha256 != describe(make_leaf("other.example", nullptr, {}).der).sha256);
}

TEST_CASE("what is not a certificate has a fingerprint alone") {
  const Description description = describe(bytes_of("abc"));
  CHECK(description.subject.empty());
  CHECK(description.serial.empty());
  // FIPS 180-4, SHA-256 of "abc".
  CHECK(description.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace kferry::x509
