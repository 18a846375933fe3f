// Reads and writes the fields of Kafka's generated messages by name: one source for every version of the jar.
package vectors;

import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.protocol.Message;

final class Fields {
  private static final Map<String, Method> SETTERS = new HashMap<>();

  private Fields() {}

  static Method setter(Class<?> type, String field) {
    String name = "set" + Character.toUpperCase(field.charAt(0)) + field.substring(1);
    return SETTERS.computeIfAbsent(type.getName() + "." + name, k -> {
      for (Method m : type.getMethods())
        if (m.getName().equals(name) && m.getParameterCount() == 1) return m;
      throw new IllegalStateException(type.getName() + " has no " + name);
    });
  }

  static void set(Object message, String field, Object value) throws Exception {
    setter(message.getClass(), field).invoke(message, value);
  }

  static Object get(Object message, String field) throws Exception {
    return message.getClass().getMethod(field).invoke(message);
  }

  static int number(Object message, String field) throws Exception {
    return ((Number) get(message, field)).intValue();
  }

  @SuppressWarnings("unchecked")
  static Iterable<Message> list(Object message, String field) throws Exception {
    Object list = get(message, field);
    return list == null ? List.of() : (Iterable<Message>) list;
  }
}
