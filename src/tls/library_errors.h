// What wolfSSL's error numbers say about the other side, worded for an operator. wolfSSL's own strings ("Buffer error,
// output too small or input too big") describe its internal state and mislead, so they never appear in a message. Pure;
// any thread.
#pragma once

#include <string>

namespace kferry::tls {

// Completes "the TLS handshake with the client failed: ", for any error that ends a handshake or, with suites that stay
// with wolfSSL, an open connection.
std::string library_words(int error);

// Completes "the client sent a certificate ", for an error of decoding it.
std::string certificate_words(int error);

}  // namespace kferry::tls
