#include "x509/host_name.h"

#include <doctest/doctest.h>

#include "x509/authority_test.h"
#include "x509/certificate.h"

namespace kferry::x509 {
namespace {

CertificateNames dns(std::vector<std::string> names) {
  CertificateNames all;
  all.dns_names = std::move(names);
  all.common_name = "common.example";
  return all;
}

TEST_CASE("a host's name is one of the certificate's") {
  CHECK(names_host(dns({"a.example", "b.example"}), "b.example"));
  CHECK(names_host(dns({"B.Example"}), "b.eXample."));
  CHECK_FALSE(names_host(dns({"b.example"}), "c.example"));
  CHECK_FALSE(names_host(dns({"b.example"}), "example"));
  CHECK_FALSE(names_host(dns({"b.example"}), "a.b.example"));
  CHECK_FALSE(names_host(dns({""}), ""));
  CHECK_FALSE(names_host(dns({std::string("b.example\0.evil", 15)}), "b.example"));
}

TEST_CASE("a wildcard stands for one whole label, not too near the root") {
  CHECK(names_host(dns({"*.kafka.example"}), "b1.kafka.example"));
  CHECK_FALSE(names_host(dns({"*.kafka.example"}), "kafka.example"));
  CHECK_FALSE(names_host(dns({"*.kafka.example"}), "a.b.kafka.example"));
  CHECK_FALSE(names_host(dns({"*.kafka.example"}), ".kafka.example"));
  CHECK_FALSE(names_host(dns({"*.com"}), "kafka.com"));
  CHECK_FALSE(names_host(dns({"*"}), "kafka"));
  CHECK_FALSE(names_host(dns({"b*.kafka.example"}), "b1.kafka.example"));
  CHECK_FALSE(names_host(dns({"*.*.example"}), "a.b.example"));
}

TEST_CASE("the common name counts only where there is no DNS name") {
  CHECK_FALSE(names_host(dns({"a.example"}), "common.example"));
  CHECK(names_host(dns({}), "common.example"));
}

TEST_CASE("an address is matched by its octets, never by text") {
  CertificateNames names = dns({"10.0.0.1"});
  names.addresses.push_back({std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}});
  Octets six(16);
  six[15] = std::byte{1};
  names.addresses.push_back(six);
  CHECK(names_host(names, "127.0.0.1"));
  CHECK(names_host(names, "::1"));
  CHECK(names_host(names, "0:0::1"));
  CHECK(names_host(names, "[::1]"));
  CHECK_FALSE(names_host(names, "10.0.0.1"));
  CHECK_FALSE(names_host(names, "127.0.0.2"));
}

TEST_CASE("globs over subjects") {
  CHECK(matches_glob("CN=app-*,O=Example", "CN=app-1,O=Example"));
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("*O=Example", "CN=x,O=Example"));
  CHECK(matches_glob("a*b*c", "aXbYbZc"));
  CHECK_FALSE(matches_glob("CN=app-*", "xCN=app-1"));
  CHECK_FALSE(matches_glob("CN=a", "CN=A"));
  CHECK_FALSE(matches_glob("", "x"));
}

TEST_CASE("a subject is written as RFC 2253 has it") {
  const Authority& authority = certificates().authority;
  authority.issue("odd", {.subject = R"(/C=DE/O=A, B \+ "C"/OU=#x /CN= y)"});
  const auto read = read_certificate(authority.der("odd.crt"));
  REQUIRE(read.has_value());
  CHECK(read->names.subject == R"(CN=\ y,OU=\#x\ ,O=A\, B \+ \"C\",C=DE)");
  CHECK(read->issuer == "CN=Kferry Test CA");
  CHECK_FALSE(read->is_authority);
  CHECK(read->names.dns_names == std::vector<std::string>{"localhost"});
  CHECK(read->names.addresses.size() == 2);
  CHECK(read_certificate(authority.certificate())->is_authority);
  CHECK(read->not_after_s - read->not_before_s == 30 * 86400);
}

TEST_CASE("a certificate cut anywhere is refused") {
  const Octets whole = certificates().ec.chain.front();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(read_certificate(std::span(whole).first(size)).has_value());
  }
}

}  // namespace
}  // namespace kferry::x509
