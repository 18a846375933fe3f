// A stable sort by a key. Not std::stable_sort: libstdc++ 12 implements that with what clang calls deprecated.
#pragma once

#include <map>
#include <type_traits>
#include <utility>
#include <vector>

namespace kferry {

// Sorts by `key_of(item)`; items with equal keys keep their order.
template <typename Item, typename KeyOf>
void sort_stably(std::vector<Item>& items, const KeyOf& key_of) {
  std::multimap<std::decay_t<decltype(key_of(items.front()))>, Item> sorted;
  for (Item& item : items) {
    auto key = key_of(item);
    sorted.emplace(std::move(key), std::move(item));
  }
  items.clear();
  for (auto& [key, item] : sorted) items.push_back(std::move(item));
}

}  // namespace kferry
