// What this host's kernel can do of TLS (Ring::set_tls_key), found by trying it, never by version number.
#pragma once

#include <string>

namespace kferry::ring {

struct KernelTls {
  // Why connections cannot be handed to the kernel; empty if they can.
  std::string refusal;
  // Whether a connection's key can be replaced (TLS 1.3, Linux 6.14).
  bool changes_keys = false;
};

// Tries it on a connection over loopback, which may load the kernel's tls module. Takes about a millisecond.
KernelTls probe_kernel_tls();
// KernelTls::changes_keys, probed once per process. Any thread.
bool kernel_tls_changes_keys();

}  // namespace kferry::ring
