// What this host's kernel does of TLS, asked of the kernel itself and of no version number.
#pragma once

#include <string>

namespace kferry::ring {

struct KernelTls {
  // Empty: connections can be given to it; else why not.
  std::string refusal;
  // Whether a connection's keys can be changed (TLS 1.3; Linux 6.14).
  bool changes_keys = false;
};

// Tries it on a connection over loopback, which may load the module. Takes a millisecond or so.
KernelTls probe_kernel_tls();
// Its changes_keys, found out once in a process. Any thread.
bool kernel_tls_changes_keys();

}  // namespace kferry::ring
