#include "connection/plain_transport.h"

#include "base/assert.h"

namespace kferry::connection {

const Failure& PlainTransport::failure() const {
  static const Failure none;
  KFERRY_ASSERT(false);
  return none;
}

}  // namespace kferry::connection
