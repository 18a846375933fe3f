#include "config/tls_reader.h"

#include <cstddef>
#include <string_view>
#include <utility>

#include "base/lower_case.h"
#include "config/text.h"

namespace kferry::config {
namespace {

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

}  // namespace

std::optional<Password> TlsReader::password(const Setting* setting) {
  return setting == nullptr ? std::nullopt : std::optional(Password{setting->text, setting->file});
}

Store TlsReader::file(const Setting& location, const Setting* secret, std::string password_name) {
  return {location.where, std::string(trim(location.text)), {}, password(secret), std::move(password_name)};
}

Store TlsReader::pem(const Setting& setting) {
  if (!setting.file.empty()) return {setting.where, setting.file, {}, std::nullopt, {}};
  return {setting.where, {}, pem_text(setting.text), std::nullopt, {}};
}

void TlsReader::versions(const Setting& setting, TlsOffer& offer) {
  bool old_one = false;
  bool new_one = false;
  for (const std::string& item : setting.items) {
    for (const std::string& part : split(item, ',')) {
      const std::string name = lower_case(part);
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

void TlsReader::offered(const Setting* enabled, const Setting* ciphers, const Setting* curves,
                        TlsOffer& offer) {
  if (enabled != nullptr) versions(*enabled, offer);
  if (ciphers != nullptr) offer.ciphers = {ciphers->text, ciphers->where};
  if (curves != nullptr) offer.curves = {curves->text, curves->where};
}

}  // namespace kferry::config
