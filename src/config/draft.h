// What was written, before it means anything: settings as text, each with the place it came from, so that
// every later complaint can name it. Filled by toml_file and environment, read by validate.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace kferry::config {

struct Setting {
  std::string where;  // "kferry.toml:12" or a variable's name
  std::string text;   // a scalar; a list joined by ','. A secret as it was written, blanks included
  std::vector<std::string> items;  // the list's items; a scalar is one
  bool faulty = false;  // reported already: given, but without a value, so that it is not missing too
  std::string file;     // of a secret that was read from a file: its path
};
using Section = std::map<std::string, Setting, std::less<>>;

struct DraftListener {
  std::string name;  // lower case
  std::string where;
  bool from_variables = false;
  Section settings;
};

struct DraftCluster {
  std::string name;
  std::string where;
  bool from_variables = false;
  Section settings;
  Section upstream;
  std::vector<DraftListener> listeners;

  DraftListener* find(std::string_view listener);
};

struct Draft {
  std::vector<DraftCluster> clusters;
  Section operations;
  Section engine;
  Section tls;
  Section limits;
  Section listener_tls;  // GATEWAY_SSL_…: for every listener of `default`

  DraftCluster* find(std::string_view cluster);
};

// What the loader's parts report into.
struct Report {
  std::vector<Problem> problems;
  std::vector<Problem> warnings;

  // Each fault is told once, also when several listeners share the setting.
  void error(std::string where, std::string what, std::string remedy) {
    for (const Problem& problem : problems) {
      if (problem.where == where && problem.what == what) return;
    }
    problems.push_back({std::move(where), std::move(what), std::move(remedy), false});
  }
  void warn(std::string where, std::string what, std::string remedy) {
    warnings.push_back({std::move(where), std::move(what), std::move(remedy), true});
  }
};

enum class Kind : std::uint8_t { text, list, integer, flag };
struct Key {
  std::string_view name;
  Kind kind = Kind::text;
  bool secret = false;  // also taken from NAME_file; never shown
};

std::span<const Key> cluster_keys();
std::span<const Key> upstream_keys();
std::span<const Key> listener_keys();
std::span<const Key> listener_tls_keys();  // the listener's `tls` table; stored as "tls.certificate"
std::span<const Key> gateway_ssl_keys();   // GATEWAY_SSL_… in lower case
std::span<const Key> operations_keys();
std::span<const Key> engine_keys();
std::span<const Key> tls_keys();
std::span<const Key> limits_keys();

// The key, or the secret behind `name_file`; null when unknown.
const Key* find_key(std::span<const Key> keys, std::string_view name);
// Every name that may be written, `_file` forms included.
std::vector<std::string> names_of(std::span<const Key> keys);

// A letter, then letters and digits.
bool listener_name_valid(std::string_view name);

// Replaces each `${NAME}` from the environment; `$${` is a plain `${`. Unset or malformed ones are reported.
std::string interpolate(std::string_view text, const std::string& where, const Sources& sources,
                        Report& report);
// Replaces each secret's `_file` by the file's text without_line_end().
void read_secret_files(Section& section, std::span<const Key> keys, const Sources& sources, Report& report);

}  // namespace kferry::config
