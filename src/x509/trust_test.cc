// TrustStore: which certificates are trusted and for how long, and unusable stores and chains.
#include <doctest/doctest.h>

#include <algorithm>

#include "x509/trust_fixture_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("a chain leads to an authority of the store") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle), stranger = make_authority("Stranger");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf, &middle}}) == "good");
  CHECK(cause({.trusted = {&middle}, .chain = {&leaf}}) == "good");
  CHECK(cause({.trusted = {&root, &middle}, .chain = {&leaf}}) == "good");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}}) == "certificate_untrusted");
  CHECK(words({.trusted = {&root}, .chain = {&leaf}}).find("was not sent") != std::string::npos);
  CHECK(cause({.trusted = {&stranger}, .chain = {&leaf, &middle, &root}}) == "certificate_untrusted");
  CHECK(words({.trusted = {&stranger}, .chain = {&leaf, &middle, &root}}).find("CN=Root") !=
        std::string::npos);
  CHECK(cause({.trusted = {&root}, .chain = {&stranger}}) == "certificate_untrusted");
}

TEST_CASE("the verdict says which certificates the path uses and until when it holds") {
  const Made root = make_authority("Root");
  const Made middle = make_authority("Int", &root, lasting(-day_s, 3 * day_s, authority_extensions()));
  const Made leaf = make_leaf("app", &middle), stray = make_leaf("stray", nullptr);
  const Asked asked{.trusted = {&root}, .chain = {&leaf, &stray, &middle}};
  const Verdict verdict = judge(*store(asked), asked);
  REQUIRE(verdict.good());
  CHECK(verdict.path == std::vector<std::size_t>{0, 2});
  CHECK(verdict.subject == "CN=app,O=T");
  CHECK(std::abs(verdict.good_until_s - now() - 3 * day_s) < 5);
  const Asked listed{.trusted = {&root},
                     .lists = {make_list(root, {}, -3600, day_s), make_list(middle, {}, -3600, 7200)},
                     .chain = {&leaf, &middle}};
  CHECK(std::abs(judge(*store(listed), listed).good_until_s - now() - 7200) < 5);
}

TEST_CASE("a trusted certificate that is not an authority vouches for itself only") {
  const Made root = make_authority("Root");
  const std::vector<std::vector<Extension>> shapes{
      {{NID_basic_constraints, "CA:FALSE"}},
      {{NID_subject_key_identifier, "hash"}},
      {{NID_key_usage, "digitalSignature,keyCertSign"}},
      {{NID_basic_constraints, "critical,CA:TRUE"}, {NID_key_usage, "digitalSignature"}},
      {{NID_basic_constraints, "CA:FALSE"}, {NID_key_usage, "digitalSignature,keyCertSign"}},
  };
  for (const Role role : {Role::client, Role::broker}) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      CAPTURE(i);
      for (const Made* const issuer : {static_cast<const Made*>(nullptr), &root}) {
        const Made pinned = make_leaf("pinned", issuer, with(shapes[i]));
        const Made forged = make_leaf("admin", &pinned);
        CHECK(cause({.role = role, .trusted = {&pinned}, .chain = {&pinned}}) == "good");
        CHECK(cause({.role = role, .trusted = {&pinned}, .chain = {&forged}}) == "certificate_untrusted");
        CHECK(cause({.role = role, .trusted = {&pinned}, .chain = {&forged, &pinned}}) ==
              "certificate_untrusted");
        CHECK(cause({.role = role, .trusted = {&pinned, &root}, .chain = {&forged, &pinned}}) ==
              "certificate_untrusted");
        CHECK(noted({.role = role, .trusted = {&pinned}}, "not_an_authority", "CN=pinned"));
      }
    }
  }
}

TEST_CASE("a pinned certificate expires, and has to name the host") {
  const Made pinned = make_leaf("app", nullptr, lasting(-2 * day_s, 60));
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}}) == "good");
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}, .after_s = 61}) == "certificate_expired");
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}, .after_s = -3 * day_s}) ==
        "certificate_not_yet_valid");
  CHECK(cause({.role = Role::broker, .trusted = {&pinned}, .chain = {&pinned}, .host = "localhost"}) ==
        "good");
  CHECK(cause({.role = Role::broker, .trusted = {&pinned}, .chain = {&pinned}, .host = "other"}) ==
        "certificate_not_allowed");
  const Made server = make_leaf("app", nullptr, with({{NID_ext_key_usage, "serverAuth"}}));
  CHECK(cause({.trusted = {&server}, .chain = {&server}}) == "certificate_purpose");
  // Pinned, and also issued by an authority of the store: either is enough.
  const Made root = make_authority("Root"), both = make_leaf("both", &root);
  CHECK(cause({.trusted = {&both, &root}, .chain = {&both}}) == "good");
}

