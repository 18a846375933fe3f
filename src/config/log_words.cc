#include "config/log_words.h"

#include <array>
#include <utility>

#include "base/assert.h"
#include "base/lower_case.h"
#include "config/keys.h"

namespace kferry::config {
namespace {

// In the order of the words in key_table.cc.
constexpr std::array formats{LogFormat::text, LogFormat::json, LogFormat::text};
constexpr std::array levels{LogLevel::off,     LogLevel::error, LogLevel::warning,
                            LogLevel::info,    LogLevel::debug, LogLevel::error,
                            LogLevel::warning, LogLevel::debug, LogLevel::debug};

template <class Values>
std::optional<typename Values::value_type> meaning_of(std::string_view word, const Key& key,
                                                      const Values& values) {
  KFERRY_ASSERT(key.words.size() == values.size());
  const std::string written = lower_case(word);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (key.words[i] == written) return values[i];
  return std::nullopt;
}

}  // namespace

std::optional<LogFormat> log_format_of(std::string_view word) {
  return meaning_of(word, *find_key(Table::operations, "log_format"), formats);
}

std::optional<LogLevel> log_level_of(std::string_view word) {
  return meaning_of(word, *find_key(Table::operations, "log_level"), levels);
}

std::string log_level_words() {
  return range_of(*find_key(Table::operations, "log_level"));
}

}  // namespace kferry::config
