#include "cli/certificates.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/counted.h"
#include "base/printable.h"
#include "cli/table.h"
#include "x509/certificate.h"

namespace kferry::cli {
namespace {

constexpr std::int64_t day_s = 24 * 60 * 60;
constexpr std::int64_t soon_s = 30 * day_s;

std::string address_text(std::span<const std::byte> bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (bytes.size() != 4 && bytes.size() != 16) return "?";
  inet_ntop(family, bytes.data(), text.data(), text.size());
  return text.data();
}

// What follows the expiry date of a certificate with so much time left.
std::string left_text(std::int64_t left_s) {
  if (left_s < 0) return {};
  return left_s < day_s ? ", in less than a day" : ", in " + counted(left_s / day_s, "day");
}

// Why other TLS libraries refuse a certificate that kferry itself can serve, and what to do; empty: they accept it.
// OpenSSL 3.0's SSL_CTX_set_security_level(3), the JDK's java.security and Go's crypto/x509 give the rules.
std::vector<std::pair<std::string, std::string>> weaknesses(const x509::Certificate& certificate) {
  std::vector<std::pair<std::string, std::string>> found;
  if (certificate.key_type.starts_with("RSA") && certificate.key_bits > 0 && certificate.key_bits < 2048) {
    found.emplace_back(
        "has an RSA key of " + counted(certificate.key_bits, "bit") +
            (certificate.key_bits < 1024
                 ? ", which OpenSSL 3, Java and Go refuse"
                 : ", which OpenSSL 3 refuses at security level 2, the default of Debian and Ubuntu"),
        "reissue it with an RSA key of 2048 bits or more, or with EC P-256");
  }
  // A self-signed certificate is trusted by its bytes: its signature is not verified.
  const bool self_signed = certificate.issuer == certificate.names.subject;
  if (!self_signed && (certificate.signature_hash == "SHA1" || certificate.signature_hash == "MD5")) {
    found.emplace_back("is signed with " + certificate.signature_hash +
                           ", which OpenSSL 3 and Go refuse, and Java below public authorities",
                       "have its authority sign it again with SHA-256");
  }
  return found;
}

std::string names_text(const x509::CertificateNames& names) {
  std::string out;
  const auto add = [&](const std::string& name) { out.append(out.empty() ? "" : ", ").append(name); };
  for (const std::string& name : names.dns_names) add(name);
  for (const Bytes& address : names.addresses) add(address_text(address));
  if (names.dns_names.empty() && !names.common_name.empty()) add(names.common_name + " (common name)");
  return out.empty() ? "(none)" : out;
}

// The keys of those stores that hold several.
std::string choices_text(std::span<const certificates::OwnCertificate> certificates) {
  Rows rows{{"OF", "ALIAS", "SUBJECT", "", "FILE"}};
  for (const certificates::OwnCertificate& own : certificates) {
    for (const x509::StoredKey& key : own.choices) {
      rows.push_back({own.owner, without_controls(key.alias),
                      key.subject.empty() ? "(not known)" : without_controls(key.subject),
                      key.chosen ? "in use" : "", without_controls(own.file)});
    }
  }
  return rows.size() == 1 ? std::string() : "\nKeys in stores that hold several\n" + table(rows);
}

}  // namespace

std::string certificates_text(std::span<const certificates::OwnCertificate> certificates) {
  Rows rows{{"OF", "SUBJECT", "NAMES", "VALID UNTIL", "FILE"}};
  for (const certificates::OwnCertificate& own : certificates) {
    rows.push_back({own.owner, without_controls(own.certificate.names.subject),
                    without_controls(names_text(own.certificate.names)),
                    x509::date_text(own.certificate.not_after_s), without_controls(own.file)});
  }
  return "Certificates\n" + table(rows) + choices_text(certificates);
}

std::vector<config::Problem> certificate_warnings(const config::Config& config,
                                                  std::span<const certificates::OwnCertificate> certificates,
                                                  std::int64_t now_s) {
  std::vector<config::Problem> warnings;
  for (const certificates::OwnCertificate& own : certificates) {
    const std::string subject = own.file + ": the certificate of " + own.certificate.names.subject;
    if (const std::int64_t left_s = own.certificate.not_after_s - now_s; left_s < soon_s) {
      warnings.push_back({own.where,
                          subject + (left_s < 0 ? " expired at " : " expires at ") +
                              x509::date_text(own.certificate.not_after_s) + left_text(left_s),
                          "renew it: the file is read again by itself", true});
    }
    for (auto& [what, remedy] : weaknesses(own.certificate)) {
      std::string text = subject;
      text.append(" ").append(what);
      warnings.push_back({own.where, std::move(text), std::move(remedy), true});
    }
    if (!own.listener) continue;
    const auto cluster = std::ranges::find(config.clusters, own.cluster, &config::Cluster::name);
    const config::Listener& listener =
        *std::ranges::find(cluster->listeners, *own.listener, &config::Listener::name);
    std::vector<std::string> hosts{listener.advertised_host};
    if (listener.sni) hosts.push_back(listener.sni->host_of(NodeId{0}));
    for (const std::string& host : hosts) {
      if (x509::names_host(own.certificate, host)) continue;
      std::string what = subject;
      what.append(" does not name ")
          .append(host)
          .append(", which ")
          .append(own.owner)
          .append(" tells clients");
      warnings.push_back({own.where, std::move(what),
                          "clients that verify host names will refuse it: issue it with that subjectAltName",
                          true});
    }
  }
  return warnings;
}

}  // namespace kferry::cli
