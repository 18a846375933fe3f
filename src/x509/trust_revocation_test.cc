// TrustStore and revocation lists: what they refuse, and which of several lists counts.
#include <doctest/doctest.h>

#include <algorithm>

#include "x509/trust_fixture_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("with revocation lists, the whole path is checked") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle), other = make_leaf("other", &middle);
  const Bytes of_root = make_list(root, {}), of_middle = make_list(middle, {&other});
  const std::vector<const Made*> chain{&leaf, &middle};
  for (const Role role : {Role::client, Role::broker}) {
    CHECK(cause({.role = role, .trusted = {&root}, .lists = {of_root, of_middle}, .chain = chain}) == "good");
    CHECK(
        cause(
            {.role = role, .trusted = {&root}, .lists = {of_root, of_middle}, .chain = {&other, &middle}}) ==
        "certificate_revoked");
    CHECK(cause({.role = role,
                 .trusted = {&root},
                 .lists = {make_list(root, {&middle}), of_middle},
                 .chain = chain}) == "certificate_revoked");
    CHECK(cause({.role = role, .trusted = {&root}, .lists = {of_middle}, .chain = chain}) ==
          "revocations_missing");
    CHECK(cause({.role = role, .trusted = {&root}, .lists = {of_root}, .chain = chain}) ==
          "revocations_missing");
    const Bytes old = make_list(root, {}, -7200, -60);
    CHECK(cause({.role = role, .trusted = {&root}, .lists = {old, of_middle}, .chain = chain}) ==
          "revocations_expired");
    CHECK(cause({.role = role, .trusted = {&root}, .lists = {old, of_root, of_middle}, .chain = chain}) ==
          "good");
    CHECK(noted({.role = role, .trusted = {&root}, .lists = {old, of_middle}}, "revocations_expired",
                "CN=Root"));
  }
  const Made stranger = make_authority("Root");  // the same name, another key
  CHECK(cause({.trusted = {&root}, .lists = {make_list(stranger, {}), of_middle}, .chain = chain}) ==
        "revocations_unusable");
}

TEST_CASE("an intermediate in the trust store is an anchor, and its own revocation counts") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle);
  const Bytes of_middle = make_list(middle, {});
  // Its issuer is not in the store, so there can be no list for it.
  CHECK(cause({.trusted = {&middle}, .lists = {of_middle}, .chain = {&leaf}}) == "good");
  CHECK(cause({.trusted = {&middle}, .lists = {make_list(root, {})}, .chain = {&leaf}}) ==
        "revocations_missing");
  // If its issuer is, it needs a list like any other certificate.
  CHECK(cause({.trusted = {&root, &middle}, .lists = {of_middle}, .chain = {&leaf}}) ==
        "revocations_missing");
  CHECK(cause({.trusted = {&root, &middle}, .lists = {make_list(root, {}), of_middle}, .chain = {&leaf}}) ==
        "good");
  const Asked revoked{
      .trusted = {&root, &middle}, .lists = {make_list(root, {&middle}), of_middle}, .chain = {&leaf}};
  CHECK(cause(revoked) == "certificate_revoked");
  CHECK(noted(revoked, "authority_revoked", "CN=Int"));
}

TEST_CASE("a pinned certificate that its issuer revoked vouches for nothing") {
  const Made root = make_authority("Root"), pinned = make_leaf("app", &root),
             other = make_leaf("other", &root);
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {make_list(root, {&pinned})}, .chain = {&pinned}}) ==
        "certificate_revoked");
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {make_list(root, {&other})}, .chain = {&pinned}}) ==
        "good");
}

TEST_CASE("a pinned authority vouches for itself, whatever its issuers and their lists") {
  const Made root = make_authority("Root"), broken = make_leaf("Broken", &root);
  const Made pinned = make_authority("pinned", &broken, with({{NID_basic_constraints, "critical,CA:TRUE"}}));
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}}) == "good");
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned, &broken, &root}}) == "good");
  CHECK(cause({.trusted = {&pinned}, .lists = {make_list(root, {})}, .chain = {&pinned, &broken}}) == "good");
}

TEST_CASE("the lists of an anchor's issuer do not count if that is not in the trust store") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle);
  const Bytes of_middle = make_list(middle, {});
  for (const Bytes& of_root : {make_list(root, {}), make_list(root, {}, -7200, -60)}) {
    const Asked asked{.trusted = {&middle}, .lists = {of_root, of_middle}, .chain = {&leaf, &middle, &root}};
    CHECK(cause(asked) == "good");
    CHECK(std::abs(judge(*store(asked), asked).good_until_s - now() - 5 * day_s) < 5);
  }
  const Asked expired{
      .trusted = {&root, &middle}, .lists = {make_list(root, {}, -7200, -60), of_middle}, .chain = {&leaf}};
  CHECK(cause(expired) == "revocations_expired");
}

TEST_CASE("of several lists with one issuer name, the one that the issuer's key signed counts") {
  const Made root = make_authority("Root"), namesake = make_authority("Root");
  const Made leaf = make_leaf("app", &root), other = make_leaf("other", &root);
  const Bytes own = make_list(root, {&other}, -7200, 3600), foreign = make_list(namesake, {}, -60, 9 * day_s);
  for (const std::vector<Bytes>& lists : {std::vector{own, foreign}, {foreign, own}}) {
    const Asked asked{.trusted = {&root, &namesake}, .lists = lists, .chain = {&leaf}};
    REQUIRE(cause(asked) == "good");
    CHECK(judge(*store(asked), asked).good_until_s < now() + 3605);
    CHECK(cause({.trusted = {&root}, .lists = lists, .chain = {&other}}) == "certificate_revoked");
  }
}

TEST_CASE("a superseded list does not remove an authority from the store") {
  const Made root = make_authority("Root"), pinned = make_leaf("app", &root);
  const Bytes held = make_list(root, {&pinned}, -7200), released = make_list(root, {}, -3600);
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {held, released}, .chain = {&pinned}}) == "good");
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {held}, .chain = {&pinned}}) == "certificate_revoked");
}

}  // namespace
}  // namespace kferry::x509
