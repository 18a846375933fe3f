#include "x509/own_chain.h"

#include <algorithm>
#include <tuple>

#include "base/lower_case.h"
#include "x509/host.h"
#include "x509/trust.h"

namespace kferry::x509 {
namespace {

constexpr std::string_view node_id_mark = "{{nodeId}}";

// The names that X509_check_host() compares, in lower case.
std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const auto add = [&](const ASN1_STRING* string) {
    names.push_back(lower_case(std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                                                static_cast<std::size_t>(ASN1_STRING_length(string)))));
  };
  auto* const all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all, i);
    if (name->type == GEN_DNS) add(name->d.dNSName);
  }
  GENERAL_NAMES_free(all);
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  ERR_clear_error();
  return names;
}

// The digits of `name` between the two; empty if it does not have that form.
std::string_view digits_between(std::string_view name, std::string_view before, std::string_view after) {
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
    return {};
  const std::string_view middle = name.substr(before.size(), name.size() - before.size() - after.size());
  return std::ranges::all_of(middle, [](char c) { return c >= '0' && c <= '9'; }) ? middle
                                                                                  : std::string_view{};
}

// Asks X509_check_host() about the ids that the certificate's names suggest.
bool names_pattern(X509* certificate, std::string_view pattern, std::size_t mark) {
  const std::string before = lower_case(pattern.substr(0, mark));
  const std::string after = lower_case(pattern.substr(mark + node_id_mark.size()));
  const auto named = [&](std::string_view id) {
    return names(certificate, Host(std::string(before).append(id).append(after)));
  };
  if (named("0")) return true;
  for (const std::string& name : names_of(certificate)) {
    std::string_view id = digits_between(name, before, after);
    // In "*.7.example" the id is in a label that the wildcard does not cover.
    if (const std::size_t dot = before.find('.');
        id.empty() && name.starts_with("*.") && dot != std::string::npos)
      id = digits_between(std::string_view(name).substr(1), std::string_view(before).substr(dot), after);
    if (!id.empty() && named(id)) return true;
  }
  return false;
}

// The issuers of `issued` in the pool, by names and key identifiers, and by the signature if it can be checked.
std::vector<std::size_t> issuers_of(const StoreContents& contents, std::span<const std::size_t> pool,
                                    std::size_t issued) {
  X509* const x509 = contents.certificates[issued].x509.get();
  if (X509_self_signed(x509, 0) == 1) return {};
  std::vector<std::size_t> found;
  for (const std::size_t candidate : pool) {
    X509* const issuer = contents.certificates[candidate].x509.get();
    if (candidate == issued || X509_check_issued(issuer, x509) != X509_V_OK) continue;
    EVP_PKEY* const key = X509_get0_pubkey(issuer);
    constexpr int wrong = 0;  // as opposed to an unknown algorithm
    if (key == nullptr || X509_verify(x509, key) != wrong) found.push_back(candidate);
  }
  ERR_clear_error();
  return found;
}

}  // namespace

std::string subject_of(X509* certificate) {
  std::string subject = name_text(X509_get_subject_name(certificate));
  return subject.empty() ? "(no subject)" : subject;
}

Bytes der_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return {};
  const auto bytes = std::as_bytes(std::span(der, static_cast<std::size_t>(size)));
  Bytes result(bytes.begin(), bytes.end());
  OPENSSL_free(der);
  return result;
}

bool names_any(X509* certificate, std::span<const std::string> hosts) {
  return std::ranges::any_of(hosts, [&](const std::string& host) {
    const std::size_t mark = host.find(node_id_mark);
    return mark == std::string::npos ? names(certificate, Host(host))
                                     : names_pattern(certificate, host, mark);
  });
}

Leaf judge_leaf(const StoreContents& contents, std::size_t index, std::span<const std::string> hosts,
                std::int64_t now_s) {
  X509* const x509 = contents.certificates[index].x509.get();
  Leaf leaf;
  leaf.index = index;
  leaf.named = names_any(x509, hosts);
  leaf.authority = X509_check_ca(x509) == 1;
  leaf.not_before_s = time_of(X509_get0_notBefore(x509));
  leaf.not_after_s = time_of(X509_get0_notAfter(x509));
  leaf.valid = leaf.not_before_s <= now_s && now_s <= leaf.not_after_s;
  ERR_clear_error();
  return leaf;
}

bool better_leaf(const Leaf& a, const Leaf& b) {
  return std::tuple(a.valid, a.named, !a.authority, a.not_after_s) >
         std::tuple(b.valid, b.named, !b.authority, b.not_after_s);
}

std::vector<std::size_t> chain_of(const StoreContents& contents, std::span<const std::size_t> pool,
                                  std::size_t leaf) {
  const auto x509 = [&](std::size_t index) { return contents.certificates[index].x509.get(); };
  std::vector<std::size_t> chain{leaf};
  for (std::size_t i = 0; i < chain.size() && chain.size() < chain_size_max; ++i) {
    for (const std::size_t issuer : issuers_of(contents, pool, chain[i])) {
      const bool there = std::ranges::any_of(
          chain, [&](std::size_t other) { return X509_cmp(x509(other), x509(issuer)) == 0; });
      if (!there && chain.size() < chain_size_max) chain.push_back(issuer);
    }
  }
  return chain;
}

}  // namespace kferry::x509
