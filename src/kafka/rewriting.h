// Turns what was found in a response into what the client gets. Bytes to bytes.
#pragma once

#include <cstddef>
#include <span>

#include "kafka/cluster_view.h"
#include "kafka/findings.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// Tells the view the brokers that the response names, except ids below 0. False: they belong to another
// cluster.
bool teach(const Findings& found, ApiKey source, bool full, ClusterView& cluster);

// Each function below returns the replacement of the kept bytes. The frame's length, if they include it, is
// still the old one. With `size_max`, which is how much may be held, they stop beyond it, since clients' addresses may
// be longer than brokers': a replacement that is longer is cut, and may not leave.

// Metadata, DescribeCluster: a broker that cannot be mapped is left out, and noted in `found`; an id that has
// occurred before is left out, too.
Bytes with_mapped_brokers(Findings& found, ApiKey source, bool compact, ClusterView& cluster,
                          std::size_t size_max);
// DescribeCluster of controllers: the list becomes empty.
Bytes without_brokers(const Findings& found, bool compact);
// FindCoordinator: one that cannot be mapped becomes error 15, id -1, host "", port -1.
Bytes with_mapped_coordinators(Findings& found, bool compact, ClusterView& cluster, std::size_t size_max);
// DescribeQuorum: every list of listeners becomes empty.
Bytes with_blanked_lists(const Findings& found, bool compact);
// The tail of Produce, Fetch, ShareFetch and ShareAcknowledge, which has the node endpoints as tag 0 or
// before the tag section. Each id once.
Bytes with_mapped_nodes(Findings& found, ApiKey source, ClusterView& cluster, std::size_t size_max);
// The same tail without node endpoints, in exactly as many bytes: an unknown tag of zeros replaces them
// (docs/protocol.md section 5). It comes after the other tags, because kafka-python and Java expect tags
// in ascending order.
Bytes neutralised(const Findings& found);

}  // namespace kferry::kafka
