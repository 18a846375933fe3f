// Turns what was found in a response into what a client is to be told. Bytes to bytes; teaches the view
// first.
#pragma once

#include <span>

#include "kafka/cluster_view.h"
#include "kafka/findings.h"
#include "kafka/wire.h"

namespace kferry::kafka {

// Teaches the view what the response names, brokers without ids below 0. False: it is of another cluster.
bool teach(const Findings& found, ApiKey source, bool full, ClusterView& cluster);

// Each returns what replaces the kept octets; the frame's length, if among them, is still the old one.

// Metadata, DescribeCluster: a broker that cannot be mapped is left out.
Bytes with_mapped_brokers(const Findings& found, ApiKey source, bool compact, ClusterView& cluster);
// DescribeCluster of anything but brokers: an empty list.
Bytes without_brokers(const Findings& found, bool compact);
// FindCoordinator: one that cannot be mapped becomes error 15, id -1, host "", port -1.
Bytes with_mapped_coordinators(Findings& found, bool compact, ClusterView& cluster);
// DescribeQuorum: every list of listeners becomes empty.
Bytes with_blanked_lists(const Findings& found, bool compact);
// The tail of Produce, Fetch, ShareFetch and ShareAcknowledge: node endpoints, as tag 0 or before the tag
// section.
Bytes with_mapped_nodes(const Findings& found, ApiKey source, ClusterView& cluster);
// The same tail without node endpoints in exactly as many octets: an unknown tag of zeros stands in for them
// (protocol.md 5), after the other tags, because kafka-python and Java want ascending tags.
Bytes neutralised(const Findings& found);

}  // namespace kferry::kafka
