// What was written, before it means anything: settings as text, each with the place it came from, so that
// every later complaint can name it. Filled by toml_file and environment, read by validate.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"

namespace kferry::config {

struct Setting {
  std::string where;  // "kferry.toml:12" or a variable's name
  std::string text;   // a scalar; a list joined by ','. A secret is kept as written, blanks included
  std::vector<std::string> items;  // the list's items; a scalar is a list of one
  bool faulty = false;  // already reported: given, but without a value, so that it is not also missing
  std::string file;     // the path of the file that a secret was read from; empty: not from a file
};
// Settings by the key's name. Until secret_files.h has run, a secret may be there as `name_file`.
using Section = std::map<std::string, Setting, std::less<>>;

// More than any gateway has. A longer list is an error, so that what follows need not be fast for a million.
inline constexpr std::size_t clusters_max = 1000;
inline constexpr std::size_t listeners_max = 1000;  // of one cluster

struct DraftListener {
  std::string name;  // lower case
  std::string where;
  bool from_variables = false;
  Section settings;
  Section tls;
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

  // Of a table that exists once: engine, tls, limits, operations. listener_tls holds what GATEWAY_SSL_… says
  // for every listener of the cluster `default`.
  Section& of(Table table) { return once_[static_cast<std::size_t>(table)]; }
  const Section& of(Table table) const { return once_[static_cast<std::size_t>(table)]; }
  DraftCluster* find(std::string_view cluster);

 private:
  std::array<Section, table_count> once_;
};

std::string too_many_listeners(std::string_view cluster);

// A letter, then letters and digits.
bool listener_name_valid(std::string_view name);

}  // namespace kferry::config
