// What a configuration sets, as text, and how two configurations differ. Pure.
//
// A setting is compared by its text, so that another notation of the same value counts as a difference; a key that is
// written with its default counts as not written. Ignored keys, and those without effect in this version, are left out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"

namespace kferry::config {

struct Draft;

struct WrittenSetting {
  std::string cluster;       // empty: of a table that exists once
  std::string listener;      // empty: of the cluster itself or its upstream
  const Key* key = nullptr;  // null: says that the cluster or listener exists
  std::string text;          // may be secret, as the key says
};
// Once the variables and the secret files have been read. In a fixed order, each setting once.
std::vector<WrittenSetting> written_settings(const Draft& draft);

struct Difference {
  std::string text;            // one line: what, from what to what; shows no secret
  bool needs_upgrade = false;  // has no effect before kferry starts anew (needs_upgrade() of config/keys.h)
};
// Both as written_settings() returns them. A cluster or listener that comes or goes is one difference.
std::vector<Difference> differences(const std::vector<WrittenSetting>& from,
                                    const std::vector<WrittenSetting>& to);

// Every setting but the secret ones, for a digest by which the configurations of several processes can be compared.
std::string comparable_text(const std::vector<WrittenSetting>& settings);

}  // namespace kferry::config
