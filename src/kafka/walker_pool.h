// Structure walkers, lent to the connections of a thread. Only a connection that is inside a described message has
// one; the thread keeps those given back for the next message, so that a frame costs no allocation.
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
