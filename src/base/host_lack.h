// Errors that mean this host or process has no room for another socket, or not at that address; the other end is not
// to blame for them.
#pragma once

#include <string>
#include <string_view>

namespace kferry {

// What an operator can do about an errno of this kind; empty for every other errno. Static storage.
std::string_view remedy_for_lack(int error);
// The errno's text, followed by the remedy where there is one: "Too many open files: raise …".
std::string lack_text(int error);
// Why a socket cannot be bound or cannot listen, in the same form.
std::string listen_failure_text(int error);

}  // namespace kferry
