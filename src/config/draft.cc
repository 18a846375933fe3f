#include "config/draft.h"

#include <algorithm>

namespace kferry::config {

DraftListener* DraftCluster::find(std::string_view listener) {
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const DraftListener& l) { return l.name == listener; });
  return found == listeners.end() ? nullptr : &*found;
}

DraftCluster* Draft::find(std::string_view cluster) {
  const auto found = std::find_if(clusters.begin(), clusters.end(),
                                  [&](const DraftCluster& c) { return c.name == cluster; });
  return found == clusters.end() ? nullptr : &*found;
}

std::string too_many_listeners(std::string_view cluster) {
  return "cluster " + std::string(cluster) + " has more than " + std::to_string(listeners_max) + " listeners";
}

bool listener_name_valid(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace kferry::config
