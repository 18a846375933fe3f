// The forms of an audit record: one line of JSON (RFC 8259) either way. Pure.
//
//   json  kferry's own fields: docs/audit.schema.json describes them, docs/audit.md gives them their meaning
//   ocsf  Open Cybersecurity Schema Framework 1.1: Authentication (3002) and, at the end, Network Activity (4001)
//
// Texts that a peer has chosen cannot forge a field or a line: what is not printable UTF-8 is escaped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/audit_sink.h"

namespace kferry::operations {

enum class AuditFormat : std::uint8_t { json, ocsf };

// In bytes, with the line end: what a pipe takes whole (PIPE_BUF). Counts of requests that find no room are added up as
// "other".
inline constexpr std::size_t audit_line_size_max = 4096;

// One line with its line end. `at`: when what is recorded has happened.
std::string audit_line(const AuditRecord& record, std::chrono::system_clock::time_point at,
                       AuditFormat format);

// Who has ended a connection, by the cause: "client", "broker" or "kferry".
std::string_view ended_by(CloseCause cause);

}  // namespace kferry::operations
