// A file of certificates or keys as it was read, with the words that an operator knows it by, and failures in those
// words.
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

// No store is larger.
inline constexpr std::size_t store_size_max = 4 * MiB;

struct StoreFile {
  std::string name;  // "/etc/kferry/tls.p12", or the variable that holds PEM itself
  std::span<const std::byte> bytes{};
  std::optional<std::string> password{};                   // of the store: UTF-8, as Java clients take it
  std::optional<std::string> key_password{};               // of the key; the store's, where it is missing
  std::string password_variable = "the store's password";  // "GATEWAY_SSL_KEY_STORE_PASSWORD"
  std::string key_password_variable = "the key's password";

  ~StoreFile();  // wipes the passwords
};

std::unexpected<Failure> fail(const StoreFile& file, std::string_view cause, std::string_view words);

// The remedy where `password`, which `variable` holds, opens nothing. A password is used as it was written, blanks at
// its ends included.
std::string correct(const std::string& variable, const std::optional<std::string>& password);

}  // namespace kferry::x509
