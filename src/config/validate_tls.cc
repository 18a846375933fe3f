#include "config/validate_tls.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/section_reader.h"
#include "config/security_protocol.h"
#include "config/text.h"

namespace kferry::config {
namespace {

bool is_variable(const Setting& setting) {
  return setting.where.starts_with("GATEWAY_") || setting.where.starts_with("KAFKA_");
}

// Templates and one-line files write PEM's line ends as \n.
std::string pem_text(std::string_view text) {
  std::string out;
  const bool one_line = text.find('\n') == std::string_view::npos;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (one_line && text.substr(at).starts_with("\\n")) {
      out += '\n';
      ++at;
    } else {
      out += text[at];
    }
  }
  return out;
}

class Reading : public SectionReader {
 public:
  using SectionReader::SectionReader;

  std::optional<Password> password(const Setting* setting) {
    return setting == nullptr ? std::nullopt : std::optional(Password{setting->text, setting->file});
  }

  Store file(const Setting& location, const Setting* secret, std::string password_name) {
    return {location.where, std::string(trim(location.text)), {}, password(secret), std::move(password_name)};
  }
  Store pem(const Setting& setting) {
    if (!setting.file.empty()) return {setting.where, setting.file, {}, std::nullopt, {}};
    return {setting.where, {}, pem_text(setting.text), std::nullopt, {}};
  }

  void versions(const Setting& setting, TlsOffer& offer) {
    bool old_one = false;
    bool new_one = false;
    for (const std::string& item : setting.items) {
      for (const std::string& part : split(item, ',')) {
        const std::string name = lower(part);
        if (name == "tlsv1.2") {
          old_one = true;
        } else if (name == "tlsv1.3") {
          new_one = true;
        } else if (!name.empty()) {
          const bool known = name == "tlsv1" || name == "tlsv1.1" || name.starts_with("sslv");
          report_.error(setting.where,
                        quoted(part) + (known ? " is older than TLS 1.2, which kferry does not speak"
                                              : " is not a version of TLS"),
                        "use TLSv1.2, TLSv1.3 or both");
          return;
        }
      }
    }
    if (!old_one && !new_one) {
      report_.error(setting.where, "no version of TLS is listed", "use TLSv1.2, TLSv1.3 or both");
      return;
    }
    offer.lowest = old_one ? TlsVersion::tls_1_2 : TlsVersion::tls_1_3;
    offer.highest = new_one ? TlsVersion::tls_1_3 : TlsVersion::tls_1_2;
  }

  void offered(const Setting* enabled, const Setting* ciphers, const Setting* curves, TlsOffer& offer) {
    if (enabled != nullptr) versions(*enabled, offer);
    if (ciphers != nullptr) offer.ciphers = {ciphers->text, ciphers->where};
    if (curves != nullptr) offer.curves = {curves->text, curves->where};
  }
};

class ListenerReading : public Reading {
 public:
  ListenerReading(const DraftListener& draft, const DraftCluster& cluster, const Section* shared,
                  Report& report)
      : Reading(report), draft_(draft), cluster_(cluster), shared_(shared) {}

  std::optional<ListenerTls> run(SecurityProtocol protocol) {
    const Setting* mode = find(draft_.settings, "ssl_client_auth");
    ListenerTls tls;
    tls.client_auth = client_auth(mode);
    if (!uses_tls(protocol)) {
      unused(mode, tls.client_auth);
      return std::nullopt;
    }
    const std::size_t before = report_.problems.size();
    identity(tls.identity);
    offered(setting("enabled_protocols", "enabled_protocols"), setting("cipher_suites", "cipher_suites"),
            setting("curves", "curves"), tls.offer);
    client_certificates(tls);
    if (before != report_.problems.size()) return std::nullopt;
    return tls;
  }

