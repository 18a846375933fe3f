#include "x509/own_chain.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "x509/maker_test.h"

namespace kferry::x509 {
namespace {

// The names of these certificates, in order.
using Names = std::vector<std::string>;

std::string common_name(X509* x509) {
  const std::string subject = subject_of(x509);
  return subject.substr(3, subject.find(',') - 3);
}

StoreContents contents_of(const std::vector<const Made*>& all) {
  StoreContents contents;
  for (const Made* const one : all) contents.certificates.push_back({parse_x509(one->der), {}});
  return contents;
}

// The chain of the first certificate.
Names chain(const std::vector<const Made*>& all) {
  const StoreContents contents = contents_of(all);
  std::vector<std::size_t> pool(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) pool[i] = i;
  Names names;
  for (const std::size_t index : chain_of(contents, pool, 0))
    names.push_back(common_name(contents.certificates[index].x509.get()));
  return names;
}

bool names(const std::string& alt_names, const std::vector<std::string>& hosts,
           const std::string& subject = "x") {
  Wanted wanted;
  wanted.extensions = std::vector<Extension>{};
  if (!alt_names.empty()) wanted.extensions->push_back({NID_subject_alt_name, alt_names});
  const Made leaf = make_leaf(subject, nullptr, std::move(wanted));
  return names_any(leaf.x509.get(), hosts);
}

TEST_CASE("a chain is ordered from the leaf up, without strangers and duplicates") {
  const Made root = make_authority("root"), upper = make_authority("upper", &root),
             lower = make_authority("lower", &upper), leaf = make_leaf("leaf", &lower),
             stranger = make_authority("stranger"), sibling = make_leaf("sibling", &lower);
  const Names whole{"leaf", "lower", "upper", "root"};
  CHECK(chain({&leaf, &lower, &upper, &root}) == whole);
  CHECK(chain({&leaf, &root, &stranger, &upper, &root, &sibling, &lower, &lower}) == whole);
  CHECK(chain({&leaf, &upper, &root}) == Names{"leaf"});
  CHECK(chain({&root, &leaf}) == Names{"root"});
}

TEST_CASE("cross-signed certificates stay, in the file's order") {
  const Made old = make_authority("old"), root = make_authority("root");
  Wanted expired;
  expired.key = root.key.get();
  expired.from_s = -20 * day_s;
  expired.to_s = -10 * day_s;
  const Made cross = make_authority("root", &old, std::move(expired));
  const Made lower = make_authority("lower", &root), leaf = make_leaf("leaf", &lower);
  CHECK(chain({&leaf, &lower, &cross}) == Names{"leaf", "lower", "root"});
  CHECK(chain({&leaf, &old, &lower, &cross, &root}) == Names{"leaf", "lower", "root", "root", "old"});
}

TEST_CASE("of authorities with the same name, the one that signed is the issuer") {
  const Made first = make_authority("ca"), second = make_authority("ca"), leaf = make_leaf("leaf", &second);
  const StoreContents contents = contents_of({&leaf, &first, &second});
  const std::vector<std::size_t> pool{0, 1, 2};
  CHECK(chain_of(contents, pool, 0) == std::vector<std::size_t>{0, 2});
}

TEST_CASE("the length of a chain is limited") {
  std::vector<Made> all;
  all.push_back(make_authority("0"));
  for (int i = 1; i < 20; ++i) all.push_back(make_authority(std::to_string(i), &all.back()));
  std::vector<const Made*> pool;
  for (auto it = all.rbegin(); it != all.rend(); ++it) pool.push_back(&*it);
  CHECK(chain(pool).size() == chain_size_max);
}

TEST_CASE("a certificate fits if it names any host, wildcards included") {
  CHECK(names("DNS:a.example", {"b.example", "A.example"}));
  CHECK_FALSE(names("DNS:a.example", {"b.example"}));
  CHECK_FALSE(names("DNS:a.example", {}));
  CHECK(names("DNS:*.example.org", {"a.example.org"}));
  CHECK(names("IP:192.0.2.1", {"192.0.2.1"}));
  CHECK_FALSE(names("DNS:192.0.2.1", {"192.0.2.1"}));
  CHECK(names("", {"cn.example"}, "cn.example"));
}

TEST_CASE("a pattern of broker names fits with any id") {
  const std::vector<std::string> pattern{"b-{{nodeId}}.k.example"};
  CHECK(names("DNS:b-0.k.example", pattern));
  CHECK(names("DNS:x,DNS:B-1234.K.example", pattern));
  CHECK(names("DNS:*.k.example", pattern));
  CHECK(names("", pattern, "b-7.k.example"));
  CHECK_FALSE(names("DNS:b-.k.example,DNS:b-x.k.example,DNS:b-7.other,DNS:k.example,DNS:*.example", pattern));
  CHECK(names("DNS:k.8.example", {"k.{{nodeId}}.example"}));
  CHECK(names("DNS:*.8.example", {"k.{{nodeId}}.example"}));
  CHECK_FALSE(names("DNS:*.x.example", {"k.{{nodeId}}.example"}));
  CHECK(names("DNS:9.k.example", {"{{nodeId}}.k.example"}));
}

TEST_CASE(
    "of certificates of one key, valid comes before named, a leaf before an authority, later before sooner") {
  const Leaf plain{.valid = true, .not_after_s = 10};
  Leaf other = plain;
  CHECK_FALSE(better_leaf(plain, other));
  other.not_after_s = 20;
  CHECK(better_leaf(other, plain));
  other.authority = true;
  CHECK(better_leaf(plain, other));
  other.named = true;
  CHECK(better_leaf(other, plain));
  other.valid = false;
  CHECK(better_leaf(plain, other));
}

}  // namespace
}  // namespace kferry::x509
