// Takes typed values out of a draft's sections. What is wrong is reported and left at its default.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "config/draft.h"
#include "config/fault.h"
#include "config/report.h"

namespace kferry::config {

class SectionReader {
 public:
  explicit SectionReader(Report& report) : report_(report) {}

  // The setting, if it has a value: null also if its fault has been reported.
  static const Setting* find(const Section& section, std::string_view name);

  // Stores every setting of `section` whose row in `table` names a field of `owner`. Returns the names of
  // those that were set and valid.
  std::set<std::string_view> read_fields(Table table, const Section& section, const Owner& owner);

  // The position of the setting's text among the key's words; nullopt when unset or wrong. The key must be a
  // choice or boolean of `table`.
  std::optional<std::size_t> choice(Table table, const Section& section, std::string_view name);

  // Returns whether there was a value to store.
  template <typename Value>
  bool store(const Setting& setting, Parsed<Value> parsed, Value& into) {
    if (parsed) {
      into = std::move(*parsed);
    } else {
      report_.error(setting.where, parsed.error().what, parsed.error().remedy);
    }
    return parsed.has_value();
  }

 protected:
  Report& report_;

 private:
  std::optional<std::int64_t> integer(const Key& key, const Setting& setting);
  std::optional<std::size_t> word(const Key& key, const Setting& setting);
};

}  // namespace kferry::config
