#include "x509/trust.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "x509/maker_test.h"

namespace kferry::x509 {
namespace {

struct Asked {
  Role role = Role::client;
  std::vector<const Made*> trusted{};
  std::vector<Octets> lists{};
  std::vector<const Made*> chain{};
  std::string host{};
  std::int64_t after_s = 0;  // from now
  std::vector<std::string> subjects{};
};

std::shared_ptr<const TrustStore> store(const Asked& asked, std::vector<Note>* notes = nullptr) {
  TrustSettings settings{.role = asked.role, .revocations = asked.lists};
  for (const Made* const one : asked.trusted) settings.certificates.push_back(one->der);
  for (const std::string& rule : asked.subjects)
    settings.subjects.push_back(SubjectRule::parse(rule).value());
  std::vector<Note> all;
  auto made = TrustStore::make(settings, now(), all);
  if (!made) FAIL(made.error().text);
  if (notes != nullptr) *notes = all;
  return *made;
}

Verdict judge(const TrustStore& trust, const Asked& asked) {
  std::vector<std::span<const std::byte>> chain;
  for (const Made* const one : asked.chain) chain.push_back(one->der);
  return trust.judge({.chain = chain, .now_s = now() + asked.after_s, .host = asked.host});
}

// The cause; "good" where there is none.
std::string cause(const Asked& asked) {
  const Verdict verdict = judge(*store(asked), asked);
  if (!verdict.good()) {
    // An objection is never bare.
    CHECK(verdict.objection.alert != 0);
    CHECK_FALSE(verdict.objection.text.empty());
  }
  return verdict.good() ? "good" : std::string(verdict.objection.cause);
}

std::string words(const Asked& asked) {
  return judge(*store(asked), asked).objection.text;
}

bool noted(const Asked& asked, std::string_view cause_of_note, std::string_view word = {}) {
  std::vector<Note> notes;
  store(asked, &notes);
  return std::ranges::any_of(notes, [&](const Note& note) {
    return note.cause == cause_of_note && note.text.find(word) != std::string::npos;
  });
}

Wanted with(std::vector<Extension> extensions) {
  Wanted wanted;
  wanted.extensions = std::move(extensions);
  return wanted;
}

Wanted lasting(std::int64_t from_s, std::int64_t to_s,
               std::vector<Extension> extensions = leaf_extensions()) {
  Wanted wanted = with(std::move(extensions));
  wanted.from_s = from_s;
  wanted.to_s = to_s;
  return wanted;
}

Wanted keyed(const Made& other, Wanted wanted = {}) {
  wanted.key = other.key.get();
  return wanted;
}

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

TEST_CASE("the verdict says which certificates the path uses and how long it is good") {
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

TEST_CASE("a certificate that is not an authority vouches for itself only") {
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

TEST_CASE("a pinned certificate ends with its validity, and names the host") {
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
  // Pinned and issued by an authority of the store, too: either is enough.
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

TEST_CASE("one good path is enough, whatever else was sent") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle), stray = make_leaf("stray", nullptr);
  const auto authority = [](std::int64_t from_s, std::int64_t to_s) {
    return lasting(from_s, to_s, authority_extensions());
  };
  const Made old_root = make_authority("Root", nullptr, keyed(root, authority(-900 * day_s, -day_s)));
  const Made old_middle = make_authority("Int", &root, keyed(middle, authority(-900 * day_s, -day_s)));
  const Made elsewhere = make_authority("Elsewhere");
  const Made cross_root = make_authority("Root", &elsewhere, keyed(root, with(authority_extensions())));
  const Made cross_middle = make_authority("Int", &elsewhere, keyed(middle, with(authority_extensions())));
  const Made other_key = make_authority("Int", &root);  // the same name
  const Made limited =
      make_authority("Int", &root,
                     keyed(middle, with({{NID_basic_constraints, "critical,CA:TRUE"},
                                         {NID_key_usage, "critical,keyCertSign"},
                                         {NID_name_constraints, "critical,permitted;DNS:other.example"}})));
  const Made server_only = make_authority(
      "Int", &root,
      keyed(middle, with({{NID_basic_constraints, "critical,CA:TRUE"}, {NID_ext_key_usage, "serverAuth"}})));
  std::vector<std::vector<const Made*>> chains{
      {&leaf, &middle, &old_root},
      {&leaf, &middle, &old_middle},
      {&leaf, &old_middle, &middle},
      {&leaf, &middle, &stray},
      {&leaf, &stray, &middle},
      {&leaf, &root, &middle},
      {&leaf, &leaf, &middle, &middle, &root, &root},
      {&leaf, &middle, &cross_root},
      {&leaf, &cross_root, &middle},
      {&leaf, &cross_middle, &middle},
      {&leaf, &middle, &cross_middle, &elsewhere},
      {&leaf, &elsewhere, &cross_middle, &middle},
      {&leaf, &other_key, &middle},
      {&leaf, &limited, &middle},
      {&leaf, &server_only, &middle},
      {&leaf, &other_key, &limited, &server_only, &old_middle, &cross_middle, &middle},
  };
  for (std::size_t i = 0; i < chains.size(); ++i) {
    CAPTURE(i);
    CHECK(cause({.trusted = {&root}, .chain = chains[i]}) == "good");
    CHECK(cause({.trusted = {&old_root, &root}, .chain = chains[i]}) == "good");
    CHECK(cause({.trusted = {&root, &old_root, &stray}, .chain = chains[i]}) == "good");
    // None of them opens a path that is not there.
    auto without = chains[i];
    std::erase(without, &middle);
    CHECK(cause({.trusted = {&root}, .chain = without}) != "good");
  }
}

TEST_CASE("two roots of one name, of which only one signed") {
  const Made root = make_authority("Root"), renewed = make_authority("Root");
  const Made leaf = make_leaf("app", &root), new_leaf = make_leaf("app", &renewed);
  for (const Made* const one : {&leaf, &new_leaf}) {
    CHECK(cause({.trusted = {&root, &renewed}, .chain = {one}}) == "good");
    CHECK(cause({.trusted = {&renewed, &root}, .chain = {one}}) == "good");
  }
  CHECK(cause({.trusted = {&renewed}, .chain = {&leaf}}) == "certificate_invalid");
}

TEST_CASE("time is judged at every chain") {
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

TEST_CASE("an expired authority among good ones is noted, and named where it is the cause") {
  const Made good = make_authority("Good");
  const Made old = make_authority("Old", nullptr, lasting(-90 * day_s, -day_s, authority_extensions()));
  const Made leaf = make_leaf("app", &old);
  CHECK(noted({.trusted = {&good, &old}}, "authority_expired", "CN=Old"));
  const Asked asked{.trusted = {&good, &old}, .chain = {&leaf}};
  CHECK(cause(asked) == "certificate_expired");
  CHECK(words(asked).find("CN=Old") != std::string::npos);
}

TEST_CASE("the whole path is checked for revocation where lists are configured") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle), other = make_leaf("other", &middle);
  const Octets of_root = make_list(root, {}), of_middle = make_list(middle, {&other});
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
    const Octets old = make_list(root, {}, -7200, -60);
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

TEST_CASE("an intermediate of the trust store is an anchor, whose own revocation counts") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle);
  const Octets of_middle = make_list(middle, {});
  // Its issuer is not in the store, so nobody could have a list for it.
  CHECK(cause({.trusted = {&middle}, .lists = {of_middle}, .chain = {&leaf}}) == "good");
  CHECK(cause({.trusted = {&middle}, .lists = {make_list(root, {})}, .chain = {&leaf}}) ==
        "revocations_missing");
  // Its issuer is: then it needs a list like any other.
  CHECK(cause({.trusted = {&root, &middle}, .lists = {of_middle}, .chain = {&leaf}}) ==
        "revocations_missing");
  CHECK(cause({.trusted = {&root, &middle}, .lists = {make_list(root, {}), of_middle}, .chain = {&leaf}}) ==
        "good");
  const Asked revoked{
      .trusted = {&root, &middle}, .lists = {make_list(root, {&middle}), of_middle}, .chain = {&leaf}};
  CHECK(cause(revoked) == "certificate_revoked");
  CHECK(noted(revoked, "authority_revoked", "CN=Int"));
}

TEST_CASE("a pinned certificate that its issuer has revoked vouches for nothing") {
  const Made root = make_authority("Root"), pinned = make_leaf("app", &root),
             other = make_leaf("other", &root);
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {make_list(root, {&pinned})}, .chain = {&pinned}}) ==
        "certificate_revoked");
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {make_list(root, {&other})}, .chain = {&pinned}}) ==
        "good");
}

