// Records that are taken and given back by number. They stay where they are while others are made, and are used again:
// whoever takes one makes it new, whoever gives it back lets go of what it owns.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace kferry::ring {

template <class T>
class Places {
 public:
  std::uint32_t take() {
    if (free_.empty()) {
      records_.emplace_back();
      return static_cast<std::uint32_t>(records_.size() - 1);
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    return place;
  }
  void give_back(std::uint32_t place) { free_.push_back(place); }
  T& at(std::uint32_t place) { return records_[place]; }

  // Every record, free ones too.
  auto begin() { return records_.begin(); }
  auto end() { return records_.end(); }

 private:
  std::deque<T> records_;
  std::vector<std::uint32_t> free_;
};

}  // namespace kferry::ring
