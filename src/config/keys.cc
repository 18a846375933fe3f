#include "config/keys.h"

#include <algorithm>
#include <array>

#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view file_suffix = "_file";
constexpr std::string_view file_variable_suffix = "_FILE";

// Whether `name` is `key`, or `key` and the suffix where there may be one.
bool matches(std::string_view name, std::string_view key, bool secret, std::string_view suffix) {
  return name == key || (secret && name.size() == key.size() + suffix.size() && name.starts_with(key) &&
                         name.ends_with(suffix));
}

}  // namespace

std::span<const Key> keys_of(Table table) {
  const std::span<const Key> all = all_keys();
  const auto in_table = [&](const Key& key) { return key.table == table; };
  const auto first = std::find_if(all.begin(), all.end(), in_table);
  return {first, std::find_if_not(first, all.end(), in_table)};
}

std::string_view title_of(Table table) {
  static constexpr std::array<std::string_view, table_count> titles{"[cluster.NAME]",
                                                                    "[cluster.NAME.upstream]",
                                                                    "[cluster.NAME.listener.NAME]",
                                                                    "[cluster.NAME.listener.NAME.tls]",
                                                                    "[engine]",
                                                                    "[tls]",
                                                                    "[limits]",
                                                                    "[operations]",
                                                                    ""};
  return titles[static_cast<std::size_t>(table)];
}

std::string variable_of(const Key& key) {
  if (!key.own_variable.empty()) return std::string(key.own_variable);
  if (key.table == Table::upstream) return std::string(upstream_prefix) + upper(key.name);
  if (key.table == Table::listener) return std::string(listener_prefix) + "<NAME>_" + upper(key.name);
  return {};
}

std::string_view unit_of(const Key& key) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> units{
      {{"_ms", "milliseconds"}, {"_s", "seconds"}, {"_minutes", "minutes"}, {"_bytes", "bytes"}}};
  if (key.kind != Kind::integer) return {};
  const auto found = std::find_if(units.begin(), units.end(),
                                  [&](const auto& unit) { return key.name.ends_with(unit.first); });
  return found == units.end() ? std::string_view() : found->second;
}

std::string default_of(const Key& key) {
  if (!key.without.empty()) return std::string(key.without);
  if (const auto* number = std::get_if<NumberField>(&key.field)) {
    const std::int64_t initial = number->initial();
    return key.words.empty() ? std::to_string(initial)
                             : std::string(key.words[static_cast<std::size_t>(initial)]);
  }
  std::string initial;
  if (const auto* text = std::get_if<TextField>(&key.field)) initial = text->initial();
  return initial.empty() ? "none" : initial;
}

std::string range_of(const Key& key) {
  if (key.kind == Kind::integer) return std::to_string(key.low) + " to " + std::to_string(key.high);
  return join(std::vector<std::string>(key.words.begin(), key.words.end()), ", ");
}

bool needs_upgrade(const Key& key) {
  return key.table == Table::engine || key.at_start;
}

const Key* find_key(Table table, std::string_view name) {
  for (const Key& key : keys_of(table)) {
    if (matches(name, key.name, key.secret, file_suffix)) return &key;
  }
  return nullptr;
}

const Key* find_variable(std::string_view variable) {
  for (const Key& key : all_keys()) {
    if (!key.own_variable.empty() && matches(variable, key.own_variable, key.secret, file_variable_suffix))
      return &key;
  }
  return nullptr;
}

std::vector<std::string> names_of(Table table) {
  std::vector<std::string> names;
  for (const Key& key : keys_of(table)) {
    if (!key.in_file) continue;
    names.emplace_back(key.name);
    if (key.secret) names.push_back(std::string(key.name) + std::string(file_suffix));
  }
  return names;
}

}  // namespace kferry::config
