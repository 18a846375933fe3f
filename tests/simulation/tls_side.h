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

// What kferry is given.
config::ListenerTls listener_tls();
config::UpstreamTls upstream_tls();

std::unique_ptr<Stream> with_client_tls(std::unique_ptr<Stream> inner);
std::unique_ptr<Stream> with_broker_tls(std::unique_ptr<Stream> inner);
std::unique_ptr<Acceptor> with_broker_tls(std::unique_ptr<Acceptor> inner);

}  // namespace kferry::simulation
