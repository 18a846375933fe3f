// A number with its noun in the right form: "1 broker", "3 brokers". Pure.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace kferry {

template <std::integral Number>
std::string counted(Number count, std::string_view one, std::string_view many) {
  return std::to_string(count).append(" ").append(count == 1 ? one : many);
}

// For nouns whose plural only adds an s.
template <std::integral Number>
std::string counted(Number count, std::string_view noun) {
  return counted(count, noun, std::string(noun) + "s");
}

}  // namespace kferry
