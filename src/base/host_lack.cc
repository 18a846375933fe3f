#include "base/host_lack.h"

#include <cerrno>

namespace kferry {

std::string_view remedy_for_lack(int error) {
  switch (error) {
    case EMFILE:
      return "raise the limit of open files (LimitNOFILE= in the unit, or ulimit -n)";
    case ENFILE:
      return "raise this host's limit of open files (sysctl fs.file-max)";
    case ENOBUFS:
    case ENOMEM:
      return "this host or container is out of memory for sockets: give it more";
    case EADDRNOTAVAIL:
      return "this host has no address or no free local port for the connection: widen "
             "net.ipv4.ip_local_port_range, or look for what holds its ports (ss -tan)";
    default:
      return {};
  }
}

}  // namespace kferry
