#include "config/section_reader.h"

#include <string>
#include <vector>

#include "base/assert.h"
#include "base/lower_case.h"
#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {
namespace {

// "auto, io_uring or epoll"
std::string alternatives(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

}  // namespace

const Setting* SectionReader::find(const Section& section, std::string_view name) {
  const auto found = section.find(name);
  return found == section.end() || found->second.faulty ? nullptr : &found->second;
}

std::set<std::string_view> SectionReader::read_fields(Table table, const Section& section,
                                                      const Owner& owner) {
  std::set<std::string_view> valid;
  for (const Key& key : keys_of(table)) {
    const Setting* setting = find(section, key.name);
    if (setting == nullptr || std::holds_alternative<std::monostate>(key.field)) continue;
    if (const auto* text = std::get_if<TextField>(&key.field)) {
      text->store(owner, std::string(key.secret ? std::string_view(setting->text) : trim(setting->text)));
      valid.insert(key.name);
      continue;
    }
    std::optional<std::int64_t> value;
    if (key.kind == Kind::integer) {
      value = integer(key, *setting);
    } else if (const auto position = word(key, *setting)) {
      value = static_cast<std::int64_t>(*position);
    }
    if (!value) continue;
    std::get<NumberField>(key.field).store(owner, *value);
    valid.insert(key.name);
  }
  return valid;
}

std::optional<std::size_t> SectionReader::choice(Table table, const Section& section, std::string_view name) {
  const Key* key = find_key(table, name);
  KFERRY_ASSERT(key != nullptr && !key->words.empty());
  const Setting* setting = find(section, name);
  return setting == nullptr ? std::nullopt : word(*key, *setting);
}

std::optional<std::int64_t> SectionReader::integer(const Key& key, const Setting& setting) {
  const auto value = parse_integer(trim(setting.text));
  if (value && *value >= key.low && *value <= key.high) return value;
  const std::string_view unit = unit_of(key);
  report_.error(setting.where, std::string(key.name) + " = " + quoted(setting.text) + " is out of range",
                "use a whole number from " + std::to_string(key.low) + " to " + std::to_string(key.high) +
                    (unit.empty() ? std::string() : " (" + std::string(unit) + ")"));
  return std::nullopt;
}

std::optional<std::size_t> SectionReader::word(const Key& key, const Setting& setting) {
  const std::string written = lower_case(trim(setting.text));
  for (std::size_t i = 0; i < key.words.size(); ++i) {
    if (lower_case(key.words[i]) == written) return i;
  }
  const std::string shown = std::string(key.name) + " = " + quoted(setting.text);
  std::vector<std::string> known;
  for (const std::string_view candidate : key.words) known.push_back(lower_case(candidate));
  const auto guess = nearest(written, known);
  std::string remedy;
  for (std::size_t i = 0; guess && i < known.size(); ++i) {
    if (known[i] == *guess) remedy = "did you mean " + std::string(key.words[i]) + "? ";
  }
  report_.error(setting.where, shown + " is not a known value", remedy + "use " + alternatives(key.words));
  return std::nullopt;
}

}  // namespace kferry::config
