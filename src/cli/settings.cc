#include "cli/settings.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

#include "base/lower_case.h"
#include "cli/commands.h"
#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::cli {
namespace {

using config::Key;
using config::Table;

bool matches(const Key& key, std::span<const std::string> words) {
  const std::string all = lower_case(std::string(config::title_of(key.table)) + " " + std::string(key.name) +
                                     " " + config::variable_of(key));
  return std::ranges::all_of(
      words, [&](const std::string& word) { return all.find(lower_case(word)) != std::string::npos; });
}

std::string_view name_of(config::Kind kind) {
  static constexpr std::array<std::string_view, 5> names{"text", "list", "integer", "boolean", "choice"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view state_of(const Key& key) {
  if (key.not_yet) return "not yet in effect";
  return key.ignored ? "ignored" : "";
}

// "default 60000; 1 to 86400000 milliseconds"
std::string facts_of(const Key& key) {
  std::vector<std::string> facts;
  const std::string without = config::default_of(key);
  facts.push_back(without.starts_with("required") ? without : "default " + without);
  if (std::string range = config::range_of(key); !range.empty()) {
    if (const std::string_view unit = config::unit_of(key); !unit.empty()) range.append(" ").append(unit);
    facts.push_back(std::move(range));
  }
  if (key.kind == config::Kind::list) facts.emplace_back("a list");
  if (key.secret) facts.emplace_back("secret");
  if (const std::string_view state = state_of(key); !state.empty()) facts.emplace_back(state);
  if (config::needs_upgrade(key)) facts.emplace_back("needs an upgrade");
  return config::join(facts, "; ");
}

std::string entry(const Key& key) {
  const std::string variable = config::variable_of(key);
  std::string out = "  ";
  if (key.in_file && !key.name.empty()) out += key.name;
  if (!variable.empty()) out.append(out.size() > 2 ? ", " : "").append(variable);
  out.append("\n      ").append(key.meaning).append("\n      ").append(facts_of(key)).append("\n");
  return out;
}

int nothing_matches(std::span<const std::string> words) {
  std::vector<std::string> known;
  for (const Key& key : config::all_keys())
    known.emplace_back(key.name.empty() ? key.own_variable : key.name);
  const std::string text = config::join(words, " ");
  const auto guess = config::nearest(text, known);
  std::fprintf(stderr, "kferry settings: no setting matches %s%s\n", config::quoted(text).c_str(),
               guess ? (": did you mean " + *guess + "?").c_str() : "");
  return exit_failure;
}

}  // namespace

std::string settings_text(std::span<const std::string> words) {
  std::string out;
  for (std::size_t i = 0; i < config::table_count; ++i) {
    const auto table = static_cast<Table>(i);
    std::string entries;
    for (const Key& key : config::keys_of(table)) {
      if (matches(key, words)) entries += entry(key);
    }
    if (entries.empty()) continue;
    if (!out.empty()) out += '\n';
    out += table == Table::variables ? "Variables alone" : config::title_of(table);
    out.append("\n").append(entries);
  }
  return out;
}

std::string settings_tsv() {
  std::string out =
      "table\tkey\tvariable\tkind\tunit\tdefault\trange\tsecret\tstate\ttakes effect by\tmeaning\n";
  for (const Key& key : config::all_keys()) {
    const std::string_view name = key.in_file ? key.name : std::string_view();
    out.append(config::title_of(key.table)).append("\t").append(name).append("\t");
    out.append(config::variable_of(key)).append("\t").append(name_of(key.kind)).append("\t");
    out.append(config::unit_of(key)).append("\t").append(config::default_of(key)).append("\t");
    out.append(config::range_of(key)).append("\t").append(key.secret ? "secret" : "").append("\t");
    out.append(state_of(key)).append("\t").append(config::needs_upgrade(key) ? "upgrade" : "reload");
    out.append("\t").append(key.meaning).append("\n");
  }
  return out;
}

int settings(const SettingsOptions& options) {
  const std::string text = options.tsv ? settings_tsv() : settings_text(options.words);
  if (text.empty()) return nothing_matches(options.words);
  std::fputs(text.c_str(), stdout);
  return exit_well;
}

}  // namespace kferry::cli
