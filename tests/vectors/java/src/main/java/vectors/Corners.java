// The shapes worth covering beside chance: counts and lengths where an encoding changes, nulls, tags, ids.
package vectors;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import vectors.Filler.Shape;

final class Corners {
  private static final int[] COUNTS = {0, 1, 2, 126, 127, 128, 300};
  private static final int[] HOST_SIZES = {0, 1, 125, 126, 127, 128, 253};
  private static final int[] RECORD_SIZES = {0, 1, 126, 127, 128, 129, 16_382, 16_383, 16_384, 60_000};
  private static final int[] UNMAPPABLE = {13, 113, 213, 313, 1013};

  private Corners() {}

  static String addressList(int api) {
    return switch (api) {
      case 3, 60 -> "Brokers";
      case 10 -> "Coordinators";
      case 0, 1, 78, 79 -> "NodeEndpoints";
      case 55 -> "Nodes";
      default -> "";
    };
  }

  // True where a response streams and can be neutralised.
  static boolean streams(int api, int version) {
    return (api == 1 && version >= 16) || api == 78 || api == 79;
  }

  static Map<String, Shape> of(int api, int version, boolean all) {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    String list = addressList(api);
    Supplier<Shape> some = () -> {
      Shape s = new Shape();
      if (!list.isEmpty()) s.count(list, 3);
      if (api == 60 && version >= 1) s.value("EndpointType", (byte) 1);
      return s;
    };
    Shape full = some.get();
    full.tags = 1;
    full.nulls = 0;
    full.listMax = 2;
    shapes.put("tags_everywhere", full);
    Shape nulls = some.get();
    nulls.nulls = 1;
    nulls.tags = 0;
    shapes.put("all_null", nulls);
    shapes.put("plain", some.get().quiet());
    Shape none = some.get().quiet();
    none.nodes = new int[] {-1, -1, -1};
    shapes.put("id_below_zero", none);
    Shape lost = some.get();
    lost.nodes = UNMAPPABLE;
    lost.value("LeaderId", 13).value("ControllerId", 113);
    shapes.put("none_mappable", lost);
    Shape mixed = some.get();
    mixed.nodes = new int[] {13, 7, 113};
    mixed.value("LeaderId", 113).value("ControllerId", 13);
    shapes.put("middle_mappable", mixed);
    Shape grown = some.get();
    grown.nodes = new int[] {8, 9, 57};
    shapes.put("long_advertised", grown);
    Shape big = some.get();
    big.nodes = new int[] {Integer.MAX_VALUE, 0, Integer.MAX_VALUE - 1};
    shapes.put("largest_ids", big);
    Shape v6 = some.get();
    v6.host = "2001:db8:0:0:1:2:3:4";
    shapes.put("ipv6", v6);
    for (int n : HOST_SIZES) {
      shapes.put("host_" + n, some.get().size("Host", n));
      shapes.put("rack_" + n, some.get().size("Rack", n));
    }
    for (int n : new int[] {0, 126, 127, 128}) shapes.put("cluster_" + n, some.get().size("ClusterId", n));
    for (int n : COUNTS) {
      if (!list.isEmpty()) shapes.put("nodes_" + n, some.get().quiet().count(list, n));
      for (String inner : new String[] {"Topics", "Partitions", "Responses", "PartitionResponses"})
        if (n > 2 && n < 300) shapes.put(inner + "_" + n, some.get().quiet().count(inner, n));
    }
    for (int n : new int[] {0, 1, 127, 128, 200}) {
      Shape tagged = some.get().quiet();
      tagged.topTags = n;
      shapes.put("top_tags_" + n, tagged);
    }
    Shape empty = some.get();
    for (String l : new String[] {"Topics", "Responses", "Partitions", "Brokers"}) empty.count(l, 0);
    shapes.put("empty", empty);
    if (api == 1 || api == 78) records(api, some, shapes, all);
    if (api == 60 && version >= 1) {
      shapes.put("controllers", some.get().value("EndpointType", (byte) 2));
      shapes.put("endpoint_type_0", some.get().value("EndpointType", (byte) 0));
    }
    if (api == 60) shapes.put("no_error", some.get().value("ErrorCode", (short) 0));
    if (streams(api, version)) gaps(list, some, shapes);
    return shapes;
  }

  private static void records(int api, Supplier<Shape> some, Map<String, Shape> shapes, boolean all) {
    String topics = "Responses";
    for (int n : RECORD_SIZES)
      shapes.put("records_" + n, some.get().quiet().count(topics, 1).count("Partitions", 1).size("Records", n));
    shapes.put("large", some.get().quiet().count(topics, 1).count("Partitions", 1).size("Records", 70_000));
    Shape tagged = some.get().count(topics, 1).count("Partitions", 3).size("Records", 33_000);
    tagged.tags = 1;
    shapes.put("large_tagged", tagged);
    shapes.put("large_quiet", some.get().quiet().count(topics, 1).count("Partitions", 2).size("Records", 50_000)
        .count("NodeEndpoints", 0));
    shapes.put("large_200_nodes",
        some.get().quiet().count(topics, 2).count("Partitions", 2).size("Records", 20_000).count("NodeEndpoints", 200));
    if (all) shapes.put("huge", some.get().quiet().count(topics, 1).count("Partitions", 2).size("Records", 2_097_152));
    if (api == 1)
      for (int n : new int[] {0, 1, 126, 127, 128})
        shapes.put("aborted_" + n,
            some.get().quiet().count(topics, 1).count("Partitions", 1).count("AbortedTransactions", n));
    else
      for (int n : new int[] {0, 1, 126, 127, 128})
        shapes.put("acquired_" + n,
            some.get().quiet().count(topics, 1).count("Partitions", 1).count("AcquiredRecords", n));
  }

  // Node lists of every size around those where the length of what replaces them changes its own length.
  private static void gaps(String list, Supplier<Shape> some, Map<String, Shape> shapes) {
    for (int n = 100; n <= 136; ++n)
      for (int tags : new int[] {0, 1, 127}) {
        Shape s = some.get().quiet().count(list, 1).size("Host", n);
        s.topTags = tags;
        shapes.put("gap_" + n + "_" + tags, s);
      }
    // 61 nodes of 1 + 253 + 14 bytes are 16,348 and one more takes it to either side of 16,387.
    for (int n = 240; n <= 276; ++n) {
      Shape s = some.get().quiet().count(list, 61).size("Host", n);
      s.topTags = n % 2;
      shapes.put("gap_61_" + n, s);
    }
    for (int n = 16_360; n <= 16_384; ++n)
      shapes.put("gap_" + n, some.get().quiet().count(list, 1).size("Host", n));
  }
}
