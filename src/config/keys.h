// Every key of the configuration, one row each (key_table.cc): where it is written, what it may hold, what it
// means. Reading, range checks, suggestions, `kferry settings` and the test of docs/configuration.md all
// follow the rows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace kferry::config {

// The table of the file that holds a key. `variables`: no key in the file, only an environment variable.
enum class Table : std::uint8_t {
  cluster,
  upstream,
  listener,
  listener_tls,
  engine,
  tls,
  limits,
  operations,
  variables
};
inline constexpr std::size_t table_count = 9;

enum class Kind : std::uint8_t { text, list, integer, boolean, choice };

// What a row's field belongs to; which one follows from the row's table.
using Owner = std::variant<Cluster*, Upstream*, Listener*, Engine*, Tls*, Limits*, Operations*>;

// How a number, or a word by its position in Key::words, is stored, and what is there if nothing is written.
struct NumberField {
  void (*store)(const Owner& owner, std::int64_t value);
  std::int64_t (*initial)();
};
struct TextField {
  void (*store)(const Owner& owner, std::string value);
  std::string (*initial)();
};

struct Key {
  Table table;
  std::string_view name;  // as in the file; empty in Table::variables
  Kind kind;
  std::string_view meaning;  // one sentence

  std::int64_t low = 0;  // of an integer: the range, both ends included
  std::int64_t high = 0;
  std::span<const std::string_view> words = {};  // of a choice or boolean: what may be written, in any case
  // Where the value goes. std::monostate: a parser of its own reads the key.
  std::variant<std::monostate, NumberField, TextField> field = {};
  std::string_view without = {};  // what holds without the key, in words; empty: the field's initial value

  std::string_view own_variable = {};  // empty: the table's rule applies (variable_of)
  bool secret = false;    // never shown; also read from the file that NAME_file or NAME_FILE names
  bool in_file = true;    // false: a variable alone sets it
  bool ignored = false;   // accepted for compatibility
  bool not_yet = false;   // read and checked, but without effect in this version
  bool at_start = false;  // see needs_upgrade()
  char separator = ',';   // of a list in a variable
};

// All rows, table by table, in the order in which they are shown.
std::span<const Key> all_keys();
std::span<const Key> keys_of(Table table);

// "[cluster.NAME.upstream]"; empty for Table::variables.
std::string_view title_of(Table table);
// The key's environment variable: KAFKA_… for an upstream, GATEWAY_LISTENER_<NAME>_… for a listener,
// otherwise the one that the row names. Empty: none.
std::string variable_of(const Key& key);
// "milliseconds", "bytes" and so on, by the end of the name; empty for a count or text.
std::string_view unit_of(const Key& key);
// What holds without the key: "60000", "auto", "required".
std::string default_of(const Key& key);
// "1 to 86400000", "auto, io_uring, epoll", or empty where the text is free.
std::string range_of(const Key& key);

// By its name in the file or by `name_file` of a secret; null when unknown.
const Key* find_key(Table table, std::string_view name);
// By its variable or the variable's _FILE. Not for listeners' keys, whose variables contain the listener's
// name, nor for upstreams', which follow from the name.
const Key* find_variable(std::string_view variable);

// Whether a change takes effect when kferry starts or is upgraded; that of any other key does so by a reload.
bool needs_upgrade(const Key& key);

// Every name that may be written, `_file` forms included.
std::vector<std::string> names_of(Table table);

inline constexpr std::string_view upstream_prefix = "KAFKA_";
inline constexpr std::string_view listener_prefix = "GATEWAY_LISTENER_";

}  // namespace kferry::config