 private:
  std::string title() const { return "listener " + draft_.name + " of cluster " + cluster_.name; }
  const Setting* own(const std::string& key) const { return find(draft_.settings, "tls." + key); }
  const Setting* shared(std::string_view key) const {
    return shared_ == nullptr ? nullptr : find(*shared_, key);
  }
  const Setting* setting(const std::string& own_key, std::string_view shared_key) const {
    const Setting* found = own(own_key);
    return found != nullptr ? found : shared(shared_key);
  }
  std::string own_name(const std::string& key) const {
    return key + " in [cluster." + cluster_.name + ".listener." + draft_.name + ".tls]";
  }
  // How an operator of this listener would write what is missing.
  bool by_variables() const { return draft_.from_variables; }

  ClientAuth client_auth(const Setting* mode) {
    const std::vector<std::string> modes{"none", "optional", "require"};
    std::string value = mode == nullptr ? std::string() : choice(draft_.settings, "ssl_client_auth", modes);
    if (mode == nullptr && shared_ != nullptr) value = choice(*shared_, "client_auth", modes);
    return value == "require"    ? ClientAuth::require
           : value == "optional" ? ClientAuth::optional
                                 : ClientAuth::none;
  }

  // A rule that would silently not hold is an error; a file that is not read only a warning.
  void unused(const Setting* mode, ClientAuth client_auth) {
    if (mode != nullptr && client_auth != ClientAuth::none) {
      report_.error(mode->where, title() + " asks for client certificates, but has no TLS",
                    "set its security protocol to SSL or SASL_SSL, or SSL_CLIENT_AUTH to NONE");
    }
    if (const Setting* alias = find(draft_.settings, "ssl_key_alias")) {
      report_.warn(alias->where, title() + " has a key alias, but no TLS: ignored",
                   "set its security protocol to SSL or SASL_SSL, or remove the alias");
    }
    for (const auto& [key, value] : draft_.settings) {
      if (!key.starts_with("tls.")) continue;
      report_.warn(value.where, title() + " has a tls table, but no TLS: ignored",
                   "set its security_protocol to SSL or SASL_SSL, or remove the table");
      break;
    }
  }

  // The alias is of the store that it is given beside, or of the listener.
  void key_alias(const Setting* beside, Identity& identity) {
    const Setting* alias = own("key_alias");
    if (alias == nullptr) alias = find(draft_.settings, "ssl_key_alias");
    if (alias == nullptr) alias = beside;
    if (alias != nullptr) {
      identity.key_alias = trim(alias->text);
      identity.key_alias_name = alias->where;
    } else {
      identity.key_alias_name = by_variables() ? "GATEWAY_LISTENER_" + upper(draft_.name) + "_SSL_KEY_ALIAS"
                                               : own_name("key_alias");
    }
  }

  void identity(Identity& identity) {
    if (const Setting* certificate = own("certificate")) {
      identity.certificates = file(*certificate, own("password"), own_name("password"));
      if (const Setting* key = own("key")) identity.key = file(*key, nullptr, {});
      identity.key_password = password(own("key_password"));
      identity.key_password_name = own_name("key_password");
      key_alias(nullptr, identity);
      return;
    }
    if (const Setting* key = own("key")) {
      report_.error(key->where, title() + " has a key, but no certificate", "add certificate beside it");
      return;
    }
    if (const Setting* path = shared("key_store_path")) {
      identity.certificates = file(*path, shared("key_store_password"), "GATEWAY_SSL_KEY_STORE_PASSWORD");
      identity.key_password = password(shared("key_password"));
      identity.key_password_name = "GATEWAY_SSL_KEY_PASSWORD";
      key_alias(shared("key_alias"), identity);
      return;
    }
    if (draft_.settings.contains("tls.certificate")) return;  // its fault has been told
    if (by_variables()) {
      report_.error("GATEWAY_SSL_KEY_STORE_PATH",
                    "GATEWAY_SSL_KEY_STORE_PATH is missing: " + title() + " has no certificate",
                    "set it to a PEM, PKCS12 or JKS file with the certificate and its key, and "
                    "GATEWAY_SSL_KEY_STORE_PASSWORD if the file has a password");
    } else {
      report_.error(draft_.where, title() + " has no tls.certificate",
                    "add tls = { certificate = \"/path/tls.crt\", key = \"/path/tls.key\" }");
    }
  }

