// Why a connection must end, or a file or setting cannot be used: what was wrong, and what an operator can do about it.
#pragma once

#include <string>
#include <string_view>

namespace kferry {

struct Failure {
  // A stable snake_case name, for logs, metrics and the limit of repeated lines: "plaintext_on_tls",
  // "certificate_untrusted", "store_password_wrong", … Static storage.
  std::string_view cause;
  // One line for a person, ending in the remedy where there is one. Never a secret.
  std::string text;
};

}  // namespace kferry
