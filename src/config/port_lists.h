// Lists of ports and of broker ids, as in `ports` and `ids`. Pure; a failure says what is wrong and what to
// write instead.
//
//   ports   = entry *("," entry)
//   entry   = range [":" range]          advertised:local; a single range is both
//   range   = port ["-" port]
//   ids     = id ["-" id] *("," …)
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/fault.h"

namespace kferry::config {

// Expanded, in order. No local and no advertised port occurs twice.
Parsed<std::vector<Port>> parse_ports(std::string_view text);
// Expanded, in order, each once and from 0 up; at most as many as there are ports.
Parsed<std::vector<std::int32_t>> parse_ids(std::string_view text);

}  // namespace kferry::config
