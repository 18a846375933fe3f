#include "config/sni.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "base/lower_case.h"
#include "config/host_names.h"
#include "config/text.h"

namespace kferry::config {

std::string SniNames::host_of(NodeId id) const {
  return before + std::to_string(number(id)) + after;
}

std::string SniNames::pattern() const {
  return before + std::string(node_id_mark) + after;
}

std::optional<SniTarget> sni_target(const SniNames& names, std::string_view server_name) {
  if (server_name == names.bootstrap) return SniTarget{};
  if (server_name.size() <= names.before.size() + names.after.size() ||
      !server_name.starts_with(names.before) || !server_name.ends_with(names.after)) {
    return std::nullopt;
  }
  const std::string_view digits =
      server_name.substr(names.before.size(), server_name.size() - names.before.size() - names.after.size());
  // Each broker has exactly one name: no sign, no leading zero.
  if (digits.front() < '0' || digits.front() > '9' || (digits.front() == '0' && digits.size() > 1)) {
    return std::nullopt;
  }
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return SniTarget{NodeId{id}};
}

std::string derived_bootstrap(std::string_view before, std::string_view after) {
  const bool first = before.empty() || before.ends_with('.');
  const bool last = after.empty() || after.starts_with('.');
  if (first && last) {
    if (after.empty()) return std::string(before.substr(0, before.size() - (before.empty() ? 0U : 1U)));
    return std::string(before) + std::string(after.substr(1));
  }
  if (before.ends_with('-') && (last || after.starts_with('-'))) before.remove_suffix(1);
  if (first && after.starts_with('-')) after.remove_prefix(1);
  return std::string(before) + std::string(after);
}

std::string_view unsent_by_java(std::string_view host) {
  if (host.find('.') == std::string_view::npos) return "it has only one label";
  if (host.find('_') != std::string_view::npos) return "it contains an underscore";
  for (const std::string& label : split(host, '.')) {
    if (label.starts_with('-')) return "one of its labels begins with a hyphen";
    if (label.ends_with('-')) return "one of its labels ends with a hyphen";
  }
  return {};
}

bool patterns_meet(std::string_view a, std::string_view b) {
  // Walks both patterns at once, as automata: a state is a position in each. At `{{nodeId}}` a digit may stay
  // or advance.
  struct Step {
    char literal;  // 0: a digit that may repeat
  };
  const auto compile = [&](std::string_view pattern) {
    std::vector<Step> steps;
    for (std::size_t i = 0; i < pattern.size();) {
      const bool digits = pattern.substr(i).starts_with(node_id_mark);
      steps.push_back({digits ? '\0' : lower_case(pattern.substr(i, 1))[0]});
      i += digits ? node_id_mark.size() : 1;
    }
    return steps;
  };
  const std::vector<Step> left = compile(a);
  const std::vector<Step> right = compile(b);
  std::set<std::pair<std::size_t, std::size_t>> seen;
  std::vector<std::pair<std::size_t, std::size_t>> open{{0, 0}};
  while (!open.empty()) {
    const auto [i, j] = open.back();
    open.pop_back();
    if (!seen.insert({i, j}).second) continue;
    if (i == left.size() && j == right.size()) return true;
    if (i == left.size() || j == right.size()) continue;
    const char l = left[i].literal;
    const char r = right[j].literal;
    const auto digit = [](char c) { return c == 0 || (c >= '0' && c <= '9'); };
    if (l != 0 && r != 0 ? l != r : !(digit(l) && digit(r))) continue;
    open.push_back({i + 1, j + 1});
    if (l == 0) open.push_back({i, j + 1});
    if (r == 0) open.push_back({i + 1, j});
  }
  return false;
}

bool names_meet(const SniNames& a, const SniNames& b) {
  return a.bootstrap == b.bootstrap || sni_target(a, b.bootstrap) || sni_target(b, a.bootstrap) ||
         patterns_meet(a.pattern(), b.pattern());
}

}  // namespace kferry::config
