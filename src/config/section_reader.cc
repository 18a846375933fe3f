#include "config/section_reader.h"

#include <algorithm>

#include "config/suggestion.h"
#include "config/text.h"

namespace kferry::config {

std::string SectionReader::choice(const Section& section, std::string_view key,
                                  const std::vector<std::string>& allowed) {
  const Setting* setting = find(section, key);
  if (setting == nullptr) return {};
  std::string value = lower(trim(setting->text));
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  const auto guess = nearest(value, allowed);
  report_.error(setting->where, std::string(key) + " = " + quoted(setting->text) + " is not known",
                (guess ? "did you mean " + *guess + "? " : std::string()) + "use " + join(allowed, ", "));
  return {};
}

}  // namespace kferry::config