TEST_CASE("version 1 certificates") {
  const Made root = make_authority("Root");
  Wanted old;
  old.version = X509_VERSION_1;
  const Made old_root = make_leaf("Old Root", nullptr, std::move(old));
  Wanted also;
  also.version = X509_VERSION_1;
  const Made leaf = make_leaf("app", &root, std::move(also));
  const Made under = make_leaf("under", &old_root);
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}}) == "good");
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&leaf}}) == "good");
  // For clients it vouches for itself only; as a broker's root it is accepted with a warning.
  CHECK(cause({.trusted = {&old_root}, .chain = {&old_root}}) == "good");
  CHECK(cause({.trusted = {&old_root}, .chain = {&under}}) == "certificate_untrusted");
  CHECK(cause({.role = Role::broker, .trusted = {&old_root}, .chain = {&under}}) == "good");
  CHECK(noted({.role = Role::broker, .trusted = {&old_root}}, "authority_version_1"));
  Wanted middle;
  middle.version = X509_VERSION_1;
  const Made old_middle = make_leaf("Old Int", &root, std::move(middle));
  const Made below = make_leaf("below", &old_middle);
  CHECK(cause({.role = Role::broker, .trusted = {&root}, .chain = {&below, &old_middle}}) ==
        "certificate_untrusted");
}

TEST_CASE("an issuer that was sent must be an authority") {
  const Made root = make_authority("Root");
  for (const auto& extensions : std::vector<std::vector<Extension>>{
           {{NID_basic_constraints, "CA:FALSE"}},
           {{NID_subject_key_identifier, "hash"}},
           {{NID_key_usage, "keyCertSign"}},
           {{NID_netscape_cert_type, "sslCA"}},
           {{NID_basic_constraints, "CA:TRUE"}, {NID_key_usage, "digitalSignature"}}}) {
    const Made middle = make_authority("Int", &root, with(extensions));
    const Made leaf = make_leaf("app", &middle);
    CHECK(cause({.trusted = {&root}, .chain = {&leaf, &middle}}) == "certificate_untrusted");
  }
}

TEST_CASE("every verdict checks the time anew") {
  const Made root = make_authority("Root", nullptr, lasting(-2 * day_s, 60, authority_extensions()));
  const Made leaf = make_leaf("app", &root);
  const auto trust = store({.trusted = {&root}});
  Asked asked{.chain = {&leaf}};
  CHECK(judge(*trust, asked).good());
  asked.after_s = 61;
  const Verdict late = judge(*trust, asked);
  CHECK(late.objection.cause == "certificate_expired");
  CHECK(late.objection.text.find("CN=Root") != std::string::npos);
  const Made future = make_leaf("app", &root, lasting(3600, 7200));
  CHECK(cause({.trusted = {&root}, .chain = {&future}}) == "certificate_not_yet_valid");
  CHECK(noted({.trusted = {&root}, .after_s = 0}, "x") == false);
}

TEST_CASE("an expired authority among valid ones is noted, and named if it is the cause") {
  const Made good = make_authority("Good");
  const Made old = make_authority("Old", nullptr, lasting(-90 * day_s, -day_s, authority_extensions()));
  const Made leaf = make_leaf("app", &old);
  CHECK(noted({.trusted = {&good, &old}}, "authority_expired", "CN=Old"));
  const Asked asked{.trusted = {&good, &old}, .chain = {&leaf}};
  CHECK(cause(asked) == "certificate_expired");
  CHECK(words(asked).find("CN=Old") != std::string::npos);
}

TEST_CASE("a store without a usable certificate fails, and unusable parts are reported") {
  const Made root = make_authority("Root"), leaf = make_leaf("app", &root);
  std::vector<Note> notes;
  CHECK(TrustStore::make({.certificates = {{std::byte{1}}}}, now(), notes).error().cause ==
        "authority_unusable");
  notes.clear();
  const auto half = TrustStore::make({.certificates = {{std::byte{1}}, root.der}}, now(), notes);
  REQUIRE(half.has_value());
  CHECK(notes.size() == 1);
  CHECK(notes.front().unusable);
  CHECK(TrustStore::make({.certificates = {root.der}, .revocations = {{std::byte{1}}}}, now(), notes)
            .error()
            .cause == "revocations_unusable");
}

TEST_CASE("a malformed leaf is refused, and a malformed stray ignored") {
  const Made root = make_authority("Root"), leaf = make_leaf("app", &root);
  const auto trust = store({.trusted = {&root}});
  const Bytes noise(100, std::byte{0x30});
  const std::vector<std::span<const std::byte>> bad{noise}, stray{leaf.der, noise};
  CHECK(trust->judge({.chain = bad, .now_s = now()}).objection.cause == "certificate_malformed");
  CHECK(trust->judge({.chain = stray, .now_s = now()}).good());
}

}  // namespace
}  // namespace kferry::x509
