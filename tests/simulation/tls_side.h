// TLS of a simulated client or broker, over any stream: the other end of what kferry speaks. Certificates are
// made once, by the openssl command.
#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "stream.h"
#include "tls/context.h"
#include "tls/engine.h"

namespace kferry::simulation {

// Of two listeners that share a socket.
std::string sni_domain(std::size_t listener);

// What kferry is given.
config::ListenerTls listener_tls();
// A certificate for the names below that domain alone.
config::ListenerTls listener_tls(std::size_t listener);
config::UpstreamTls upstream_tls();

std::unique_ptr<Stream> with_client_tls(std::unique_ptr<Stream> inner);
// Asks for `host` by SNI, and wants a certificate for it.
std::unique_ptr<Stream> with_client_tls(std::unique_ptr<Stream> inner, const std::string& host);
std::unique_ptr<Acceptor> with_broker_tls(std::unique_ptr<Acceptor> inner, bool terse);

}  // namespace kferry::simulation
