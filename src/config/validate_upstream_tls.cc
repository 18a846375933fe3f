// The TLS of an upstream; the other half of config/validate_tls.h.
#include <string>
#include <utility>
#include <vector>

#include "base/lower_case.h"
#include "config/security_protocol.h"
#include "config/text.h"
#include "config/tls_reader.h"
#include "config/validate_tls.h"

namespace kferry::config {
namespace {

bool is_variable(const Setting& setting) {
  return setting.where.starts_with("GATEWAY_") || setting.where.starts_with("KAFKA_");
}

class UpstreamTlsReader : private TlsReader {
 public:
  UpstreamTlsReader(const DraftCluster& cluster, Report& report)
      : TlsReader(report), cluster_(cluster), section_(cluster.upstream) {}

  std::optional<UpstreamTls> run(SecurityProtocol protocol) {
    UpstreamTls tls;
    tls.verify_host_name = host_name_verified(uses_tls(protocol));
    if (!uses_tls(protocol)) {
      warn_of_unused();
      return std::nullopt;
    }
    const std::size_t before = report_.problems.size();
    authorities(tls);
    identity(tls);
    if (const Setting* crl = find(section_, "ssl_crl_location")) tls.revocations = file(*crl, nullptr, {});
    offer(tls.offer);
    if (before != report_.problems.size()) return std::nullopt;
    return tls;
  }

 private:
  // The name of `key` in the form in which `beside` is written: a variable or a key of the file.
  std::string name(const Setting& beside, const std::string& key) const {
    return is_variable(beside) ? "KAFKA_" + upper(key) : key + " in [cluster." + cluster_.name + ".upstream]";
  }

  bool host_name_verified(bool tls) {
    const Setting* algorithm = find(section_, "ssl_endpoint_identification_algorithm");
    if (algorithm == nullptr) return true;
    const std::string value = lower_case(trim(algorithm->text));
    if (value == "https") return true;
    if (!value.empty()) {
      report_.error(algorithm->where,
                    quoted(algorithm->text) + " is not an endpoint identification algorithm",
                    "use https, or leave it empty to switch host name verification off");
    } else if (tls) {
      report_.warn(algorithm->where, "host name verification of the brokers is switched off",
                   "set it to https, so that no other host can pose as a broker");
    }
    return !value.empty();
  }

  void warn_of_unused() {
    std::vector<std::string> names;
    const Setting* first = nullptr;
    for (const auto& [key, value] : section_) {
      if (!key.starts_with("ssl_") || (value.text.empty() && !value.faulty)) continue;
      if (first == nullptr) first = &value;
      names.push_back(name(value, key));
    }
    if (first == nullptr) return;
    report_.warn(first->where,
                 "the upstream of cluster " + cluster_.name + " has no TLS: " + join(names, ", ") +
                     (names.size() == 1 ? " is ignored" : " are ignored"),
                 "set its security protocol to SSL or SASL_SSL, or remove them");
  }

  void authorities(UpstreamTls& tls) {
    const Setting* location = find(section_, "ssl_truststore_location");
    const Setting* inline_text = find(section_, "ssl_truststore_certificates");
    if (location != nullptr && inline_text != nullptr) {
      report_.error(inline_text->where, "the authorities are given twice, here and at " + location->where,
                    "keep one of the two");
      return;
    }
    if (location != nullptr) {
      tls.authorities = file(*location, find(section_, "ssl_truststore_password"),
                             name(*location, "ssl_truststore_password"));
    } else if (inline_text != nullptr) {
      tls.authorities = pem(*inline_text);
    }
  }

  void identity(UpstreamTls& tls) {
    const Setting* location = find(section_, "ssl_keystore_location");
    const Setting* key = find(section_, "ssl_keystore_key");
    const Setting* chain = find(section_, "ssl_keystore_certificate_chain");
    const Setting* inline_text = key != nullptr ? key : chain;
    if (location != nullptr && inline_text != nullptr) {
      report_.error(inline_text->where,
                    "the client certificate is given twice, here and at " + location->where,
                    "keep one of the two");
      return;
    }
    const Setting* place = location != nullptr ? location : inline_text;
    if (place == nullptr) return;
    Identity identity;
    if (location != nullptr) {
      identity.certificates =
          file(*location, find(section_, "ssl_keystore_password"), name(*location, "ssl_keystore_password"));
    } else if (key == nullptr || chain == nullptr) {
      const std::string missing =
          name(*place, key == nullptr ? "ssl_keystore_key" : "ssl_keystore_certificate_chain");
      if (section_.contains(key == nullptr ? "ssl_keystore_key" : "ssl_keystore_certificate_chain")) return;
      report_.error(place->where, missing + " is missing",
                    "a certificate needs its key, and a key its certificate");
      return;
    } else {
      identity.certificates = pem(*chain);
      identity.key = pem(*key);
    }
    identity.key_password = password(find(section_, "ssl_key_password"));
    identity.key_password_name = name(*place, "ssl_key_password");
    identity.key_alias_name = name(*place, "ssl_key_alias");
    if (const Setting* alias = find(section_, "ssl_key_alias")) identity.key_alias = trim(alias->text);
    tls.identity = std::move(identity);
  }

  void offer(TlsOffer& offer) {
    const Setting* enabled = find(section_, "ssl_enabled_protocols");
    if (const Setting* protocol = find(section_, "ssl_protocol")) {
      const std::string value = lower_case(trim(protocol->text));
      // Java's SSLContext of that name: "TLS" and "TLSv1.3" offer both, "TLSv1.2" no later one.
      if (value == "tlsv1.2") {
        if (enabled == nullptr) offer.highest = TlsVersion::tls_1_2;
      } else if (value != "tls" && value != "tlsv1.3") {
        report_.error(protocol->where, quoted(protocol->text) + " is not a version of TLS that kferry speaks",
                      "use TLSv1.3 or TLSv1.2");
      }
    }
    offered(enabled, find(section_, "ssl_cipher_suites"), find(section_, "ssl_curves"), offer);
  }

  const DraftCluster& cluster_;
  const Section& section_;
};

}  // namespace

std::optional<UpstreamTls> read_upstream_tls(const DraftCluster& cluster, SecurityProtocol protocol,
                                             Report& report) {
  return UpstreamTlsReader(cluster, report).run(protocol);
}

}  // namespace kferry::config
