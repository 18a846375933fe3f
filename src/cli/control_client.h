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

// As ask_control for `kferry VERB`, which prints the error. nullopt: it has.
std::optional<std::vector<operations::JsonObject>> ask_or_explain(
    const std::string& verb, const std::string& path, const operations::JsonObject& request,
    const std::function<void(const operations::JsonObject&)>& on_line = [](const operations::JsonObject&) {});

// A line's text as a terminal may show it.
std::string shown_text(const operations::JsonObject& line);
// Prints the text of a result, on standard error where it is not well. True: it is.
bool print_result(const operations::JsonObject& result);

}  // namespace kferry::cli
