#include "tls/cipher_names.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace kferry::tls {
namespace {

constexpr std::array ciphers{
    CipherName{"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256", true},
    CipherName{"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384", true},
    CipherName{"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
               "TLS13-CHACHA20-POLY1305-SHA256", true},
    CipherName{"ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
               "ECDHE-ECDSA-AES128-GCM-SHA256", true},
    CipherName{"ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
               "ECDHE-RSA-AES128-GCM-SHA256", true},
    CipherName{"ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
               "ECDHE-ECDSA-AES256-GCM-SHA384", true},
    CipherName{"ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
               "ECDHE-RSA-AES256-GCM-SHA384", true},
    CipherName{"ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
               "ECDHE-ECDSA-CHACHA20-POLY1305", true},
    CipherName{"ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
               "ECDHE-RSA-CHACHA20-POLY1305", true},
    CipherName{"ECDHE-ECDSA-AES128-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
               "ECDHE-ECDSA-AES128-SHA256", false},
    CipherName{"ECDHE-RSA-AES128-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256",
               false},
    CipherName{"ECDHE-ECDSA-AES256-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
               "ECDHE-ECDSA-AES256-SHA384", false},
    CipherName{"ECDHE-RSA-AES256-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384",
               false},
};

constexpr std::array curves{
    CurveName{"X25519", "x25519", "x25519", 29},
    CurveName{"P-256", "prime256v1", "secp256r1", 23},
    CurveName{"P-384", "P-384", "secp384r1", 24},
    CurveName{"P-521", "P-521", "secp521r1", 25},
};

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

std::vector<std::string_view> words_of(std::string_view list) {
  constexpr std::string_view between = ":, \t";
  std::vector<std::string_view> words;
  for (std::size_t at = list.find_first_not_of(between); at != std::string_view::npos;
       at = list.find_first_not_of(between, at)) {
    const std::size_t end = std::min(list.find_first_of(between, at), list.size());
    words.push_back(list.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string unknown(std::string_view what, std::string_view word) {
  std::string text(what);
  text.append(" ").append(word.substr(0, 80)).append(" is not offered here; there are");
  return text;
}

}  // namespace

std::span<const CipherName> cipher_names() {
  return ciphers;
}

std::span<const CurveName> curve_names() {
  return curves;
}

std::expected<std::string, Failure> read_ciphers(std::string_view list) {
  std::string names;
  const auto add = [&](const CipherName& cipher) {
    if (!names.empty()) names += ':';
    names += cipher.wolfssl;
  };
  const auto words = words_of(list);
  for (const std::string_view word : words) {
    const auto* found = std::ranges::find_if(ciphers, [&](const CipherName& cipher) {
      return same(word, cipher.openssl) || same(word, cipher.iana);
    });
    if (found == ciphers.end()) {
      std::string text = unknown("cipher", word);
      for (const CipherName& cipher : ciphers) text.append(" ").append(cipher.openssl);
      return std::unexpected(Failure{"cipher_unknown", std::move(text)});
    }
    add(*found);
  }
  if (words.empty()) {
    for (const CipherName& cipher : ciphers) {
      if (cipher.by_default) add(cipher);
    }
  }
  return names;
}

std::expected<std::vector<int>, Failure> read_curves(std::string_view list) {
  std::vector<int> groups;
  for (const std::string_view word : words_of(list)) {
    const auto* found = std::ranges::find_if(curves, [&](const CurveName& curve) {
      return same(word, curve.openssl) || same(word, curve.other) || same(word, curve.iana);
    });
    if (found == curves.end()) {
      std::string text = unknown("curve", word);
      for (const CurveName& curve : curves) text.append(" ").append(curve.openssl);
      return std::unexpected(Failure{"curve_unknown", std::move(text)});
    }
    if (std::ranges::find(groups, found->group) == groups.end()) groups.push_back(found->group);
  }
  if (groups.empty()) {
    for (const CurveName& curve : curves) groups.push_back(curve.group);
  }
  return groups;
}

std::string_view openssl_cipher_name(std::string_view wolfssl) {
  const auto* found = std::ranges::find_if(ciphers, [&](const CipherName& cipher) {
    return same(wolfssl, cipher.wolfssl) || same(wolfssl, cipher.iana);
  });
  return found == ciphers.end() ? wolfssl : found->openssl;
}

}  // namespace kferry::tls
