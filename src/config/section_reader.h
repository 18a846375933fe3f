// Takes typed values out of a draft's sections; what cannot be taken is reported and left at its default.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/draft.h"
#include "config/fault.h"
#include "config/text.h"

namespace kferry::config {

class SectionReader {
 public:
  explicit SectionReader(Report& report) : report_(report) {}

  // The setting, if it has a value: one whose fault has been told counts as none.
  static const Setting* find(const Section& section, std::string_view key) {
    const auto found = section.find(key);
    return found == section.end() || found->second.faulty ? nullptr : &found->second;
  }

  template <typename Value>
  void take(const Setting& setting, Parsed<Value> parsed, Value& into) {
    if (parsed) {
      into = std::move(*parsed);
    } else {
      report_.error(setting.where, parsed.error().what, parsed.error().remedy);
    }
  }

  template <typename Number>
  void integer(const Section& section, std::string_view key, std::int64_t low, std::int64_t high,
               Number& into) {
    const Setting* setting = find(section, key);
    if (setting == nullptr) return;
    const auto value = parse_integer(trim(setting->text));
    if (value && *value >= low && *value <= high) {
      into = static_cast<Number>(*value);
      return;
    }
    report_.error(setting->where, std::string(key) + " = " + quoted(setting->text) + " is out of range",
                  "use a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }

  // The choice in lower case; empty when unset or wrong.
  std::string choice(const Section& section, std::string_view key, const std::vector<std::string>& allowed);

 protected:
  Report& report_;
};

}  // namespace kferry::config
