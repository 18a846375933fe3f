// Fills a message of Kafka's own classes with seeded random content, every field that the version has, with the
// counts, lengths, nulls and unknown tags that a Shape asks for.
package vectors;

import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.RawTaggedField;

final class Filler {
  static final class Shape {
    final Map<String, Integer> counts = new HashMap<>();   // of a list, by field name
    final Map<String, Integer> sizes = new HashMap<>();    // of a string, bytes or records field, by name
    final Map<String, Object> values = new HashMap<>();    // of a top-level field, by name
    double nulls = 0.2;
    double tags = 0.15;                                     // probability of unknown tags, per struct
    int topTags = -1;                                       // exactly so many on the top level
    int[] tagNumbers = {20, 21, 126, 128, 16_383, 16_384, 2_000_000_000};
    int listMax = 3;
    int[] nodes;                                            // ids in order; then counting on
    String host;

    Shape count(String field, int n) {
      counts.put(field, n);
      return this;
    }

    Shape size(String field, int n) {
      sizes.put(field, n);
      return this;
    }

    Shape value(String field, Object v) {
      values.put(field, v);
      return this;
    }

    Shape quiet() {
      nulls = 0;
      tags = 0;
      listMax = 1;
      return this;
    }
  }

  private static final String[] HOSTS = {"b1.internal", "kafka-2.kafka.svc.cluster.local", "10.20.30.40",
      "2001:db8::1", "fe80::1ff:fe23:4567:890a", "upstream.example"};
  private static final int[] LENGTHS = {0, 125, 126, 127, 128, 253};

  private final Random random;
  private final Shape shape;
  private final Schema schema;
  private final short version;
  private final boolean flexible;
  private final Set<Integer> usedNodes = new HashSet<>();
  private int nodesGiven = 0;
  private int nextNode;

  Filler(Random random, Shape shape, Schema schema, short version) {
    this.random = random;
    this.shape = shape;
    this.schema = schema;
    this.version = version;
    flexible = schema.flexible.has(version);
    nextNode = random.nextInt(4) == 0 ? random.nextInt(Integer.MAX_VALUE - 10_000) : random.nextInt(120);
  }

  <T extends Message> T fill(T message) throws Exception {
    struct(message, schema.fields, true);
    return message;
  }

  private void struct(Message message, List<Schema.Field> fields, boolean top) throws Exception {
    for (Schema.Field f : fields) {
      if (!f.in(version)) continue;
      if (f.tagged().has(version) && !shape.counts.containsKey(f.name()) && random.nextInt(3) == 0) continue;
      Method setter = Fields.setter(message.getClass(), f.name());
      Object value = top && shape.values.containsKey(f.name()) ? shape.values.get(f.name()) : value(f, setter);
      setter.invoke(message, value);
    }
    address(message, fields);
    if (flexible) tags(message, top);
  }

  private Object value(Schema.Field f, Method setter) throws Exception {
    if (f.nullable().has(version) && !shape.counts.containsKey(f.name()) && !shape.sizes.containsKey(f.name())
        && random.nextDouble() < shape.nulls) return null;
    if (!f.list()) return scalar(f.element(), f, setter.getParameterTypes()[0]);
    Class<?> type = setter.getParameterTypes()[0];
    Collection<Object> list = newList(type);
    Class<?> element = Collection.class.isAssignableFrom(type) && type != List.class
        ? (Class<?>) ((ParameterizedType) type.getGenericSuperclass()).getActualTypeArguments()[0]
        : elementOf(setter);
    int count = shape.counts.getOrDefault(f.name(), random.nextInt(shape.listMax + 1));
    for (int i = 0; i < count; i++) list.add(scalar(f.element(), f, element));
    return list;
  }

  private static Class<?> elementOf(Method setter) {
    ParameterizedType type = (ParameterizedType) setter.getGenericParameterTypes()[0];
    return (Class<?>) type.getActualTypeArguments()[0];
  }

