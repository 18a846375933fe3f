// Writes test vectors, one a line, fields parted by one blank; "-" is an absent field.
//
//   table <api> <lowest> <highest>
//   request <api> <version> <expect> <name> <correlation id> <client id hex> <asked node> <frame> [<own answer>]
//     expect: queued, unanswered (acks 0), hidden (refused unless in pass_api_keys), refused, own
//   response <api> <version> <marks> <name> <learn> <request> <before> <after or "=">
//     marks: r every split and truncation, s streams, h hidden API, "-" none
//     learn: F:<cluster hex or ~>:<id>,<host hex>,<port>;… full list; P: partial, E: partial or none;
//            H:<hidden keys>:<dropped keys>; "-" nothing
package vectors;

import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Message;
import vectors.Filler.Shape;

final class Generator {
  private final PrintStream out;
  private final Random random;
  private final int rounds;
  private final boolean all;
  private final Set<String> skip = new HashSet<>();
  private int requests = 0;
  private int responses = 0;

  private Generator(PrintStream out, long seed, int rounds, boolean all) {
    this.out = out;
    random = new Random(seed);
    this.rounds = rounds;
    this.all = all;
  }

  // Arguments: OUT SEED ROUNDS quick|all [FILE of a newer version, whose APIs and versions are not repeated]
  public static void main(String[] args) throws Exception {
    List<String> complaints = Guard.complaints(args.length < 5);
    if (!complaints.isEmpty()) {
      complaints.forEach(c -> System.err.println("schema guard: " + c));
      System.exit(1);
    }
    try (PrintStream out = new PrintStream(new java.io.BufferedOutputStream(Files.newOutputStream(Path.of(args[0])), 1 << 20))) {
      Generator g = new Generator(out, Long.parseLong(args[1]), Integer.parseInt(args[2]), args[3].equals("all"));
      if (args.length > 4)
        for (String line : Files.readAllLines(Path.of(args[4]))) {
          if (!line.startsWith("table ")) continue;
          String[] f = line.split(" ");
          for (int v = Integer.parseInt(f[2]); v <= Integer.parseInt(f[3]); ++v) g.skip.add(f[1] + "." + v);
        }
      g.run(args.length > 4);
      System.out.println(g.requests + " requests, " + g.responses + " responses");
    }
  }

