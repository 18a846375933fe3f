#include "kafka/error_codes.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace kferry::kafka {

std::string error_name(std::int16_t code) {
  struct Row {
    std::int16_t code;
    std::string_view name;
  };
  // What a broker can answer to the requests of client_codec.h.
  static constexpr std::array rows{
      Row{-1, "UNKNOWN_SERVER_ERROR"},
      Row{0, "NONE"},
      Row{7, "REQUEST_TIMED_OUT"},
      Row{8, "BROKER_NOT_AVAILABLE"},
      Row{13, "NETWORK_EXCEPTION"},
      Row{29, "TOPIC_AUTHORIZATION_FAILED"},
      Row{31, "CLUSTER_AUTHORIZATION_FAILED"},
      Row{33, "UNSUPPORTED_SASL_MECHANISM"},
      Row{34, "ILLEGAL_SASL_STATE"},
      Row{35, "UNSUPPORTED_VERSION"},
      Row{41, "NOT_CONTROLLER"},
      Row{42, "INVALID_REQUEST"},
      Row{58, "SASL_AUTHENTICATION_FAILED"},
      Row{129, "REBOOTSTRAP_REQUIRED"},
  };
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& each) { return each.code == code; });
  return row == rows.end() ? "error " + std::to_string(code) : std::string(row->name);
}

}  // namespace kferry::kafka
