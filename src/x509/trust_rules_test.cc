// TrustStore: what it asks of every certificate on a path: purpose, constraints, hosts, strength, subject.
#include <doctest/doctest.h>

#include <algorithm>

#include "x509/trust_fixture_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("purposes, path lengths, name constraints and hosts") {
  const Made root = make_authority("Root");
  const auto leaf = [&](const Made& issuer, const char* usage, const char* names = "DNS:localhost") {
    return make_leaf("app", &issuer, with({{NID_ext_key_usage, usage}, {NID_subject_alt_name, names}}));
  };
  const Made server = leaf(root, "serverAuth"), client = leaf(root, "clientAuth");
  const Made any = leaf(root, "anyExtendedKeyUsage"), mail = leaf(root, "emailProtection");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&server}, .host = "localhost"}) == "good");
  CHECK(cause({.role = Role::client, .trusted = {&root}, .chain = {&server}}) == "certificate_purpose");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&client}}) == "certificate_purpose");
  CHECK(cause({.role = Role::client, .trusted = {&root}, .chain = {&client}}) == "good");
  for (const Role role : {Role::client, Role::broker}) {
    CHECK(cause({.role = role, .trusted = {&root}, .chain = {&any}}) == "good");
    CHECK(cause({.role = role, .trusted = {&root}, .chain = {&mail}}) == "certificate_purpose");
  }
  const Made mute = make_leaf("mute", &root, with({{NID_key_usage, "critical,keyEncipherment"}}));
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&mute}}) == "certificate_purpose");
  CHECK(words({.role = Role::broker, .trusted = {&root}, .chain = {&mute}}).find("digitalSignature") !=
        std::string::npos);
  const Made short_root =
      make_authority("Short", nullptr, with({{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"}}));
  const Made below = make_authority("Below", &short_root), far = leaf(below, "clientAuth");
  CHECK(cause({.trusted = {&short_root}, .chain = {&far, &below}}) == "certificate_untrusted");
  const Made narrow = make_authority("Narrow", &root,
                                     with({{NID_basic_constraints, "critical,CA:TRUE"},
                                           {NID_name_constraints, "critical,permitted;DNS:in.example"}}));
  const Made inside = leaf(narrow, "serverAuth", "DNS:a.in.example"), outside = leaf(narrow, "serverAuth");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&inside, &narrow}}) == "good");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&outside, &narrow}}) ==
        "certificate_untrusted");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&server}, .host = "example.com"}) ==
        "certificate_not_allowed");
  for (const std::string host : {".localhost", "."}) {
    CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&server}, .host = host}) ==
          "certificate_not_allowed");
  }
}

TEST_CASE("name constraints that libcrypto does not check") {
  const Made root = make_authority("Root");
  const auto below = [&](const char* constraints, const char* names, const char* common_name = "app") {
    const Made limited = make_authority(
        "Limited", &root,
        with({{NID_basic_constraints, "critical,CA:TRUE"}, {NID_name_constraints, constraints}}));
    std::vector<Extension> extensions{{NID_basic_constraints, "CA:FALSE"}};
    if (*names != '\0') extensions.push_back({NID_subject_alt_name, names});
    const Made leaf = make_leaf(common_name, &limited, with(extensions));
    const std::string found = cause({.role = Role::broker, .trusted = {&root}, .chain = {&leaf, &limited}});
    CHECK(cause({.role = Role::client, .trusted = {&root}, .chain = {&leaf, &limited}}) == found);
    return found;
  };
  const char* const excluded = "critical,excluded;DNS:bad.in.example";
  CHECK(below(excluded, "DNS:*.in.example") == "certificate_untrusted");
  CHECK(below(excluded, "DNS:*.IN.example") == "certificate_untrusted");
  CHECK(below(excluded, "DNS:good.in.example,DNS:*.other.example") == "good");
  CHECK(below("critical,excluded;DNS:deep.bad.in.example", "DNS:*.in.example") == "good");
  const char* const permitted = "critical,permitted;DNS:in.example";
  CHECK(below(permitted, "DNS:*.in.example") == "good");
  CHECK(below(permitted, "DNS:*.out.example") == "certificate_untrusted");
  CHECK(below(permitted, "DNS:.in.example") == "certificate_untrusted");
  CHECK(below(permitted, "DNS:a..in.example") == "certificate_untrusted");
  // A wildcard in a common name, which X509_check_host would match.
  CHECK(below(permitted, "", "*.in.example") == "good");
  CHECK(below(permitted, "", "*.out.example") == "certificate_untrusted");
  CHECK(below(excluded, "", "*.in.example") == "certificate_untrusted");
  CHECK(below(permitted, "DNS:a.in.example", "*.out.example") == "good");
  const char* const mail = "critical,permitted;email:in.example";
  CHECK(below(mail, "email:a@in.example") == "good");
  CHECK(below(mail, "email:a@b@in.example") == "certificate_untrusted");
  CHECK(below("critical,DER:30:00", "DNS:a.in.example") == "certificate_untrusted");
  CHECK(below("critical,DER:30:02:A0:00", "DNS:a.in.example") == "certificate_untrusted");
}

TEST_CASE("an unknown critical extension also refuses a pinned certificate") {
  const Made root = make_authority("Root");
  const int unknown = OBJ_create("1.3.6.1.4.1.99999.1", "unknownHere", "unknown here");
  const std::vector<Extension> extensions{{NID_basic_constraints, "CA:FALSE"},
                                          {unknown, "critical,DER:05:00"}};
  const Made pinned = make_leaf("pinned", nullptr, with(extensions));
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}}) == "certificate_invalid");
  const Made leaf = make_leaf("leaf", &root, with(extensions));
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}}) == "certificate_invalid");
}

TEST_CASE("weak signatures and keys are refused") {
  const Made root = make_authority("Root");
  Wanted sha1;
  sha1.hash = EVP_sha1();
  const Made forged = make_leaf("app", &root, std::move(sha1));
  CHECK(cause({.trusted = {&root}, .chain = {&forged}}) == "certificate_invalid");
  CHECK(words({.trusted = {&root}, .chain = {&forged}}).find("SHA1") != std::string::npos);
  const KeyPtr rsa(EVP_RSA_gen(768));
  Wanted small;
  small.key = rsa.get();
  const Made weak = make_leaf("app", &root, std::move(small));
  CHECK(cause({.trusted = {&root}, .chain = {&weak}}) == "certificate_invalid");
}

TEST_CASE("subject rules refuse an otherwise valid certificate") {
  const Made root = make_authority("Root"), leaf = make_leaf("app-1", &root);
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}, .subjects = {"CN=x,O=T", "CN=app-*,O=T"}}) == "good");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}, .subjects = {"CN=app-*"}}) == "certificate_not_allowed");
  const Made other = make_authority("Other");
  CHECK(cause({.trusted = {&other}, .chain = {&leaf}, .subjects = {"CN=app-*,O=T"}}) ==
        "certificate_untrusted");
}

}  // namespace
}  // namespace kferry::x509
