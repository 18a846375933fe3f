// Finds the certificate for a key, chooses among several keys, and puts the chain in order. Only for this folder. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "x509/store_contents.h"

namespace kferry::x509 {

// RFC 2253, or "(no subject)".
std::string subject_of(X509* certificate);
Bytes der_of(X509* certificate);

// Whether the certificate names one of the hosts. `{{nodeId}}` in a host means the id of any broker.
bool names_any(X509* certificate, std::span<const std::string> hosts);

// A certificate that matches a key.
struct Leaf {
  std::size_t index = 0;  // in StoreContents::certificates
  bool named = false;     // names one of the hosts
  bool valid = false;     // at the time in question
  bool authority = false;
  std::int64_t not_before_s = 0;  // Unix time
  std::int64_t not_after_s = 0;
};
Leaf judge_leaf(const StoreContents& contents, std::size_t index, std::span<const std::string> hosts,
                std::int64_t now_s);
// Whether to prefer `a` among two certificates of one key.
bool better_leaf(const Leaf& a, const Leaf& b);

// The indices in `pool` of the leaf, its issuers, their issuers and so on. Several issuers of one certificate come in
// the order of the pool. At most chain_size_max; each certificate once.
std::vector<std::size_t> chain_of(const StoreContents& contents, std::span<const std::size_t> pool,
                                  std::size_t leaf);

}  // namespace kferry::x509
