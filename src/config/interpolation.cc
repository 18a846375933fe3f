#include "config/interpolation.h"

#include <algorithm>
#include <cstddef>

#include "base/lower_case.h"
#include "config/text.h"

namespace kferry::config {
namespace {

// "nodeId", "NODE_ID", "{nodeId": meant as {{nodeId}} in a pattern of host names.
bool resembles_node_id(std::string_view name) {
  std::string letters = lower_case(name);
  std::erase_if(letters, [](char c) { return c < 'a' || c > 'z'; });
  return letters == "nodeid";
}

}  // namespace

std::string interpolate(std::string_view text, const std::string& where, const Sources& sources,
                        Report& report) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("$${")) {
      out += "${";
      at += 3;
      continue;
    }
    if (!text.substr(at).starts_with("${")) {
      out += text[at++];
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string_view::npos) {
      report.error(where, "'${' without its '}'", "write ${NAME}, or $${ for a plain ${");
      return out;
    }
    const std::string name(text.substr(at + 2, end - at - 2));
    const auto found = sources.environment.find(name);
    if (found != sources.environment.end()) {
      out += found->second;
    } else {
      const bool misspelt = resembles_node_id(name);
      // A variable's name is not a secret, but other text may be part of one.
      const bool plausible = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      });
      if (plausible) {
        report.error(where, "${" + name + "} is not set in the environment",
                     (misspelt ? "did you mean {{nodeId}}? Otherwise set " : "set ") + name +
                         ", or write the value itself");
      } else {
        report.error(where, "'${' is not followed by a valid variable name",
                     misspelt ? "did you mean {{nodeId}}?" : "write ${NAME}, or $${ for a plain ${");
      }
    }
    at = end + 1;
  }
  return out;
}

}  // namespace kferry::config
