// Errors that mean this host or process has no room for another socket; the other end is not to blame for them.
#pragma once

#include <string_view>

namespace kferry {

// What an operator can do about an errno of this kind; empty for every other errno. Static storage.
std::string_view remedy_for_lack(int error);

}  // namespace kferry
