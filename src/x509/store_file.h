// A file of certificates or keys that has been read, under the name that the operator knows, and failures that use it.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "base/limits.h"

namespace kferry::x509 {

// Larger files are refused.
inline constexpr std::size_t store_size_max = 4 * MiB;

struct StoreFile {
  std::string name;  // "/etc/kferry/tls.p12", or the variable that contains the PEM
  std::span<const std::byte> bytes{};
  std::optional<std::string> password{};                   // of the store: UTF-8, as in Java clients
  std::optional<std::string> key_password{};               // of the key; nullopt: the same as the store's
  std::string password_variable = "the store's password";  // "GATEWAY_SSL_KEY_STORE_PASSWORD"
  std::string key_password_variable = "the key's password";

  ~StoreFile();  // wipes the passwords
};

std::unexpected<Failure> fail(const StoreFile& file, std::string_view cause, std::string_view words);

// The remedy if `password`, which comes from `variable`, opens nothing. A password is used exactly as written, with any
// leading and trailing blanks.
std::string correct(const std::string& variable, const std::optional<std::string>& password);

}  // namespace kferry::x509
