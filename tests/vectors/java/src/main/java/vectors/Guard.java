// Notices a new Kafka release: fails when the jar knows a version, an API or an address field that is not judged yet.
package vectors;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.common.message.ApiMessageType;

final class Guard {
  private static final Pattern ADDRESS = Pattern.compile("(?i)host|port$|endpoint|listener|address|url");

  // Every field of a response that looks like an address, and was judged.
  private static final Set<String> JUDGED = Set.of(
      // rewritten
      "Metadata:Brokers.Host", "Metadata:Brokers.Port", "FindCoordinator:Host", "FindCoordinator:Port",
      "FindCoordinator:Coordinators.Host", "FindCoordinator:Coordinators.Port", "DescribeCluster:EndpointType",
      "DescribeCluster:Brokers.Host", "DescribeCluster:Brokers.Port", "Produce:NodeEndpoints",
      "Produce:NodeEndpoints.Host", "Produce:NodeEndpoints.Port", "Fetch:NodeEndpoints",
      "Fetch:NodeEndpoints.Host", "Fetch:NodeEndpoints.Port", "ShareFetch:NodeEndpoints",
      "ShareFetch:NodeEndpoints.Host", "ShareFetch:NodeEndpoints.Port", "ShareAcknowledge:NodeEndpoints",
      "ShareAcknowledge:NodeEndpoints.Host", "ShareAcknowledge:NodeEndpoints.Port",
      "DescribeQuorum:Nodes.Listeners", "DescribeQuorum:Nodes.Listeners.Host", "DescribeQuorum:Nodes.Listeners.Port",
      // hidden: only controllers speak them
      "Vote:NodeEndpoints", "Vote:NodeEndpoints.Host", "Vote:NodeEndpoints.Port", "BeginQuorumEpoch:NodeEndpoints",
      "BeginQuorumEpoch:NodeEndpoints.Host", "BeginQuorumEpoch:NodeEndpoints.Port", "EndQuorumEpoch:NodeEndpoints",
      "EndQuorumEpoch:NodeEndpoints.Host", "EndQuorumEpoch:NodeEndpoints.Port", "FetchSnapshot:NodeEndpoints",
      "FetchSnapshot:NodeEndpoints.Host", "FetchSnapshot:NodeEndpoints.Port", "UpdateRaftVoter:CurrentLeader.Host",
      "UpdateRaftVoter:CurrentLeader.Port",
      // clients' and applications' own addresses, principals' hosts
      "DescribeGroups:Groups.Members.ClientHost", "ConsumerGroupDescribe:Groups.Members.ClientHost",
      "ShareGroupDescribe:Groups.Members.ClientHost", "StreamsGroupDescribe:Groups.Members.ClientHost",
      "StreamsGroupDescribe:Groups.Members.UserEndpoint", "StreamsGroupDescribe:Groups.Members.UserEndpoint.Host",
      "StreamsGroupDescribe:Groups.Members.UserEndpoint.Port", "StreamsGroupHeartbeat:EndpointInformationEpoch",
      "StreamsGroupHeartbeat:PartitionsByUserEndpoint", "StreamsGroupHeartbeat:PartitionsByUserEndpoint.UserEndpoint",
      "StreamsGroupHeartbeat:PartitionsByUserEndpoint.UserEndpoint.Host",
      "StreamsGroupHeartbeat:PartitionsByUserEndpoint.UserEndpoint.Port", "DescribeAcls:Resources.Acls.Host",
      "DeleteAcls:FilterResults.MatchingAcls.Host");

  private Guard() {}

  static List<String> complaints(boolean newest) throws Exception {
    List<String> result = new ArrayList<>();
    for (ApiMessageType api : ApiMessageType.values()) {
      if (api.apiKey() > Rewriting.NEWEST_KEY)
        result.add("API " + api.apiKey() + " " + api.name + " is newer than " + Rewriting.NEWEST_KEY
            + ": read its response, then raise the newest known key");
      int[] range = Rewriting.TABLE.get((int) api.apiKey());
      if (range != null && newest && api.highestSupportedVersion(false) != range[1])
        result.add(api.name + " is decoded up to version " + range[1] + " and kafka-clients speaks "
            + api.highestSupportedVersion(false) + ": read its schema, then add the row");
      Set<String> found = new TreeSet<>();
      boolean[] carriesNode = {false};
      scan(Schema.load(api.name + "Response").fields, "", found, carriesNode);
      for (String path : found)
        if (!JUDGED.contains(api.name + ":" + path))
          result.add(api.name + "Response has " + path + ", which is not judged yet: does it name a broker's address?");
      if (carriesNode[0] && range == null && !Rewriting.CONTROLLERS_ONLY.contains((int) api.apiKey()))
        result.add(api.name + "Response names brokers with host and port and is neither decoded nor hidden");
    }
    return result;
  }

  // A struct with a broker's id beside a host or a port is an address, whatever its name.
  private static void scan(List<Schema.Field> fields, String path, Set<String> found, boolean[] carriesNode) {
    boolean id = false;
    boolean address = false;
    for (Schema.Field f : fields) {
      if (f.versions().max() < f.versions().min() && f.tagged().max() < f.tagged().min()) continue;
      if (ADDRESS.matcher(f.name()).find()) found.add(path + f.name());
      id |= f.entity().equals("brokerId") || f.name().equals("NodeId");
      address |= f.name().equals("Host") || f.name().equals("Port") || f.name().equals("Listeners");
      if (f.fields() != null) scan(f.fields(), path + f.name() + ".", found, carriesNode);
    }
    carriesNode[0] |= id && address;
  }
}
