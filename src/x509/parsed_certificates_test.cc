#include "x509/parsed_certificates.h"

#include <doctest/doctest.h>

#include "x509/maker_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("a cached certificate is the same object again, and others are parsed") {
  ParsedCertificates parsed;
  const Made one = make_leaf("one", nullptr), two = make_leaf("two", nullptr);
  const X509Ptr first = parsed.parse(one.der);
  CHECK(parsed.parse(one.der).get() != first.get());
  parsed.keep(one.der, first.get());
  parsed.keep(one.der, first.get());
  CHECK(parsed.size() == 1);
  CHECK(parsed.parse(one.der).get() == first.get());
  CHECK(X509_cmp(parsed.parse(two.der).get(), two.x509.get()) == 0);
  Bytes longer = one.der;
  longer.push_back(std::byte{0});
  CHECK(parsed.parse(longer) == nullptr);
}

TEST_CASE("the cache is limited, and the oldest entry is dropped first") {
  ParsedCertificates parsed;
  const Made one = make_leaf("one", nullptr);
  // Every key is different. What they parse to does not matter here.
  for (std::size_t i = 0; i < 3 * ParsedCertificates::count_max; ++i)
    parsed.keep(bytes_of(std::to_string(i)), one.x509.get());
  CHECK(parsed.size() == ParsedCertificates::count_max);
  CHECK(parsed.parse(bytes_of(std::to_string(2 * ParsedCertificates::count_max - 1))) == nullptr);
  CHECK(parsed.parse(bytes_of(std::to_string(2 * ParsedCertificates::count_max))).get() == one.x509.get());
  parsed.keep(Bytes(ParsedCertificates::size_max + 1), one.x509.get());
  CHECK(parsed.size() == ParsedCertificates::count_max);
}

}  // namespace
}  // namespace kferry::x509
