// The TLS of a listener: its own `tls` table before GATEWAY_SSL_…. One half of config/validate_tls.h.
#include <string>
#include <utility>

#include "config/security_protocol.h"
#include "config/text.h"
#include "config/tls_reader.h"
#include "config/validate_tls.h"

namespace kferry::config {
namespace {

class ListenerTlsReader : private TlsReader {
 public:
  ListenerTlsReader(const DraftListener& draft, const DraftCluster& cluster, const Section* shared,
                    Report& report)
      : TlsReader(report), draft_(draft), cluster_(cluster), shared_(shared) {}

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
    offered(own_or_shared("enabled_protocols"), own_or_shared("cipher_suites"), own_or_shared("curves"),
            tls.offer);
    client_certificates(tls);
    if (before != report_.problems.size()) return std::nullopt;
    return tls;
  }

 private:
  std::string title() const { return "listener " + draft_.name + " of cluster " + cluster_.name; }
  const Setting* own(std::string_view key) const { return find(draft_.tls, key); }
  const Setting* shared(std::string_view key) const {
    return shared_ == nullptr ? nullptr : find(*shared_, key);
  }
  const Setting* own_or_shared(std::string_view key) const {
    const Setting* found = own(key);
    return found != nullptr ? found : shared(key);
  }
  std::string own_name(const std::string& key) const {
    return key + " in [cluster." + cluster_.name + ".listener." + draft_.name + ".tls]";
  }
  static std::string shared_name(std::string_view key) {
    return variable_of(*find_key(Table::listener_tls, key));
  }
  // Whether the operator of this listener would write what is missing as a variable.
  bool by_variables() const { return draft_.from_variables; }

  ClientAuth client_auth(const Setting* mode) {
    std::optional<std::size_t> word;
    if (mode != nullptr) {
      word = choice(Table::listener, draft_.settings, "ssl_client_auth");
    } else if (shared_ != nullptr) {
      word = choice(Table::listener_tls, *shared_, "client_auth");
    }
    return word ? static_cast<ClientAuth>(*word) : ClientAuth::none;
  }

  // A rule that would not be enforced is an error; a file that would not be read is only a warning.
  void unused(const Setting* mode, ClientAuth client_auth) {
    if (mode != nullptr && client_auth != ClientAuth::none) {
      report_.error(mode->where, title() + " asks for client certificates, but has no TLS",
                    "set its security protocol to SSL or SASL_SSL, or SSL_CLIENT_AUTH to NONE");
    }
    if (const Setting* alias = find(draft_.settings, "ssl_key_alias")) {
      report_.warn(alias->where, title() + " has a key alias, but no TLS: ignored",
                   "set its security protocol to SSL or SASL_SSL, or remove the alias");
    }
    if (!draft_.tls.empty()) {
      report_.warn(draft_.tls.begin()->second.where, title() + " has a tls table, but no TLS: ignored",
                   "set its security_protocol to SSL or SASL_SSL, or remove the table");
    }
  }

  // An alias belongs to the listener or to the store that it is given with. `beside`: the shared store's
  // alias.
  void key_alias(const Setting* beside, Identity& identity) {
    const Setting* alias = own("key_alias");
    if (alias == nullptr) alias = find(draft_.settings, "ssl_key_alias");
    if (alias == nullptr) alias = beside;
    if (alias != nullptr) {
      identity.key_alias = trim(alias->text);
      identity.key_alias_name = alias->where;
    } else {
      identity.key_alias_name = by_variables()
                                    ? std::string(listener_prefix) + upper(draft_.name) + "_SSL_KEY_ALIAS"
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
    if (const Setting* path = shared("certificate")) {
      identity.certificates = file(*path, shared("password"), shared_name("password"));
      identity.key_password = password(shared("key_password"));
      identity.key_password_name = shared_name("key_password");
      key_alias(shared("key_alias"), identity);
      return;
    }
    if (draft_.tls.contains("certificate")) return;  // its fault has been reported
    if (by_variables()) {
      const std::string name = shared_name("certificate");
      report_.error(name, name + " is missing: " + title() + " has no certificate",
                    "set it to a PEM, PKCS12 or JKS file with the certificate and its key, and " +
                        shared_name("password") + " if the file has a password");
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
    } else if ((authorities = shared("client_cas")) != nullptr) {
      tls.client_authorities =
          file(*authorities, shared("client_cas_password"), shared_name("client_cas_password"));
    }
    const Setting* revocations = own_or_shared("crl");
    if (revocations != nullptr) tls.revocations = file(*revocations, nullptr, {});
    const Setting* subjects = own_or_shared("required_subjects");
    if (subjects != nullptr) required_subjects(*subjects, tls);

    if (tls.client_auth != ClientAuth::none) {
      if (tls.client_authorities || draft_.tls.contains("client_cas")) return;
      const std::string name = by_variables() ? shared_name("client_cas") : own_name("client_cas");
      report_.error(by_variables() ? name : draft_.where,
                    name + " is missing: " + title() + " asks for client certificates",
                    "set it to the file of the authorities that sign them");
      return;
    }
    if (subjects != nullptr) {
      report_.error(subjects->where,
                    "subjects are required of client certificates, but " + title() + " asks for none",
                    "set SSL_CLIENT_AUTH to REQUIRE, or remove the rule");
    }
    // Another listener may use what is meant for all of them.
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
          report_.error(setting.where, quoted(glob) + " is not a subject",
                        "write it as in certificates, such as CN=app-*,OU=Apps,O=Example; separate several "
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

}  // namespace

std::optional<ListenerTls> read_listener_tls(const DraftListener& draft, const DraftCluster& cluster,
                                             const Section* shared, SecurityProtocol protocol,
                                             Report& report) {
  return ListenerTlsReader(draft, cluster, shared, report).run(protocol);
}

}  // namespace kferry::config
