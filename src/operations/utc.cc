#include "operations/utc.h"

#include <array>

namespace kferry::operations {

std::string utc_text(time_t seconds) {
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts)};
}

}  // namespace kferry::operations
