// Lends structure walkers to the connections of a thread. A connection has one only while it is inside a
// described message; the thread keeps returned walkers for the next message, so that a frame costs no
// allocation.
#pragma once

#include <memory>

#include "kafka/structure_walker.h"

namespace kferry::kafka {

struct ReturnWalker {
  void operator()(StructureWalker* walker) const;
};
// Belongs to the thread that borrowed it.
using WalkerPtr = std::unique_ptr<StructureWalker, ReturnWalker>;
WalkerPtr borrow_walker();

}  // namespace kferry::kafka
