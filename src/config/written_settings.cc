#include "config/written_settings.h"

#include <algorithm>
#include <compare>
#include <map>
#include <tuple>
#include <utility>

#include "config/draft.h"
#include "config/text.h"

namespace kferry::config {
namespace {

// What identifies a setting. Keys compare by their rows' order.
auto place_of(const WrittenSetting& setting) {
  return std::tuple<std::string_view, std::string_view, std::size_t>(
      setting.cluster, setting.listener,
      setting.key == nullptr ? 0 : 1 + static_cast<std::size_t>(setting.key - all_keys().data()));
}

void collect(const Section& section, Table table, const std::string& cluster, const std::string& listener,
             std::vector<WrittenSetting>& into) {
  for (const auto& [name, setting] : section) {
    const Key* const key = find_key(table, name);
    if (key == nullptr || key->ignored || key->not_yet) continue;
    if (key->without.empty() && setting.text == default_of(*key)) continue;
    into.push_back({cluster, listener, key, setting.text});
  }
}

std::string shown(const WrittenSetting* setting, const Key& key) {
  if (setting != nullptr) return quoted(setting->text);
  return key.without.starts_with("required") ? "nothing" : default_of(key);
}

// "listener external of cluster default"
std::string owner_text(const WrittenSetting& setting) {
  return (setting.listener.empty() ? "" : "listener " + setting.listener + " of ") + "cluster " +
         setting.cluster;
}

// "[limits] drain_deadline_s", "listener external of cluster default: tls.certificate"
std::string name_text(const WrittenSetting& setting) {
  const Key& key = *setting.key;
  const bool of_listeners_tls = key.table == Table::listener_tls;
  if (!setting.cluster.empty())
    return owner_text(setting) + (of_listeners_tls ? ": tls." : ": ") + std::string(key.name);
  // GATEWAY_SSL_… speaks for every listener of the cluster `default`.
  if (of_listeners_tls || !key.in_file) return variable_of(key);
  return std::string(title_of(key.table)) + " " + std::string(key.name);
}

Difference difference_of(const WrittenSetting* before, const WrittenSetting* after) {
  const WrittenSetting& one = after != nullptr ? *after : *before;
  if (one.key == nullptr) return {owner_text(one) + (after != nullptr ? ": added" : ": removed"), false};
  const Key& key = *one.key;
  std::string text = name_text(one);
  if (key.secret)
    text += before == nullptr ? ": set" : after == nullptr ? ": no longer set" : ": changed";
  else
    text += ": " + shown(before, key) + " -> " + shown(after, key);
  return {std::move(text), needs_upgrade(key)};
}

// Whether the setting's cluster or listener exists in one of the two configurations alone, so that one difference
// speaks for all of its settings.
class Lonely {
 public:
  Lonely(const std::vector<WrittenSetting>& from, const std::vector<WrittenSetting>& to) {
    for (const auto* settings : {&from, &to})
      for (const WrittenSetting& one : *settings)
        if (one.key == nullptr) ++counts_[{one.cluster, one.listener}];
  }
  bool has(const WrittenSetting& one) const {
    if (one.cluster.empty()) return false;
    if (is_alone(one.cluster, {})) return one.key != nullptr || !one.listener.empty();
    return one.key != nullptr && !one.listener.empty() && is_alone(one.cluster, one.listener);
  }

 private:
  bool is_alone(const std::string& cluster, const std::string& listener) const {
    const auto found = counts_.find({cluster, listener});
    return found != counts_.end() && found->second == 1;
  }
  std::map<std::pair<std::string, std::string>, int> counts_;
};

}  // namespace

std::vector<WrittenSetting> written_settings(const Draft& draft) {
  std::vector<WrittenSetting> all;
  for (const DraftCluster& cluster : draft.clusters) {
    all.push_back({cluster.name, {}, nullptr, {}});
    collect(cluster.settings, Table::cluster, cluster.name, {}, all);
    collect(cluster.upstream, Table::upstream, cluster.name, {}, all);
    for (const DraftListener& listener : cluster.listeners) {
      all.push_back({cluster.name, listener.name, nullptr, {}});
      collect(listener.settings, Table::listener, cluster.name, listener.name, all);
      collect(listener.tls, Table::listener_tls, cluster.name, listener.name, all);
    }
  }
  // Not Table::variables, which says nothing that the others do not show.
  for (const Table table : {Table::listener_tls, Table::engine, Table::tls, Table::limits, Table::operations})
    collect(draft.of(table), table, {}, {}, all);
  std::ranges::sort(all, {}, place_of);
  return all;
}

std::vector<Difference> differences(const std::vector<WrittenSetting>& from,
                                    const std::vector<WrittenSetting>& to) {
  const Lonely lonely(from, to);
  std::vector<Difference> found;
  const auto add = [&](const WrittenSetting* before, const WrittenSetting* after) {
    if (!lonely.has(after != nullptr ? *after : *before)) found.push_back(difference_of(before, after));
  };
  auto before = from.begin();
  auto after = to.begin();
  while (before != from.end() || after != to.end()) {
    if (after == to.end() || (before != from.end() && place_of(*before) < place_of(*after))) {
      add(&*before++, nullptr);
    } else if (before == from.end() || place_of(*after) < place_of(*before)) {
      add(nullptr, &*after++);
    } else {
      if (before->text != after->text) add(&*before, &*after);
      ++before;
      ++after;
    }
  }
  return found;
}

std::string comparable_text(const std::vector<WrittenSetting>& settings) {
  std::string text;
  for (const WrittenSetting& one : settings) {
    if (one.key != nullptr && one.key->secret) continue;
    const std::string key = one.key == nullptr
                                ? std::string()
                                : std::string(title_of(one.key->table)) + std::string(one.key->name);
    for (const std::string& part : {one.cluster, one.listener, key, one.text})
      text.append(std::to_string(part.size())).append(":").append(part);
    text += '\n';
  }
  return text;
}

}  // namespace kferry::config