  private void run(boolean older) throws Exception {
    for (ApiMessageType api : ApiMessageType.values()) {
      short lowest = api.lowestSupportedVersion();
      short highest = api.highestSupportedVersion(true);
      if (highest >= lowest) out.println("table " + api.apiKey() + " " + lowest + " " + highest);
    }
    for (ApiMessageType api : ApiMessageType.values())
      for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); ++v)
        if (!skip.contains(api.apiKey() + "." + v)) version(api, v);
    if (!older) beyond();
  }

  private void version(ApiMessageType api, short v) throws Exception {
    boolean decodedApi = Rewriting.TABLE.containsKey((int) api.apiKey());
    requests(api, v);
    if (decodedApi && !Rewriting.decoded(api.apiKey(), v)) return;
    Schema schema = Schema.load(api.name + "Response");
    if (!decodedApi) {
      for (int i = 0; i < Math.max(3, rounds / 3); ++i) {
        Shape shape = new Shape();
        if (i == 0) shape.tags = 1;
        if (i == 1) shape.nulls = 1;
        response(api, v, v, i == 0 ? "r" : "-", "other_" + i, fill(api, schema, shape, v));
      }
      return;
    }
    for (Map.Entry<String, Shape> e : Corners.of(api.apiKey(), v, all).entrySet())
      response(api, v, v, marks(e.getKey()), e.getKey(), fill(api, schema, e.getValue(), v));
    for (int i = 0; i < rounds; ++i)
      response(api, v, v, i < 2 ? "r" : "-", "random_" + i, fill(api, schema, new Shape(), v));
    if (api.apiKey() == 18) apiVersions(api, v, schema);
  }

  private static String marks(String name) {
    return switch (name) {
      case "tags_everywhere", "all_null", "plain", "none_mappable", "middle_mappable", "id_below_zero", "top_tags_1",
          "empty", "nodes_0", "controllers" -> "r";
      default -> "-";
    };
  }

  private Message fill(ApiMessageType api, Schema schema, Shape shape, short v) throws Exception {
    if (api.apiKey() == 18) {
      // Only version 0 may carry error 35; the list is filled apart.
      if (!shape.values.containsKey("ErrorCode")) shape.value("ErrorCode", (short) (random.nextInt(4) == 0 ? 42 : 0));
      shape.count("ApiKeys", 0);
      Message body = new Filler(random, shape, schema, v).fill(api.newResponse());
      ranges(body, random.nextInt(12), shape.tags > 0.5 && v >= 3);
      return body;
    }
    if (api.apiKey() == 60 && v >= 1) shape.values.putIfAbsent("EndpointType", (byte) (random.nextInt(4) == 0 ? 2 : 1));
    return new Filler(random, shape, schema, v).fill(api.newResponse());
  }

  @SuppressWarnings("unchecked")
  private void ranges(Message body, int count, boolean tags) throws Exception {
    Collection<Object> list = (Collection<Object>) Fields.get(body, "apiKeys");
    int[] telling = {0, 1, 3, 10, 18, 55, 60, 78, 79, 52, 53, 54, 58, 59, 82, 94, 95, 9_999, 10_000, 32_767};
    for (int i = 0; i < count; ++i) {
      int key = random.nextInt(3) == 0 ? random.nextInt(120) : telling[random.nextInt(telling.length)];
      int low = random.nextInt(3) == 0 ? random.nextInt(30) : random.nextInt(2);
      range(list, key, low, low + random.nextInt(25), tags);
    }
  }

  private void range(Collection<Object> list, int key, int low, int high, boolean tags) throws Exception {
    Message e = (Message) Class.forName("org.apache.kafka.common.message.ApiVersionsResponseData$ApiVersion")
        .getDeclaredConstructor().newInstance();
    Fields.set(e, "apiKey", (short) key);
    Fields.set(e, "minVersion", (short) low);
    Fields.set(e, "maxVersion", (short) high);
    if (tags)
      e.unknownTaggedFields().add(
          new org.apache.kafka.common.protocol.types.RawTaggedField(random.nextInt(300), new byte[] {7}));
    list.add(e);
  }

  @SuppressWarnings("unchecked")
  private void apiVersions(ApiMessageType api, short v, Schema schema) throws Exception {
    for (int n : new int[] {0, 1, 126, 127, 128, 300}) {
      Message body = new Filler(random, new Shape().value("ErrorCode", (short) 0).count("ApiKeys", 0), schema, v)
          .fill(api.newResponse());
      ranges(body, n, false);
      response(api, v, v, "-", "ranges_" + n, body);
    }
    Message broker = api.newResponse();
    Collection<Object> list = (Collection<Object>) Fields.get(broker, "apiKeys");
    for (ApiMessageType t : ApiMessageType.values())
      if (t.highestSupportedVersion(true) >= t.lowestSupportedVersion())
        range(list, t.apiKey(), t.lowestSupportedVersion(), t.highestSupportedVersion(true) + 1, false);
    range(list, 78, 0, 0, false);
    response(api, v, v, "r", "one_newer_of_everything", broker);
    // Error 35: a body of version 0, whatever was asked.
    for (int n : new int[] {0, 1, 5}) {
      Message refusal = api.newResponse();
      Fields.set(refusal, "errorCode", (short) 35);
      Collection<Object> l = (Collection<Object>) Fields.get(refusal, "apiKeys");
      range(l, 18, 0, 9, false);
      ranges(refusal, n, false);
      response(api, v, (short) 0, "r", "error_35_" + n, refusal);
    }
  }

  private void response(ApiMessageType api, short v, short bodyVersion, String marks, String name, Message body)
      throws Exception {
    int correlation = random.nextInt();
    boolean tags = random.nextInt(4) == 0 || name.equals("tags_everywhere");
    byte[] before = Frames.response(api, v, bodyVersion, correlation, tags, body);
    String learn = Rewriting.rewrite(api.apiKey(), bodyVersion, body);
    byte[] after = Frames.response(api, v, bodyVersion, correlation, tags, body);
    if (Corners.streams(api.apiKey(), v)) marks = marks.equals("-") ? "s" : marks + "s";
    if (Rewriting.CONTROLLERS_ONLY.contains((int) api.apiKey())) marks = marks.equals("-") ? "h" : marks + "h";
    Message request = new Filler(random, requestShape(api).quiet(), Schema.load(api.name + "Request"), v)
        .fill(api.newRequest());
    String beforeHex = Frames.hex(before);
    String afterHex = Frames.hex(after);
    out.println("response " + api.apiKey() + " " + v + " " + marks + " " + api.name + "." + v + "." + name + " " + learn
        + " " + Frames.hex(Frames.request(api, v, correlation, "c", false, request)) + " " + beforeHex + " "
        + (beforeHex.equals(afterHex) ? "=" : afterHex));
    ++responses;
  }

  private static Shape requestShape(ApiMessageType api) {
    Shape shape = new Shape();
    if (api.apiKey() == 0) shape.value("Acks", (short) -1);
    return shape;
  }

  private void requests(ApiMessageType api, short v) throws Exception {
    Schema schema = Schema.load(api.name + "Request");
    String expect = "queued";
    if (Rewriting.CONTROLLERS_ONLY.contains((int) api.apiKey())) expect = "hidden";
    if (Rewriting.TABLE.containsKey((int) api.apiKey()) && !Rewriting.decoded(api.apiKey(), v)) expect = "refused";
    int count = Math.max(6, rounds / 2);
    for (int i = 0; i < count; ++i) {
      Shape shape = requestShape(api);
      if (i == 1) shape.tags = 1;
      if (i == 2) shape.nulls = 1;
      String client = switch (i) {
        case 0 -> "client-1";
        case 1 -> null;
        case 2 -> "";
        case 3 -> "c".repeat(255);
        case 4 -> "c".repeat(api.apiKey() == 3 || api.apiKey() == 18 ? 32_767 : 300);
        default -> "c".repeat(random.nextInt(40));
      };
      if (api.apiKey() != 0) {
        request(api, v, expect, "request_" + i, client, i % 3 == 1, new Filler(random, shape, schema, v).fill(api.newRequest()));
        continue;
      }
      for (int acks : new int[] {0, 1, -1}) {
        shape.value("Acks", (short) acks);
        for (Object id : v < 3 ? new Object[] {0} : new Object[] {null, "", "transaction-1", "t".repeat(200)}) {
          if (v >= 3) shape.value("TransactionalId", id);
          request(api, v, expect.equals("queued") && acks == 0 ? "unanswered" : expect,
              "request_" + i + "_acks_" + acks + "_" + (id == null ? "null" : id.toString().length()), client, i % 3 == 1,
              new Filler(random, shape, schema, v).fill(api.newRequest()));
        }
      }
    }
  }

  private void request(ApiMessageType api, short v, String expect, String name, String client, boolean tags, Message body)
      throws Exception {
    int correlation = random.nextInt();
    byte[] frame = Frames.request(api, v, correlation, client, tags, body);
    boolean hasClient = api.requestHeaderVersion(v) >= 1 && client != null && !client.isEmpty();
    String node = "-";
    if (api.apiKey() == 18 && v >= 5 && Fields.number(body, "nodeId") >= 0) node = "" + Fields.number(body, "nodeId");
    line(api.apiKey(), v, expect, api.name + "." + v + "." + name, correlation,
        hasClient ? Frames.hex(client.getBytes(StandardCharsets.UTF_8)) : "-", node, frame, "");
  }

  private void line(int api, int v, String expect, String name, int correlation, String client, String node, byte[] frame,
                    String answer) {
    out.println("request " + api + " " + v + " " + expect + " " + name + " " + correlation + " " + client + " " + node
        + " " + Frames.hex(frame) + answer);
    ++requests;
  }

  // What Kafka does not have yet: versions above the table, unknown keys, vendors' keys.
  private void beyond() throws Exception {
    for (Map.Entry<Integer, int[]> row : Rewriting.TABLE.entrySet()) {
      int key = row.getKey();
      for (int v : new int[] {row.getValue()[1] + 1, 127}) patched(key, v, key == 18 ? "own" : "refused");
    }
    for (int key : new int[] {95, 96, 9_999}) patched(key, 0, "refused");
    for (int key : new int[] {10_000, 32_767}) patched(key, 3, "queued");
  }

  private void patched(int key, int version, String expect) throws Exception {
    ApiMessageType model = ApiMessageType.fromApiKey((short) (Rewriting.TABLE.containsKey(key) ? key : 18));
    short v = model.highestSupportedVersion(false);
    Message body = new Filler(random, requestShape(model).quiet(), Schema.load(model.name + "Request"), v)
        .fill(model.newRequest());
    int correlation = random.nextInt();
    byte[] frame = Frames.request(model, v, correlation, "beyond", false, body);
    ByteBuffer.wrap(frame).putShort(4, (short) key).putShort(6, (short) version);
    String answer = "";
    if (expect.equals("own")) {
      Message own = model.newResponse();
      Fields.set(own, "errorCode", (short) 35);
      @SuppressWarnings("unchecked") Collection<Object> list = (Collection<Object>) Fields.get(own, "apiKeys");
      range(list, 18, 0, 5, false);
      answer = " " + Frames.hex(Frames.response(model, (short) 0, (short) 0, correlation, false, own));
    }
    line(key, version, expect, "beyond." + key + "." + version, correlation, Frames.hex("beyond".getBytes()), "-", frame,
        answer);
  }
}