TEST_CASE("a pinned authority vouches for itself whatever its issuers and their lists are") {
  const Made root = make_authority("Root"), broken = make_leaf("Broken", &root);
  const Made pinned = make_authority("pinned", &broken, with({{NID_basic_constraints, "critical,CA:TRUE"}}));
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned}}) == "good");
  CHECK(cause({.trusted = {&pinned}, .chain = {&pinned, &broken, &root}}) == "good");
  CHECK(cause({.trusted = {&pinned}, .lists = {make_list(root, {})}, .chain = {&pinned, &broken}}) == "good");
}

TEST_CASE("the lists of an anchor's issuer do not count where that is not in the trust store") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made leaf = make_leaf("app", &middle);
  const Octets of_middle = make_list(middle, {});
  for (const Octets& of_root : {make_list(root, {}), make_list(root, {}, -7200, -60)}) {
    const Asked asked{.trusted = {&middle}, .lists = {of_root, of_middle}, .chain = {&leaf, &middle, &root}};
    CHECK(cause(asked) == "good");
    CHECK(std::abs(judge(*store(asked), asked).good_until_s - now() - 5 * day_s) < 5);
  }
  const Asked expired{
      .trusted = {&root, &middle}, .lists = {make_list(root, {}, -7200, -60), of_middle}, .chain = {&leaf}};
  CHECK(cause(expired) == "revocations_expired");
}

