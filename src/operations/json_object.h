// One flat JSON object (RFC 8259): names with texts, whole numbers and booleans. Requests and answers of the control
// socket are such objects, one a line. Pure.
//
// Nothing is nested, so that a page of code reads it in one pass, without recursion and in memory of the order of its
// input. What is nested, and a number with a fraction or an exponent, is malformed here; null counts as absent.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace kferry::operations {

class JsonObject {
 public:
  using Value = std::variant<std::string, std::int64_t, bool>;

  // nullopt: not one such object, or a name that occurs twice. White space around it is allowed.
  static std::optional<JsonObject> parse(std::string_view text);

  // Replaces what the name had.
  JsonObject& set_text(std::string_view name, std::string_view text);
  JsonObject& set_number(std::string_view name, std::int64_t number);
  JsonObject& set_flag(std::string_view name, bool flag);

  // nullopt: absent, or of another type.
  std::optional<std::string> text(std::string_view name) const { return get<std::string>(name); }
  std::optional<std::int64_t> number(std::string_view name) const { return get<std::int64_t>(name); }
  std::optional<bool> flag(std::string_view name) const { return get<bool>(name); }

  // On one line without an end, in the order of the names, but `v` first. Bytes that are not UTF-8 become U+FFFD.
  std::string to_string() const;

 private:
  template <typename Type>
  std::optional<Type> get(std::string_view name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    const Type* const value = std::get_if<Type>(&found->second);
    return value == nullptr ? std::nullopt : std::optional(*value);
  }

  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace kferry::operations
