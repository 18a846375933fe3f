#include "config/credentials.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/jaas.h"
#include "config/section_reader.h"
#include "config/security_protocol.h"
#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {
namespace {

bool is_scram(std::string_view mechanism) {
  return mechanism == "SCRAM-SHA-256" || mechanism == "SCRAM-SHA-512";
}

// Reports a mechanism that discovery cannot use. Returns false if that is an error.
bool mechanism_usable(const Setting& setting, const std::string& mechanism, Report& report) {
  if (mechanism == "PLAIN" || is_scram(mechanism)) return true;
  static const std::vector<std::string> known{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER",
                                              "GSSAPI"};
  const auto guess = nearest(mechanism, known);
  if (std::find(known.begin(), known.end(), mechanism) == known.end() && guess) {
    report.error(setting.where, quoted(setting.text) + " is not a SASL mechanism",
                 "did you mean " + *guess + "?");
    return false;
  }
  report.warn(setting.where,
              "kferry cannot authenticate by " + quoted(mechanism) +
                  ": it learns the brokers only from clients' connections",
              "give PLAIN or SCRAM credentials for discovery, or leave it as it is");
  return true;
}

void check_options(const Setting& setting, const Jaas& jaas, Report& report) {
  for (const char* option : {"username", "password"}) {
    const auto found = jaas.options.find(option);
    if (found == jaas.options.end() || found->second.empty()) {
      report.error(setting.where, std::string("the JAAS text has no ") + option,
                   std::string("add ") + option + "=\"…\" before the ';'");
    }
  }
}

}  // namespace

std::optional<SaslCredentials> read_credentials(const Section& section, SecurityProtocol protocol,
                                                bool protocol_known, Report& report) {
  const Setting* text = SectionReader::find(section, "sasl_jaas_config");
  const Setting* mechanism = SectionReader::find(section, "sasl_mechanism");
  if (!uses_sasl(protocol)) {
    for (const Setting* setting : {text, mechanism}) {
      if (setting == nullptr || !protocol_known) continue;
      report.warn(setting->where,
                  "SASL is configured, but the upstream's security protocol does not include it: ignored",
                  "set security_protocol to SASL_PLAINTEXT or SASL_SSL, or remove it");
    }
    return std::nullopt;
  }
  if (text == nullptr) return std::nullopt;
  auto jaas = parse_jaas(text->text);
  if (!jaas) {
    report.error(text->where, jaas.error().what, jaas.error().remedy);
    return std::nullopt;
  }
  const std::string_view module = std::string_view(jaas->module).substr(jaas->module.rfind('.') + 1);
  SaslCredentials credentials;
  if (mechanism != nullptr) {
    credentials.mechanism = upper(trim(mechanism->text));
    if (!mechanism_usable(*mechanism, credentials.mechanism, report)) return std::nullopt;
  } else if (module == "PlainLoginModule") {
    credentials.mechanism = "PLAIN";
  } else {
    report.error(text->where, "sasl_jaas_config is set without sasl_mechanism",
                 "set KAFKA_SASL_MECHANISM (sasl_mechanism), such as SCRAM-SHA-512");
    return std::nullopt;
  }
  const bool plain = credentials.mechanism == "PLAIN";
  const bool scram = is_scram(credentials.mechanism);
  if (plain || scram) {
    if (module != (plain ? "PlainLoginModule" : "ScramLoginModule")) {
      report.error(text->where, "the JAAS login module does not belong to mechanism " + credentials.mechanism,
                   std::string("use org.apache.kafka.common.security.") +
                       (scram ? "scram.ScramLoginModule" : "plain.PlainLoginModule") +
                       ", or the module's own mechanism");
      return std::nullopt;
    }
    check_options(*text, *jaas, report);
  }
  credentials.username = jaas->options["username"];
  credentials.password = jaas->options["password"];
  return credentials;
}

}  // namespace kferry::config