TEST_CASE("of lists of one name the one that the issuer's key signed counts") {
  const Made root = make_authority("Root"), namesake = make_authority("Root");
  const Made leaf = make_leaf("app", &root), other = make_leaf("other", &root);
  const Octets own = make_list(root, {&other}, -7200, 3600),
               foreign = make_list(namesake, {}, -60, 9 * day_s);
  for (const std::vector<Octets>& lists : {std::vector{own, foreign}, {foreign, own}}) {
    const Asked asked{.trusted = {&root, &namesake}, .lists = lists, .chain = {&leaf}};
    REQUIRE(cause(asked) == "good");
    CHECK(judge(*store(asked), asked).good_until_s < now() + 3605);
    CHECK(cause({.trusted = {&root}, .lists = lists, .chain = {&other}}) == "certificate_revoked");
  }
}

TEST_CASE("a list that a newer one supersedes takes no authority out of the store") {
  const Made root = make_authority("Root"), pinned = make_leaf("app", &root);
  const Octets held = make_list(root, {&pinned}, -7200), released = make_list(root, {}, -3600);
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {held, released}, .chain = {&pinned}}) == "good");
  CHECK(cause({.trusted = {&pinned, &root}, .lists = {held}, .chain = {&pinned}}) == "certificate_revoked");
}

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

TEST_CASE("name constraints that libcrypto does not see") {
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

TEST_CASE("a critical extension that is not known refuses a pinned certificate, too") {
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

TEST_CASE("subject rules refuse after all else is good") {
  const Made root = make_authority("Root"), leaf = make_leaf("app-1", &root);
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}, .subjects = {"CN=x,O=T", "CN=app-*,O=T"}}) == "good");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf}, .subjects = {"CN=app-*"}}) == "certificate_not_allowed");
  const Made other = make_authority("Other");
  CHECK(cause({.trusted = {&other}, .chain = {&leaf}, .subjects = {"CN=app-*,O=T"}}) ==
        "certificate_untrusted");
}

TEST_CASE("chains as long as allowed, and not one more") {
  std::vector<Made> all;
  all.push_back(make_authority("Root"));
  for (std::size_t i = 1; i < chain_size_max; ++i)
    all.push_back(make_authority("D" + std::to_string(i), &all.back()));
  const Made leaf = make_leaf("deep", &all.back());
  std::vector<const Made*> chain{&leaf};
  for (std::size_t i = all.size(); i-- > 1;) chain.push_back(&all[i]);
  REQUIRE(chain.size() == chain_size_max);
  CHECK(cause({.trusted = {&all[0]}, .chain = chain}) == "good");
  chain.push_back(&all[0]);
  CHECK(cause({.trusted = {&all[0]}, .chain = chain}) == "chain_too_long");
}

