// The vocabulary of key_table.cc: one function per kind of row. A field that a row names decides the row's
// table, and its initial value in config.h is the key's default, so neither is written twice. Evaluated by
// the compiler.
#pragma once

#include <array>
#include <type_traits>
#include <utility>

#include "config/keys.h"

namespace kferry::config::row {

template <typename Owner>
struct TableOf;
template <>
struct TableOf<Cluster> : std::integral_constant<Table, Table::cluster> {};
template <>
struct TableOf<Upstream> : std::integral_constant<Table, Table::upstream> {};
template <>
struct TableOf<Listener> : std::integral_constant<Table, Table::listener> {};
template <>
struct TableOf<Engine> : std::integral_constant<Table, Table::engine> {};
template <>
struct TableOf<Tls> : std::integral_constant<Table, Table::tls> {};
template <>
struct TableOf<Limits> : std::integral_constant<Table, Table::limits> {};
template <>
struct TableOf<Operations> : std::integral_constant<Table, Table::operations> {};

template <auto Field>
struct Member;
template <typename Holder, typename Type, Type Holder::* Field>
struct Member<Field> {
  using Struct = Holder;
  using Value = Type;
  static constexpr Table table = TableOf<Holder>::value;
};

inline constexpr std::array<std::string_view, 2> yes_words{"true", "false"};
inline constexpr std::array<std::string_view, 2> switch_words{"on", "off"};

template <auto Field>
consteval NumberField number_field() {
  using Struct = typename Member<Field>::Struct;
  using Value = typename Member<Field>::Value;
  return {[](const Owner& owner, std::int64_t value) {
            Value& into = std::get<Struct*>(owner)->*Field;
            if constexpr (std::is_same_v<Value, bool>) {
              into = value == 0;  // the first word says yes
            } else {
              into = static_cast<Value>(value);
            }
          },
          []() -> std::int64_t {
            const Value initial = Struct{}.*Field;
            if constexpr (std::is_same_v<Value, bool>) return initial ? 0 : 1;
            return static_cast<std::int64_t>(initial);
          }};
}

// A whole number from `low` to `high`.
template <auto Field>
consteval Key integer(std::string_view name, std::int64_t low, std::int64_t high, std::string_view meaning) {
  using Value = typename Member<Field>::Value;
  // Not a constant expression: the compiler rejects the row.
  if (low > high || !std::in_range<Value>(low) || !std::in_range<Value>(high))
    throw "the field is too narrow";
  return {.table = Member<Field>::table,
          .name = name,
          .kind = Kind::integer,
          .meaning = meaning,
          .low = low,
          .high = high,
          .field = number_field<Field>()};
}

// One of `words`; an enumeration's field takes the enumerator at the word's position.
template <auto Field>
consteval Key choice(std::string_view name, std::span<const std::string_view> words,
                     std::string_view meaning) {
  return {.table = Member<Field>::table,
          .name = name,
          .kind = Kind::choice,
          .meaning = meaning,
          .words = words,
          .field = number_field<Field>()};
}
template <auto Field>
consteval Key on_or_off(std::string_view name, std::string_view meaning) {
  static_assert(std::is_same_v<typename Member<Field>::Value, bool>);
  return choice<Field>(name, switch_words, meaning);
}
template <auto Field>
consteval Key boolean(std::string_view name, std::string_view meaning) {
  static_assert(std::is_same_v<typename Member<Field>::Value, bool>);
  Key key = choice<Field>(name, yes_words, meaning);
  key.kind = Kind::boolean;
  return key;
}

// Any text, kept without the blanks around it unless it is a secret.
template <auto Field>
consteval Key text(std::string_view name, std::string_view meaning) {
  using Struct = typename Member<Field>::Struct;
  return {.table = Member<Field>::table,
          .name = name,
          .kind = Kind::text,
          .meaning = meaning,
          .field = TextField{[](const Owner& owner, std::string value) {
                               std::get<Struct*>(owner)->*Field = std::move(value);
                             },
                             [] { return std::string(Struct{}.*Field); }}};
}

// Keys with a parser of their own. `without`: what holds without the key.
consteval Key text(Table table, std::string_view name, std::string_view without, std::string_view meaning) {
  return {.table = table, .name = name, .kind = Kind::text, .meaning = meaning, .without = without};
}
consteval Key list(Table table, std::string_view name, std::string_view without, std::string_view meaning) {
  return {.table = table, .name = name, .kind = Kind::list, .meaning = meaning, .without = without};
}
consteval Key choice(Table table, std::string_view name, std::span<const std::string_view> words,
                     std::string_view without, std::string_view meaning) {
  return {.table = table,
          .name = name,
          .kind = Kind::choice,
          .meaning = meaning,
          .words = words,
          .without = without};
}
// A variable without a key in the file.
consteval Key variable(std::string_view name, std::string_view without, std::string_view meaning) {
  return {.table = Table::variables,
          .name = {},
          .kind = Kind::text,
          .meaning = meaning,
          .without = without,
          .own_variable = name};
}

// What else a row may say.
consteval Key secret(Key key) {
  key.secret = true;
  return key;
}
consteval Key not_yet(Key key) {
  key.not_yet = true;
  return key;
}
consteval Key at_start(Key key) {
  key.at_start = true;
  return key;
}
consteval Key ignored(Key key) {
  key.ignored = true;
  return key;
}
consteval Key required(Key key) {
  key.without = "required";
  return key;
}
// Read from this variable, instead of from the one that its table's rule gives, if any.
consteval Key from(std::string_view variable, Key key) {
  key.own_variable = variable;
  return key;
}
// Read from this variable alone; `name` is what messages call the setting.
consteval Key only_from(std::string_view variable, Key key) {
  key.own_variable = variable;
  key.in_file = false;
  return key;
}
// A list whose items may contain commas.
consteval Key separated_by(char separator, Key key) {
  key.separator = separator;
  return key;
}

}  // namespace kferry::config::row
