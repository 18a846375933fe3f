#include "x509/name_constraints.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace kferry::x509 {
namespace {

using Constraints = std::unique_ptr<NAME_CONSTRAINTS, Free<NAME_CONSTRAINTS_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using Subtrees = STACK_OF(GENERAL_SUBTREE);

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) {
    const auto lower = [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : int{c}; };
    return lower(x) == lower(y);
  });
}

// Calls `look` for each DNS subtree until it returns true.
template <typename Look>
bool any_dns(const Subtrees* trees, Look look) {
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); ++i) {
    const GENERAL_NAME* const base = sk_GENERAL_SUBTREE_value(trees, i)->base;
    if (base->type == GEN_DNS && look(text_of(base->d.dNSName))) return true;
  }
  return false;
}

// The labels after the first.
std::string_view parent(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
}

bool within(std::string_view name, std::string_view tree) {
  if (tree.starts_with('.')) tree.remove_prefix(1);
  if (tree.empty()) return true;
  if (name.size() < tree.size() || !same(name.substr(name.size() - tree.size()), tree)) return false;
  return name.size() == tree.size() || name[name.size() - tree.size() - 1] == '.';
}

bool is_wildcard(std::string_view name) {
  return name.starts_with("*.");
}

// Whether the wildcard matches an excluded host. libcrypto checks hosts below its labels.
bool means_excluded(std::string_view name, const NAME_CONSTRAINTS& constraints) {
  return is_wildcard(name) && any_dns(constraints.excludedSubtrees, [&](std::string_view tree) {
           return tree.find('.') != std::string_view::npos && same(parent(tree), parent(name));
         });
}

// Checks a whole name that libcrypto does not look at.
bool allowed(std::string_view name, const NAME_CONSTRAINTS& constraints) {
  const auto covers = [&](std::string_view tree) { return within(name, tree); };
  const bool limited = any_dns(constraints.permittedSubtrees, [](std::string_view) { return true; });
  return !any_dns(constraints.excludedSubtrees, covers) && !means_excluded(name, constraints) &&
         (!limited || any_dns(constraints.permittedSubtrees, covers));
}

bool well_formed_host(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && name.find("..") == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

bool well_formed_mailbox(std::string_view name) {
  const std::size_t at = name.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  const bool quoted = name.starts_with('"') && name[at - 1] == '"';
  return well_formed_host(name.substr(at + 1)) && (quoted || name.find('@') == at);
}

// Without DNS names in the subjectAltName, X509_check_host uses the common names. libcrypto constrains those that look
// like a host name, which a wildcard does not.
int check_common_names(X509* leaf, const NAME_CONSTRAINTS& constraints) {
  const X509_NAME* const subject = X509_get_subject_name(leaf);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) continue;
    const std::string_view name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
    const bool bad = is_wildcard(name) && !allowed(name, constraints);
    OPENSSL_free(utf8);
    if (bad) return X509_V_ERR_PERMITTED_VIOLATION;
  }
  return X509_V_OK;
}

int check_names(X509* one, bool leaf, const NAME_CONSTRAINTS& constraints) {
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(one, NID_subject_alt_name, nullptr, nullptr)));
  bool has_dns = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      has_dns = true;
      const std::string_view host = text_of(name->d.dNSName);
      if (!well_formed_host(host)) return X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
      if (means_excluded(host, constraints)) return X509_V_ERR_EXCLUDED_VIOLATION;
    } else if (name->type == GEN_EMAIL && !well_formed_mailbox(text_of(name->d.rfc822Name))) {
      return X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    }
  }
  return leaf && !has_dns ? check_common_names(one, constraints) : X509_V_OK;
}

bool self_issued(X509* one) {
  return X509_NAME_cmp(X509_get_subject_name(one), X509_get_issuer_name(one)) == 0;
}

}  // namespace

int check_name_constraints(std::span<X509* const> path, int& depth) {
  for (std::size_t i = 1; i < path.size(); ++i) {
    int critical = -1;
    const Constraints constraints(
        static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(path[i], NID_name_constraints, &critical, nullptr)));
    ERR_clear_error();
    if (constraints == nullptr && critical == -1) continue;
    if (constraints == nullptr || (sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) <= 0 &&
                                   sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) <= 0)) {
      depth = static_cast<int>(i);
      return X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX;
    }
    for (std::size_t below = 0; below < i; ++below) {
      if (below > 0 && self_issued(path[below])) continue;
      const int found = check_names(path[below], below == 0, *constraints);
      ERR_clear_error();
      if (found == X509_V_OK) continue;
      depth = static_cast<int>(below);
      return found;
    }
  }
  return X509_V_OK;
}

}  // namespace kferry::x509