TEST_CASE("a store of which nothing can be used fails, and parts are reported") {
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

TEST_CASE("a malformed leaf is refused, a malformed stray is not looked at") {
  const Made root = make_authority("Root"), leaf = make_leaf("app", &root);
  const auto trust = store({.trusted = {&root}});
  const Octets noise(100, std::byte{0x30});
  const std::vector<std::span<const std::byte>> bad{noise}, stray{leaf.der, noise};
  CHECK(trust->judge({.chain = bad, .now_s = now()}).objection.cause == "certificate_malformed");
  CHECK(trust->judge({.chain = stray, .now_s = now()}).good());
}

// As of an authority that has changed its key: the old one signs the new certificate, whose identifiers say so.
Made renew(const Made& root, const std::string& name) {
  std::vector<Extension> extensions = authority_extensions();
  extensions.push_back({NID_subject_key_identifier, "hash"});
  extensions.push_back({NID_authority_key_identifier, "keyid"});
  return make_authority(name, &root, with(std::move(extensions)));
}

Made make_root_with_identifier(const std::string& name) {
  std::vector<Extension> extensions = authority_extensions();
  extensions.push_back({NID_subject_key_identifier, "hash"});
  return make_authority(name, nullptr, with(std::move(extensions)));
}

TEST_CASE("a path goes past what only looks like an issuer") {
  // A root that has changed its key and signs its new certificate by the old one; nothing tells the two apart by name.
  const Made root = make_root_with_identifier("Root"), renewed = renew(root, "Root");
  const Made leaf = make_leaf("app", &renewed);
  CHECK(cause({.trusted = {&root}, .chain = {&leaf, &renewed}}) == "good");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf, &root, &renewed}}) == "good");
  // Namesakes, expired, powerless and foreign copies on three levels.
  const Made first = make_authority("First", &root);
  const Made old =
      make_authority("First", &root, keyed(first, lasting(-9 * day_s, -day_s, authority_extensions())));
  const Made second = make_authority("Second", &first);
  const Made weak =
      make_authority("Second", &first, keyed(second, with({{NID_basic_constraints, "CA:FALSE"}})));
  const Made third = make_authority("Third", &second), namesake = make_authority("Third", &second);
  const Made stranger = make_authority("Stranger"),
             crossed = make_authority("First", &stranger, keyed(first));
  const Made deep = make_leaf("deep", &third);
  std::vector<const Made*> rest{&old, &crossed, &stranger, &weak, &namesake, &first, &second, &third};
  for (std::size_t round = 0; round < rest.size(); ++round) {
    CAPTURE(round);
    std::ranges::rotate(rest, rest.begin() + 1);
    std::vector<const Made*> chain{&deep};
    chain.insert(chain.end(), rest.begin(), rest.end());
    CHECK(cause({.trusted = {&root}, .chain = chain}) == "good");
    std::ranges::reverse(chain.begin() + 1, chain.end());
    CHECK(cause({.trusted = {&root}, .chain = chain}) == "good");
  }
}

TEST_CASE("a long path has as many detours as a short one") {
  const Made narrow = make_authority("Root", nullptr,
                                     with({{NID_basic_constraints, "critical,CA:TRUE"},
                                           {NID_name_constraints, "critical,permitted;DNS:in.example"}}));
  const Made root =
      make_authority("Root", nullptr, keyed(narrow, lasting(-2 * day_s, day_s, authority_extensions())));
  std::vector<Made> all;
  all.push_back(make_authority("D", &root));
  for (int i = 0; i < 11; ++i) all.push_back(make_authority("D" + std::to_string(i), &all.back()));
  const Made leaf = make_leaf("deep", &all.back());
  std::vector<const Made*> chain{&leaf};
  for (std::size_t i = all.size(); i-- > 0;) chain.push_back(&all[i]);
  CHECK(cause({.trusted = {&root, &narrow}, .chain = chain}) == "good");
  CHECK(cause({.trusted = {&narrow, &root}, .chain = chain}) == "good");
  CHECK(cause({.trusted = {&narrow}, .chain = chain}) == "certificate_untrusted");
}

TEST_CASE("cross-signatures of roots that are not trusted lead nowhere, and the search goes on") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root);
  const Made link = make_authority("Link", &root);  // paths may end below a root, too
  const Made leaf = make_leaf("app", &middle);
  std::vector<Made> strangers, crossed;
  for (int i = 0; i < 3; ++i) strangers.push_back(make_authority("Stranger"));
  for (const Made& stranger : strangers) crossed.push_back(make_authority("Int", &stranger, keyed(middle)));
  std::vector<const Made*> chain{&leaf};
  for (const auto* group : {&crossed, &strangers}) {
    for (const Made& one : *group) chain.push_back(&one);
  }
  chain.push_back(&middle);
  CHECK(cause({.trusted = {&root, &link}, .chain = chain}) == "good");
  std::ranges::reverse(chain.begin() + 1, chain.end());
  CHECK(cause({.trusted = {&root, &link}, .chain = chain}) == "good");
}

TEST_CASE("nothing is remembered from one chain to the next") {
  const Made root = make_authority("Root"), middle = make_authority("Int", &root),
             leaf = make_leaf("app", &middle);
  const auto trust = store({.trusted = {&root}});
  for (int round = 0; round < 3; ++round) {
    CHECK(judge(*trust, {.chain = {&leaf}}).objection.cause == "certificate_untrusted");
    CHECK(judge(*trust, {.chain = {&leaf, &middle}}).good());
  }
}

}  // namespace
}  // namespace kferry::x509
