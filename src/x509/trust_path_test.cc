// TrustStore: how it finds a path among issuers that share names, cross-sign each other or lead nowhere.
#include <doctest/doctest.h>

#include <algorithm>

#include "x509/trust_fixture_test.h"

namespace kferry::x509 {
namespace {

TEST_CASE("one valid path is enough, whatever else was sent") {
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
    // They never create a path that does not exist.
    auto without = chains[i];
    std::erase(without, &middle);
    CHECK(cause({.trusted = {&root}, .chain = without}) != "good");
  }
}

TEST_CASE("of two roots with the same name, the one that signed counts") {
  const Made root = make_authority("Root"), renewed = make_authority("Root");
  const Made leaf = make_leaf("app", &root), new_leaf = make_leaf("app", &renewed);
  for (const Made* const one : {&leaf, &new_leaf}) {
    CHECK(cause({.trusted = {&root, &renewed}, .chain = {one}}) == "good");
    CHECK(cause({.trusted = {&renewed, &root}, .chain = {one}}) == "good");
  }
  CHECK(cause({.trusted = {&renewed}, .chain = {&leaf}}) == "certificate_invalid");
}

TEST_CASE("a chain may be as long as allowed, and not one longer") {
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

// Like an authority that has changed its key: the old key signs the new certificate, whose identifiers say so.
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

TEST_CASE("the search passes over certificates that only look like issuers") {
  // A root that has changed its key and signs its new certificate with the old one. Both have the same name.
  const Made root = make_root_with_identifier("Root"), renewed = renew(root, "Root");
  const Made leaf = make_leaf("app", &renewed);
  CHECK(cause({.trusted = {&root}, .chain = {&leaf, &renewed}}) == "good");
  CHECK(cause({.trusted = {&root}, .chain = {&leaf, &root, &renewed}}) == "good");
  // Copies with the same name on three levels: expired, not an authority, or foreign.
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

TEST_CASE("a long path may have as many detours as a short one") {
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

TEST_CASE("the search continues past cross-signatures of untrusted roots") {
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

TEST_CASE("verdicts do not influence each other") {
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
