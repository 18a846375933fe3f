#include "operations/utc.h"

#include <array>
#include <cstdio>

namespace kferry::operations {

std::string utc_text(time_t seconds) {
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts)};
}

std::string timestamp(std::chrono::system_clock::time_point at) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch());
  const auto milliseconds = static_cast<int>((since % 1000).count());
  std::array<char, 16> more{};
  std::snprintf(more.data(), more.size(), ".%03dZ", milliseconds);
  return utc_text(static_cast<time_t>(std::chrono::floor<std::chrono::seconds>(since).count())) + more.data();
}

}  // namespace kferry::operations
