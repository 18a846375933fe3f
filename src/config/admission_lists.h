// Lists of who may connect, as in `allow_from` and `allow_endpoints`. Pure; a failure says what is wrong and what to
// write instead.
#pragma once

#include <string>
#include <vector>

#include "base/address_range.h"
#include "config/fault.h"

namespace kferry::config {

// Addresses and CIDR ranges, at least one: each item is one, or a comma list.
Parsed<std::vector<AddressRange>> parse_address_ranges(const std::vector<std::string>& items);
// Endpoints of clouds, at least one, as net::CloudEndpoint::text() writes them: "vpce-…", "azure:N", "gcp:N".
Parsed<std::vector<std::string>> parse_endpoints(const std::vector<std::string>& items);

}  // namespace kferry::config
