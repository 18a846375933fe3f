// How the parsers of a setting's text fail: what is wrong and what to write instead. The caller knows where.
#pragma once

#include <expected>
#include <string>

namespace kferry::config {

struct Fault {
  std::string what;
  std::string remedy;
};

template <typename Value>
using Parsed = std::expected<Value, Fault>;

}  // namespace kferry::config