  @SuppressWarnings("unchecked")
  private static Collection<Object> newList(Class<?> type) throws Exception {
    if (type == List.class) return new ArrayList<>();
    return (Collection<Object>) type.getDeclaredConstructor().newInstance();
  }

  private Object scalar(String type, Schema.Field f, Class<?> target) throws Exception {
    switch (type) {
      case "bool": return random.nextBoolean();
      case "int8": return (byte) random.nextInt();
      case "int16": return (short) (random.nextBoolean() ? random.nextInt(130) : random.nextInt());
      case "uint16": return random.nextInt(65_536);
      case "int32": return random.nextBoolean() ? random.nextInt(1000) : random.nextInt();
      case "uint32": return random.nextLong() & 0xFFFF_FFFFL;
      case "int64": return random.nextLong();
      case "float64": return random.nextDouble();
      case "uuid": return new Uuid(random.nextLong(), random.nextLong());
      case "string": return f.name().equals("Host") ? host() : text(size(f, 24));
      case "bytes": {
        byte[] bytes = bytes(size(f, 40));
        return target == ByteBuffer.class ? ByteBuffer.wrap(bytes) : bytes;
      }
      case "records": return records(bytes(size(f, 200)));
      default: {
        Message inner = (Message) target.getDeclaredConstructor().newInstance();
        struct(inner, f.fields(), false);
        return inner;
      }
    }
  }

  private int size(Schema.Field f, int below) {
    return shape.sizes.getOrDefault(f.name(), random.nextInt(below));
  }

  private String host() {
    if (shape.host != null) return shape.host;
    if (shape.sizes.containsKey("Host")) return "h".repeat(shape.sizes.get("Host"));
    if (random.nextInt(5) == 0) return "x".repeat(LENGTHS[random.nextInt(LENGTHS.length)]);
    return HOSTS[random.nextInt(HOSTS.length)];
  }

  // Gives a struct that names a node with its address an id of its own; id -1 has no address.
  private void address(Message message, List<Schema.Field> fields) throws Exception {
    String id = null;
    boolean host = false;
    for (Schema.Field f : fields) {
      if (!f.in(version)) continue;
      if (f.name().equals("NodeId") || f.name().equals("BrokerId")) id = f.name();
      if (f.name().equals("Host")) host = true;
    }
    if (id == null || !host) return;
    int node;
    if (shape.nodes != null && nodesGiven < shape.nodes.length) node = shape.nodes[nodesGiven++];
    else do {
      node = nextNode;
      nextNode += 1 + (random.nextInt(4) == 0 ? random.nextInt(40) : 0);
    } while (!usedNodes.add(node));
    Fields.set(message, id, node);
    Fields.set(message, "Port", node < 0 ? -1 : random.nextInt(65_536));
    if (node < 0) Fields.set(message, "Host", "");
  }

  private void tags(Message message, boolean top) {
    int[] numbers = shape.tagNumbers;
    if (top && shape.topTags >= 0) {
      for (int i = 0; i < shape.topTags; i++)
        message.unknownTaggedFields().add(new RawTaggedField(200 + i, bytes(i % 3)));
      return;
    }
    if (random.nextDouble() >= shape.tags) return;
    for (int number : numbers)
      if (random.nextInt(3) != 0)
        message.unknownTaggedFields().add(
            new RawTaggedField(number, bytes(random.nextInt(40) == 0 ? 130 : random.nextInt(6))));
  }

  String text(int size) {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < size; i++) s.append((char) ('a' + random.nextInt(26)));
    return s.toString();
  }

  private byte[] bytes(int size) {
    byte[] result = new byte[size];
    random.nextBytes(result);
    return result;
  }

  private static Object records(byte[] bytes) throws Exception {
    Class<?> type;
    try {
      type = Class.forName("org.apache.kafka.common.record.internal.MemoryRecords");
    } catch (ClassNotFoundException old) {
      type = Class.forName("org.apache.kafka.common.record.MemoryRecords");
    }
    return type.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(bytes));
  }
}
