// Complete frames, length and header included, by Kafka's own serializers; and back.
package vectors;

import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.RawTaggedField;

final class Frames {
  private Frames() {}

  static byte[] request(ApiMessageType api, short version, int correlation, String client, boolean tags, Message body) {
    short headerVersion = api.requestHeaderVersion(version);
    RequestHeaderData header = new RequestHeaderData();
    header.setRequestApiKey(api.apiKey()).setRequestApiVersion(version).setCorrelationId(correlation);
    if (headerVersion >= 1) header.setClientId(client);
    if (headerVersion >= 2 && tags) header.unknownTaggedFields().add(new RawTaggedField(300, new byte[] {1, 2, 3}));
    return frame(header, headerVersion, body, version);
  }

  static byte[] response(ApiMessageType api, short version, short bodyVersion, int correlation, boolean tags,
                         Message body) {
    short headerVersion = api.responseHeaderVersion(version);
    ResponseHeaderData header = new ResponseHeaderData();
    header.setCorrelationId(correlation);
    if (headerVersion >= 1 && tags) {
      header.unknownTaggedFields().add(new RawTaggedField(0, new byte[0]));
      header.unknownTaggedFields().add(new RawTaggedField(129, new byte[] {9, 8}));
    }
    return frame(header, headerVersion, body, bodyVersion);
  }

  private static byte[] frame(Message header, short headerVersion, Message body, short version) {
    ObjectSerializationCache headerCache = new ObjectSerializationCache();
    ObjectSerializationCache cache = new ObjectSerializationCache();
    int size = header.size(headerCache, headerVersion) + body.size(cache, version);
    ByteBuffer buffer = ByteBuffer.allocate(4 + size);
    buffer.putInt(size);
    ByteBufferAccessor out = new ByteBufferAccessor(buffer);
    header.write(out, headerCache, headerVersion);
    body.write(out, cache, version);
    if (buffer.hasRemaining()) throw new IllegalStateException("Kafka's size and content differ");
    return buffer.array();
  }

  // The body of a response frame; the whole frame must be consumed.
  static Message parse(ApiMessageType api, short version, byte[] frame) {
    ByteBuffer buffer = ByteBuffer.wrap(frame);
    if (buffer.getInt() != frame.length - 4) throw new IllegalStateException("wrong length prefix");
    ByteBufferAccessor in = new ByteBufferAccessor(buffer);
    new ResponseHeaderData(in, api.responseHeaderVersion(version));
    Message body = api.newResponse();
    body.read(in, version);
    if (buffer.hasRemaining()) throw new IllegalStateException(buffer.remaining() + " bytes left over");
    return body;
  }

  static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
