#include "config/security_protocol.h"

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::array<std::pair<std::string_view, SecurityProtocol>, 4> protocols{{
    {"PLAINTEXT", SecurityProtocol::plaintext},
    {"SSL", SecurityProtocol::ssl},
    {"SASL_PLAINTEXT", SecurityProtocol::sasl_plaintext},
    {"SASL_SSL", SecurityProtocol::sasl_ssl},
}};

}  // namespace

Parsed<SecurityProtocol> parse_security_protocol(std::string_view text) {
  const std::string wanted = upper(trim(text));
  for (const auto& [name, protocol] : protocols) {
    if (name == wanted) return protocol;
  }
  std::vector<std::string> names;
  for (const auto& [name, protocol] : protocols) names.emplace_back(name);
  const auto guess = nearest(wanted, names);
  return std::unexpected(Fault{quoted(text) + " is not a security protocol",
                               (guess ? "did you mean " + *guess + "? " : std::string()) +
                                   "use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"});
}

std::string_view name_of(SecurityProtocol protocol) {
  return protocols[static_cast<std::size_t>(protocol)].first;
}

}  // namespace kferry::config
