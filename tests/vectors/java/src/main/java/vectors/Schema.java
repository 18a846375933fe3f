// One message of Kafka's protocol as its own JSON, inside the kafka-clients jar, describes it.
package vectors;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

final class Schema {
  // "3+", "0-3", "5" or "none".
  record Range(int min, int max) {
    static Range parse(JsonNode text) {
      if (text == null || text.asText().isEmpty() || text.asText().equals("none")) return new Range(0, -1);
      String s = text.asText();
      if (s.endsWith("+")) return new Range(Integer.parseInt(s.substring(0, s.length() - 1)), Short.MAX_VALUE);
      int dash = s.indexOf('-');
      if (dash < 0) return new Range(Integer.parseInt(s), Integer.parseInt(s));
      return new Range(Integer.parseInt(s.substring(0, dash)), Integer.parseInt(s.substring(dash + 1)));
    }

    boolean has(int version) {
      return min <= version && version <= max;
    }
  }

  record Field(String name, String type, Range versions, Range nullable, Range tagged, String entity,
               boolean key, List<Field> fields) {
    boolean list() {
      return type.startsWith("[]");
    }

    String element() {
      return list() ? type.substring(2) : type;
    }

    boolean in(int version) {
      return versions.has(version) || tagged.has(version);
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);

  final String name;
  final Range flexible;
  final List<Field> fields;

  private Schema(JsonNode json) {
    name = json.get("name").asText();
    flexible = Range.parse(json.get("flexibleVersions"));
    Map<String, JsonNode> common = new HashMap<>();
    if (json.has("commonStructs")) json.get("commonStructs").forEach(c -> common.put(c.get("name").asText(), c));
    fields = fields(json.get("fields"), common);
  }

  static Schema load(String name) throws Exception {
    try (InputStream in = Schema.class.getResourceAsStream("/common/message/" + name + ".json")) {
      if (in == null) throw new IllegalStateException("kafka-clients has no schema " + name);
      return new Schema(JSON.readTree(in));
    }
  }

  private static List<Field> fields(JsonNode json, Map<String, JsonNode> common) {
    List<Field> result = new ArrayList<>();
    if (json == null) return result;
    for (JsonNode f : json) {
      String type = f.get("type").asText();
      String element = type.startsWith("[]") ? type.substring(2) : type;
      List<Field> inner = null;
      if (f.has("fields")) inner = fields(f.get("fields"), common);
      else if (common.containsKey(element)) inner = fields(common.get(element).get("fields"), common);
      JsonNode entity = f.get("entityType");
      result.add(new Field(f.get("name").asText(), type, Range.parse(f.get("versions")),
          Range.parse(f.get("nullableVersions")), Range.parse(f.get("taggedVersions")),
          entity == null ? "" : entity.asText(), f.has("mapKey") && f.get("mapKey").asBoolean(), inner));
    }
    return result;
  }
}
