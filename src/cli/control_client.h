// Asks the kferry that runs on this host, by its control socket. For the verbs that do so.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "operations/json_object.h"

namespace kferry::cli {

// Where the control socket is: `given`, or what the configuration says, errors elsewhere in it notwithstanding.
std::string control_path(const std::optional<std::string>& given,
                         const std::optional<std::string>& config_path);

// The lines of the answer to a request (operations/control_server.h), the result last; `on_line` gets each as it comes.
// The error says why none came, and what to do.
std::expected<std::vector<operations::JsonObject>, std::string> ask_control(
    const std::string& path, const operations::JsonObject& request,
    const std::function<void(const operations::JsonObject&)>& on_line = [](const operations::JsonObject&) {});

}  // namespace kferry::cli
