#include "x509/subject_rule.h"

#include <doctest/doctest.h>

#include "x509/maker_test.h"
#include "x509/name.h"

namespace kferry::x509 {
namespace {

bool matches(std::string_view rule, const Subject& subject) {
  Wanted wanted;
  wanted.subject = subject;
  const auto parsed = SubjectRule::parse(rule);
  REQUIRE(parsed.has_value());
  return parsed->matches(read_name(X509_get_subject_name(make(wanted).x509.get())));
}

std::string problem(std::string_view rule) {
  const auto parsed = SubjectRule::parse(rule);
  return parsed ? std::string() : parsed.error().text;
}

TEST_CASE("a rule names every attribute, the most specific first") {
  const Subject app{{"O", "Example"}, {"OU", "Apps"}, {"CN", "app-1"}};
  CHECK(matches("CN=app-*,OU=*,O=Example", app));
  CHECK(matches("cn=app-*, ou=*, o=Example", app));
  CHECK(matches("2.5.4.3=app-1,OID.2.5.4.11=Apps,O=Example", app));
  CHECK_FALSE(matches("CN=app-*,O=Example", app));
  CHECK_FALSE(matches("OU=*,CN=app-*,O=Example", app));
  CHECK_FALSE(matches("CN=app-*,OU=*,O=example", app));
  CHECK_FALSE(matches("CN=app-*,OU=*,OU=*,O=Example", app));
}

TEST_CASE("a star never crosses an attribute") {
  CHECK_FALSE(matches("CN=app-*,OU=*,O=Example", {{"CN", "app-x,OU=y,O=Example"}}));
  CHECK_FALSE(matches("CN=app-*,O=Example", {{"O", "Example"}, {"OU", "x"}, {"CN", "app-1"}}));
  CHECK_FALSE(matches("CN=*", {{"O", "Example"}, {"CN", "x"}}));
  CHECK(matches("CN=*", {{"CN", "x,O=Example"}}));
}

TEST_CASE("a star matches any run within one value") {
  CHECK(matches("CN=a*b*c", {{"CN", "aXbYbZc"}}));
  CHECK(matches("CN=*x*", {{"CN", "axb"}}));
  CHECK(matches("CN=ab*", {{"CN", "ab"}}));
  CHECK_FALSE(matches("CN=ab*ba", {{"CN", "aba"}}));
  CHECK_FALSE(matches("CN=a*c", {{"CN", "abcd"}}));
  CHECK(matches(R"(CN=a\*b)", {{"CN", "a*b"}}));
  CHECK_FALSE(matches(R"(CN=a\*b)", {{"CN", "aXb"}}));
}

TEST_CASE("values are compared literally, after decoding escapes") {
  CHECK(matches(R"(CN=a\,b\+c\=d\\e)", {{"CN", "a,b+c=d\\e"}}));
  CHECK(matches(R"(CN=\ a\20)", {{"CN", " a "}}));
  CHECK(matches(R"(CN=\C3\9F)", {{"CN", "ß"}}));
  CHECK(matches("CN=ß*", {{"CN", "ßx"}}));
  CHECK_FALSE(matches("CN=a", {{"CN", "a "}}));
  CHECK(matches("CN=#0C0161", {{"CN", "a"}}));
  CHECK_FALSE(matches("CN=#130161", {{"CN", "a"}}));
}

TEST_CASE("an RDN of several attributes is a set") {
  const Subject several{{"O", "E"}, {"CN", "a"}, {"+UID", "7"}};
  CHECK(matches("CN=a+UID=*,O=E", several));
  CHECK(matches("UID=7+CN=*,O=E", several));
  CHECK_FALSE(matches("CN=a,UID=7,O=E", several));
  CHECK_FALSE(matches("CN=a,O=E", several));
  CHECK_FALSE(matches("CN=a+UID=8,O=E", several));
  CHECK(matches("OU=*+OU=x,O=E", {{"O", "E"}, {"OU", "x"}, {"+OU", "y"}}));
  CHECK_FALSE(matches("OU=x+OU=x,O=E", {{"O", "E"}, {"OU", "x"}, {"+OU", "y"}}));
}

TEST_CASE("a malformed rule says what to write") {
  CHECK(problem("").find("is empty") != std::string::npos);
  CHECK(problem("*").find("a star never crosses") != std::string::npos);
  CHECK(problem("CN=a,*").find("a star never crosses") != std::string::npos);
  CHECK(problem("CN=a,b").find("\"b\"") != std::string::npos);
  CHECK(problem("CN=a,").find("not TYPE=VALUE") != std::string::npos);
  CHECK(problem("=a").find("not TYPE=VALUE") != std::string::npos);
  CHECK(problem("XY=a").find("\"XY\"") != std::string::npos);
  CHECK(problem("CN=\"a\"").find("quotation mark") != std::string::npos);
  CHECK(problem(R"(CN=a\)").find("backslash") != std::string::npos);
  CHECK(problem("CN=#0C0").find("hex") != std::string::npos);
}

TEST_CASE("globs match whole subjects, as before 0.2") {
  CHECK(matches_glob("CN=app-*,O=Example", "CN=app-1,O=Example"));
  CHECK(matches_glob("*", ""));
  CHECK(matches_glob("a*b*c", "aXbYbZc"));
  CHECK_FALSE(matches_glob("CN=app-*", "xCN=app-1"));
  CHECK_FALSE(matches_glob("", "x"));
}

}  // namespace
}  // namespace kferry::x509
