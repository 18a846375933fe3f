// A client's connection before its session: the socket, who the client is, and what counts it.
#pragma once

#include <memory>

#include "base/socket_address.h"
#include "net/proxy_header.h"
#include "proxy/admission.h"
#include "ring/ring.h"

namespace kferry::proxy {

struct Visitor {
  ring::Socket socket = ring::Socket::none;
  // Of its PROXY protocol header, where that names one; else of the socket.
  SocketAddress address;
  std::unique_ptr<const net::ProxyHeader> header;  // null: it sent no header
  Admission::Ticket ticket;                        // empty until the listener is known

  Applicant applicant() const { return {address, header.get()}; }
};

}  // namespace kferry::proxy
