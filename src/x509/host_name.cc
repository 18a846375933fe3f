#include "x509/host_name.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace kferry::x509 {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view without_final_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

bool matches_name(std::string_view pattern, std::string_view host) {
  pattern = without_final_dot(pattern);
  if (pattern.empty() || host.empty()) return false;
  // A zero octet inside a certificate's name once hid a foreign one.
  if (pattern.find('\0') != std::string_view::npos) return false;
  if (!pattern.starts_with("*.")) return pattern.find('*') == std::string_view::npos && same(pattern, host);
  const std::string_view parent = pattern.substr(1);
  if (parent.find('*') != std::string_view::npos) return false;
  if (parent.find('.', 1) == std::string_view::npos) return false;  // "*.com"
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && same(parent, host.substr(dot));
}

// The address's octets, or none where `host` is a name.
Octets address_of(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string text(host.substr(0, host.find('%')));
  std::array<std::byte, 16> octets{};
  if (inet_pton(AF_INET, text.c_str(), octets.data()) == 1) return Octets(octets.begin(), octets.begin() + 4);
  if (inet_pton(AF_INET6, text.c_str(), octets.data()) == 1) return Octets(octets.begin(), octets.end());
  return {};
}

}  // namespace

bool names_host(const CertificateNames& names, std::string_view host) {
  const Octets address = address_of(host);
  if (!address.empty()) {
    return std::ranges::any_of(names.addresses, [&](const Octets& one) { return one == address; });
  }
  host = without_final_dot(host);
  if (names.dns_names.empty()) return matches_name(names.common_name, host);
  return std::ranges::any_of(names.dns_names,
                             [&](const std::string& one) { return matches_name(one, host); });
}

bool matches_glob(std::string_view glob, std::string_view text) {
  // At a mismatch the last star takes one character more: linear but for patterns of many stars.
  std::size_t g = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace kferry::x509
