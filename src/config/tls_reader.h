// What the TLS of a listener and of an upstream are read with in common: stores, passwords, versions.
#pragma once

#include <optional>
#include <string>

#include "config/section_reader.h"
#include "config/tls.h"

namespace kferry::config {

class TlsReader : public SectionReader {
 public:
  using SectionReader::SectionReader;

  // nullopt without a setting.
  static std::optional<Password> password(const Setting* setting);
  // The store in the file at `location`, opened by `secret` if it is not null. `password_name` is what to set
  // if the password is wrong or missing.
  static Store file(const Setting& location, const Setting* secret, std::string password_name);
  // The store whose text is the setting itself, or in the file that a secret came from.
  static Store pem(const Setting& setting);

  // Each may be null: not set.
  void offered(const Setting* enabled, const Setting* ciphers, const Setting* curves, TlsOffer& offer);

 private:
  void versions(const Setting& setting, TlsOffer& offer);
};

}  // namespace kferry::config
