#include "base/host_lack.h"

#include <cerrno>
#include <cstring>

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

std::string lack_text(int error) {
  const std::string_view remedy = remedy_for_lack(error);
  return std::string(std::strerror(error)) + (remedy.empty() ? "" : ": ") + std::string(remedy);
}

std::string listen_failure_text(int error) {
  const char* remedy = "";
  if (error == EADDRINUSE) remedy = ": another process listens there (ss -ltnp shows which)";
  if (error == EADDRNOTAVAIL) remedy = ": no interface of this host has this address";
  if (error == EMFILE)
    remedy = ": raise the limit of open files (LimitNOFILE in the service) or list fewer ports";
  if (error == EACCES) remedy = ": ports below 1024 need CAP_NET_BIND_SERVICE";
  return std::string(std::strerror(error)) + remedy;
}

}  // namespace kferry
