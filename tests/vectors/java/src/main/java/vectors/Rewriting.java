// What a client must be told instead: the addresses of a response changed on Kafka's own object.
//
// The mapping, the same in vectors_test.cc: node N is at port 20000 + N mod 1000 of host "k.example"; N mod 50 == 7
// has a host of 253 bytes, == 8 of 127, == 9 of 126. N mod 100 == 13 cannot be mapped.
package vectors;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.protocol.Message;

final class Rewriting {
  // Oldest and newest version of each decoded API.
  static final Map<Integer, int[]> TABLE = Map.of(0, new int[] {0, 13}, 1, new int[] {0, 18}, 3, new int[] {0, 13},
      10, new int[] {0, 6}, 18, new int[] {0, 5}, 55, new int[] {0, 2}, 60, new int[] {0, 2},
      78, new int[] {1, 2}, 79, new int[] {1, 2});
  // Carriers that only controllers speak.
  static final Set<Integer> CONTROLLERS_ONLY = Set.of(52, 53, 54, 58, 59, 82);
  static final int NEWEST_KEY = 94;
  static final int FIRST_VENDOR_KEY = 10_000;

  private Rewriting() {}

  static boolean decoded(int api, int version) {
    int[] range = TABLE.get(api);
    return range != null && range[0] <= version && version <= range[1];
  }

  static boolean mappable(int node) {
    return node % 100 != 13;
  }

  static String host(int node) {
    return switch (node % 50) {
      case 7 -> "k".repeat(253);
      case 8 -> "k".repeat(127);
      case 9 -> "k".repeat(126);
      default -> "k.example";
    };
  }

  static int port(int node) {
    return 20_000 + node % 1000;
  }

  // Changes `body` and returns what the view is to be taught: "-" nothing, or the field `learn` of a vector.
  static String rewrite(int api, int version, Message body) throws Exception {
    switch (api) {
      case 3: {
        String cluster = version < 2 || Fields.get(body, "clusterId") == null
            ? "~" : Frames.hex(((String) Fields.get(body, "clusterId")).getBytes("UTF-8"));
        Set<Integer> leftOut = unmappable(body, "brokers", "nodeId");
        if (version >= 1 && leftOut.contains(Fields.number(body, "controllerId"))) Fields.set(body, "controllerId", -1);
        leaders(body, leftOut::contains);
        return "F:" + cluster + ":" + nodes(body, "brokers", "nodeId");
      }
      case 75:
        leaders(body, id -> id >= 0 && !mappable(id));
        return "-";
      case 10:
        if (version >= 4) {
          List<String> learnt = new ArrayList<>();
          for (Message c : Fields.list(body, "coordinators")) coordinator(c, learnt);
          return "P:~:" + String.join(";", learnt);
        } else {
          List<String> learnt = new ArrayList<>();
          coordinator(body, learnt);
          return "P:~:" + String.join(";", learnt);
        }
      case 60: {
        boolean brokers = version < 1 || Fields.number(body, "endpointType") == 1;
        if (!brokers) {
          clear(body, "brokers");
          return "-";
        }
        String cluster = Frames.hex(((String) Fields.get(body, "clusterId")).getBytes("UTF-8"));
        boolean full = Fields.number(body, "errorCode") == 0;
        if (unmappable(body, "brokers", "brokerId").contains(Fields.number(body, "controllerId")))
          Fields.set(body, "controllerId", -1);
        return (full ? "F:" : "E:") + cluster + ":" + nodes(body, "brokers", "brokerId");
      }
      case 0:
        return version < 10 ? "-" : "P:~:" + nodes(body, "nodeEndpoints", "nodeId");
      case 1:
        return version < 16 ? "-" : "P:~:" + nodes(body, "nodeEndpoints", "nodeId");
      case 78:
      case 79:
        return "P:~:" + nodes(body, "nodeEndpoints", "nodeId");
      case 55:
        if (version >= 2)
          for (Message node : Fields.list(body, "nodes")) clear(node, "listeners");
        return "-";
      case 18:
        return versions(body);
      default:
        return "-";
    }
  }

  private static String nodes(Message body, String list, String id) throws Exception {
    List<String> learnt = new ArrayList<>();
    Set<Integer> told = new TreeSet<>();  // of a repeated id the first entry counts
    for (Iterator<Message> i = Fields.list(body, list).iterator(); i.hasNext();) {
      Message node = i.next();
      int number = Fields.number(node, id);
      if (number < 0) continue;
      learnt.add(entry(node, number));
      if (mappable(number) && told.add(number)) {
        Fields.set(node, "host", host(number));
        Fields.set(node, "port", port(number));
      } else {
        i.remove();
      }
    }
    return String.join(";", learnt);
  }

  private static Set<Integer> unmappable(Message body, String list, String id) throws Exception {
    Set<Integer> ids = new TreeSet<>();
    for (Message node : Fields.list(body, list))
      if (Fields.number(node, id) >= 0 && !mappable(Fields.number(node, id))) ids.add(Fields.number(node, id));
    return ids;
  }

  // Partitions that a broker without a port leads have no leader.
  private static void leaders(Message body, java.util.function.IntPredicate leftOut) throws Exception {
    for (Message topic : Fields.list(body, "topics"))
      for (Message partition : Fields.list(topic, "partitions")) {
        if (!leftOut.test(Fields.number(partition, "leaderId"))) continue;
        Fields.set(partition, "leaderId", -1);
        Fields.set(partition, "errorCode", (short) 5);
      }
  }

  private static void coordinator(Message c, List<String> learnt) throws Exception {
    int number = Fields.number(c, "nodeId");
    if (number < 0) return;
    learnt.add(entry(c, number));
    if (mappable(number)) {
      Fields.set(c, "host", host(number));
      Fields.set(c, "port", port(number));
    } else {
      Fields.set(c, "errorCode", (short) 15);
      Fields.set(c, "nodeId", -1);
      Fields.set(c, "host", "");
      Fields.set(c, "port", -1);
    }
  }

  private static String entry(Message node, int number) throws Exception {
    String host = Frames.hex(((String) Fields.get(node, "host")).getBytes("UTF-8"));
    return number + "," + host + "," + Fields.number(node, "port");
  }

  static void clear(Message message, String list) throws Exception {
    for (Iterator<Message> i = Fields.list(message, list).iterator(); i.hasNext();) {
      i.next();
      i.remove();
    }
  }

  private static String versions(Message body) throws Exception {
    Set<Integer> hidden = new TreeSet<>();
    Set<Integer> dropped = new TreeSet<>();
    for (Iterator<Message> i = Fields.list(body, "apiKeys").iterator(); i.hasNext();) {
      Message entry = i.next();
      int key = Fields.number(entry, "apiKey");
      int[] range = TABLE.get(key);
      if (CONTROLLERS_ONLY.contains(key) || (key > NEWEST_KEY && key < FIRST_VENDOR_KEY)) {
        hidden.add(key);
        i.remove();
      } else if (range != null) {
        if (Fields.number(entry, "minVersion") > range[1] || Fields.number(entry, "maxVersion") < range[0]) {
          dropped.add(key);
          i.remove();
        } else if (Fields.number(entry, "maxVersion") > range[1]) {
          Fields.set(entry, "maxVersion", (short) range[1]);
        }
      }
    }
    return "H:" + join(hidden) + ":" + join(dropped);
  }

  private static String join(Set<Integer> keys) {
    return String.join(",", keys.stream().map(String::valueOf).toList());
  }
}
