// Which of the few causes of a close (base/close_cause.h) each of the log's finer causes belongs to: one table, a row
// for every log cause that ends a client's connection.
#pragma once

#include <span>
#include <string_view>

#include "base/close_cause.h"

namespace kferry::proxy {

struct CloseRow {
  std::string_view log_cause;
  CloseCause cause{};
};
std::span<const CloseRow> close_rows();

// `internal` for a cause without a row, which tests/cli/test_close_causes.py rules out.
CloseCause close_cause_of(std::string_view log_cause);

}  // namespace kferry::proxy
