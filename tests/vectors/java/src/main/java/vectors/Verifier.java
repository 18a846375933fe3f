// Reads what vectors_test made of responses it could not rewrite exactly (size-preserving neutralisation) with
// Kafka's own parser: no node endpoint, no upstream host in any byte, everything else as it was.
package vectors;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.RawTaggedField;

final class Verifier {
  private static final int NEUTRAL_TAG = 0x7F;

  private Verifier() {}

  // Arguments: VECTORS NEUTRALISED. NEUTRALISED has lines of `<name> <frame>`.
  public static void main(String[] args) throws Exception {
    Map<String, String[]> originals = new HashMap<>();
    try (BufferedReader in = Files.newBufferedReader(Path.of(args[0]))) {
      for (String line; (line = in.readLine()) != null;) {
        if (!line.startsWith("response ")) continue;
        String[] f = line.split(" ");
        if (f[3].contains("s")) originals.put(f[4], f);
      }
    }
    int good = 0;
    List<String> bad = new ArrayList<>();
    try (BufferedReader in = Files.newBufferedReader(Path.of(args[1]))) {
      for (String line; (line = in.readLine()) != null;) {
        String[] f = line.split(" ");
        String[] original = originals.get(f[0]);
        String why = original == null ? "is not in the vectors" : judge(original, HexFormat.of().parseHex(f[1]));
        if (why == null) ++good;
        else bad.add(f[0] + ": " + why);
      }
    }
    bad.stream().limit(20).forEach(b -> System.err.println("FAIL " + b));
    System.out.println("neutralised frames read by Kafka's parser: " + good + " passed, " + bad.size() + " failed");
    if (good == 0 || !bad.isEmpty()) System.exit(1);
  }

  private static String judge(String[] original, byte[] frame) {
    try {
      ApiMessageType api = ApiMessageType.fromApiKey(Short.parseShort(original[1]));
      short version = Short.parseShort(original[2]);
      byte[] before = HexFormat.of().parseHex(original[7]);
      if (frame.length != before.length) return "size " + frame.length + ", was " + before.length;
      Message was = Frames.parse(api, version, before);
      Message now = Frames.parse(api, version, frame);
      if (Fields.list(now, "nodeEndpoints").iterator().hasNext()) return "a node endpoint is left";
      // Its random records may hold a short host by chance; the longer ones never.
      String text = new String(frame, StandardCharsets.ISO_8859_1);
      for (Message node : Fields.list(was, "nodeEndpoints")) {
        String host = (String) Fields.get(node, "host");
        if (host.length() >= 6 && text.contains(host)) return "host " + host + " is left";
      }
      boolean had = Fields.list(was, "nodeEndpoints").iterator().hasNext();
      Rewriting.clear(was, "nodeEndpoints");
      List<RawTaggedField> tags = now.unknownTaggedFields();
      if (had) {
        int at = -1;
        for (int i = 0; i < tags.size(); ++i)
          if (tags.get(i).tag() == NEUTRAL_TAG && zeros(tags.get(i).data())) at = i;
        if (at < 0) return "no zeroed tag 127 stands in for the node endpoints";
        boolean order = tags.size() < 2 || ascending(was.unknownTaggedFields()) && at == place(tags, at);
        if (!order) return "tag 127 is out of order";
        tags.remove(at);
      }
      if (!now.equals(was)) return "content changed";
      return null;
    } catch (Exception e) {
      return e.toString();
    }
  }

  private static boolean zeros(byte[] bytes) {
    for (byte b : bytes)
      if (b != 0) return false;
    return true;
  }

  private static boolean ascending(List<RawTaggedField> tags) {
    for (int i = 1; i < tags.size(); ++i)
      if (tags.get(i - 1).tag() >= tags.get(i).tag()) return false;
    return true;
  }

  // Where the neutral tag belongs. Beside tags above 127 it may also stand last: the generated parsers and the C
  // clients do not care, and none of these tags exists in Kafka.
  private static int place(List<RawTaggedField> tags, int at) {
    if (at == tags.size() - 1) return at;
    for (int i = 0; i < tags.size(); ++i)
      if (i != at && (i < at) != (tags.get(i).tag() < NEUTRAL_TAG)) return -1;
    return at;
  }
}
