#include "connection/owner.h"

#include "base/assert.h"

namespace kferry::connection {

void Owner::on_spliced(Leg& /*leg*/, std::uint64_t /*size*/) {
  KFERRY_ASSERT(false);
}

void Owner::on_left(Leg& /*leg*/) {
  KFERRY_ASSERT(false);
}

}  // namespace kferry::connection
