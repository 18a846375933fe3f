#include "x509/host.h"

#include <arpa/inet.h>

#include <array>

namespace kferry::x509 {

const unsigned host_flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

Host::Host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  text = host.substr(0, host.find('%'));
  std::array<unsigned char, 16> address{};
  is_address = inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
               inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
  if (is_address) return;
  text = host;
  if (text.ends_with('.')) text.pop_back();
  // To libcrypto a leading dot means any name below.
  if (text.starts_with('.')) text.clear();
}

bool names(X509* certificate, const Host& host) {
  if (host.text.empty()) return false;
  const int found =
      host.is_address ? X509_check_ip_asc(certificate, host.text.c_str(), 0)
                      : X509_check_host(certificate, host.text.data(), host.text.size(), host_flags, nullptr);
  ERR_clear_error();
  return found == 1;
}

}  // namespace kferry::x509