  void client_certificates(ListenerTls& tls) {
    const Setting* authorities = own("client_cas");
    if (authorities != nullptr) {
      tls.client_authorities =
          file(*authorities, own("client_cas_password"), own_name("client_cas_password"));
    } else if ((authorities = shared("trust_store_path")) != nullptr) {
      tls.client_authorities =
          file(*authorities, shared("trust_store_password"), "GATEWAY_SSL_TRUST_STORE_PASSWORD");
    }
    const Setting* revocations = setting("crl", "crl_path");
    if (revocations != nullptr) tls.revocations = file(*revocations, nullptr, {});
    const Setting* subjects = setting("required_subjects", "required_subjects");
    if (subjects != nullptr) required_subjects(*subjects, tls);

    if (tls.client_auth != ClientAuth::none) {
      if (tls.client_authorities || draft_.settings.contains("tls.client_cas")) return;
      const std::string name = by_variables() ? "GATEWAY_SSL_TRUST_STORE_PATH" : own_name("client_cas");
      report_.error(by_variables() ? name : draft_.where,
                    name + " is missing: " + title() + " asks for client certificates",
                    "name the file of the authorities that sign them");
      return;
    }
    if (subjects != nullptr) {
      report_.error(subjects->where,
                    "subjects are required of client certificates, but " + title() + " asks for none",
                    "set SSL_CLIENT_AUTH to REQUIRE, or remove the rule");
    }
    // What is meant for every listener may be in use by another.
    if (const Setting* mine = own("crl") != nullptr ? own("crl") : own("client_cas")) {
      report_.warn(mine->where, title() + " asks for no client certificates: ignored",
                   "set ssl_client_auth to REQUIRE or OPTIONAL, or remove it");
    }
  }

  void required_subjects(const Setting& setting, ListenerTls& tls) {
    for (const std::string& item : setting.items) {
      for (std::string& glob : split(item, ';')) {
        if (glob.empty()) continue;
        if (glob.find('=') == std::string::npos && glob.find('*') == std::string::npos) {
          report_.error(
              setting.where, quoted(glob) + " is not a subject",
              "write it as certificates have it, such as CN=app-*,OU=Apps,O=Example; separate several "
              "by ';'");
        }
        tls.required_subjects.push_back(std::move(glob));
      }
    }
    if (tls.required_subjects.empty()) {
      report_.error(setting.where, "no subject is listed", "write one, such as CN=app-*,O=Example");
    }
  }

  const DraftListener& draft_;
  const DraftCluster& cluster_;
  const Section* shared_;
};

class UpstreamReading : public Reading {
 public:
  UpstreamReading(const DraftCluster& cluster, Report& report)
      : Reading(report), cluster_(cluster), section_(cluster.upstream) {}

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
  // As the setting beside it is written.
  std::string name(const Setting& beside, const std::string& key) const {
    return is_variable(beside) ? "KAFKA_" + upper(key) : key + " in [cluster." + cluster_.name + ".upstream]";
  }

  bool host_name_verified(bool tls) {
    const Setting* algorithm = find(section_, "ssl_endpoint_identification_algorithm");
    if (algorithm == nullptr) return true;
    const std::string value = lower(trim(algorithm->text));
    if (value == "https") return true;
    if (!value.empty()) {
      report_.error(algorithm->where,
                    quoted(algorithm->text) + " is not an endpoint identification algorithm",
                    "use https, or leave it empty to verify no host name");
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
      const std::string value = lower(trim(protocol->text));
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

std::optional<ListenerTls> read_listener_tls(const DraftListener& draft, const DraftCluster& cluster,
                                             const Section* shared, SecurityProtocol protocol,
                                             Report& report) {
  return ListenerReading(draft, cluster, shared, report).run(protocol);
}

std::optional<UpstreamTls> read_upstream_tls(const DraftCluster& cluster, SecurityProtocol protocol,
                                             Report& report) {
  return UpstreamReading(cluster, report).run(protocol);
}

}  // namespace kferry::config
