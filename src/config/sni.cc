#include "config/sni.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "config/grammar.h"
#include "config/words.h"

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
  // One name for one broker: no sign, no leading zero.
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

bool names_meet(const SniNames& a, const SniNames& b) {
  return a.bootstrap == b.bootstrap || sni_target(a, b.bootstrap) || sni_target(b, a.bootstrap) ||
         patterns_meet(a.pattern(), b.pattern());
}

}  // namespace kferry::config
