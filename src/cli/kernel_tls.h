// Whether this host's kernel does TLS, asked of the kernel itself and of no version number.
#pragma once

#include <string>

namespace kferry::cli {

// Attaches the `tls` protocol to a connection over loopback, which may load the module. Empty: it can; else
// why not.
std::string kernel_tls_refusal();

}  // namespace kferry::cli
