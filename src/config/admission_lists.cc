#include "config/admission_lists.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "config/text.h"

namespace kferry::config {
namespace {

constexpr std::string_view aws_prefix = "vpce-";

bool is_number_up_to(std::string_view digits, std::uint64_t max) {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return false;
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (max - digit) / 10) return false;
    value = value * 10 + digit;
  }
  return true;
}

bool is_endpoint(std::string_view text) {
  if (text.starts_with("azure:")) return is_number_up_to(text.substr(6), UINT32_MAX);
  if (text.starts_with("gcp:")) return is_number_up_to(text.substr(4), UINT64_MAX);
  return text.starts_with(aws_prefix) && text.size() > aws_prefix.size() &&
         std::ranges::all_of(text.substr(aws_prefix.size()),
                             [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
}

std::vector<std::string> parts_of(const std::vector<std::string>& items) {
  std::vector<std::string> parts;
  for (const std::string& item : items)
    for (std::string& part : split(item, ','))
      if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

}  // namespace

Parsed<std::vector<AddressRange>> parse_address_ranges(const std::vector<std::string>& items) {
  std::vector<AddressRange> ranges;
  for (const std::string& part : parts_of(items)) {
    const auto range = AddressRange::parse(part);
    if (!range) {
      return std::unexpected(Fault{quoted(part) + " is not a valid address or CIDR range",
                                   "write an address such as 192.0.2.7, or a range such as 10.0.0.0/8 or "
                                   "2001:db8::/32"});
    }
    ranges.push_back(*range);
  }
  if (ranges.empty())
    return std::unexpected(
        Fault{"the list is empty", "list at least one address or CIDR range, or remove it"});
  return ranges;
}

Parsed<std::vector<std::string>> parse_endpoints(const std::vector<std::string>& items) {
  std::vector<std::string> endpoints = parts_of(items);
  for (const std::string& endpoint : endpoints) {
    if (is_endpoint(endpoint)) continue;
    return std::unexpected(Fault{quoted(endpoint) + " is not a valid cloud endpoint",
                                 "write vpce-0123456789abcdef0 for AWS, azure: or gcp: and a number for the "
                                 "others"});
  }
  if (endpoints.empty())
    return std::unexpected(Fault{"the list is empty", "list at least one cloud endpoint, or remove it"});
  return endpoints;
}

}  // namespace kferry::config
