// What wolfSSL's error numbers say of the other side, in words for an operator. The library's own strings ("Buffer
// error, output too small or input too big") name its inner state and mislead, so none of them reaches a message.
// Pure; any thread.
#pragma once

#include <string>

namespace kferry::tls {

// Completes "the TLS handshake with the client failed: " for any error that ends a handshake or, with suites that
// stay in the library, an open connection.
std::string library_words(int error);

// Completes "the client sent a certificate " for an error of decoding one.
std::string certificate_words(int error);

}  // namespace kferry::tls
