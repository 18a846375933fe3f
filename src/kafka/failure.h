// Why a connection must end: what was wrong, where, and what an operator can do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kferry::kafka {

struct Failure {
  // A stable snake_case name, for logs, metrics and the limit of repeated lines: "tls_hello_on_plaintext",
  // "negative_frame_size", "wrong_correlation_id", "malformed_frame", "version_above_table", …
  std::string_view cause;
  // One line for a person: the API and version, field and offset in the frame, then the remedy where there is
  // one.
  std::string text;
};

}  // namespace kferry::kafka
