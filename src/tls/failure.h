// Failures of TLS are those of certificates, with causes of their own.
#pragma once

#include "x509/failure.h"

namespace kferry::tls {

using x509::Failure;

}  // namespace kferry::tls
