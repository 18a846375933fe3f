import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Loads what clients and tools load, so that a class data archive made at its exit serves them all. */
final class Warm {
    private static final String[] TOOLS = {
        "org.apache.kafka.tools.ProducerPerformance", "org.apache.kafka.tools.ConsumerPerformance",
        "org.apache.kafka.tools.ConsoleProducer", "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer", "org.apache.kafka.tools.TopicCommand",
        "org.apache.kafka.tools.MetadataQuorumCommand", "org.apache.kafka.tools.ClusterTool",
        "org.apache.kafka.tools.TransactionsCommand", "org.apache.kafka.tools.LogDirsCommand",
        "org.apache.kafka.tools.BrokerApiVersionsCommand", "org.apache.kafka.tools.ConfigCommand",
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand", "kafka.tools.StorageTool",
        "joptsimple.OptionParser", "net.sourceforge.argparse4j.ArgumentParsers", "Driver",
    };

    public static void main(String[] arguments) throws Exception {
        for (String name : TOOLS) {
            try {
                for (Class<?> inner : Class.forName(name).getDeclaredClasses()) Class.forName(inner.getName());
            } catch (ClassNotFoundException absent) {
                System.err.println("not in this version: " + name);
            }
        }
        Properties properties = new Properties();
        properties.putAll(Map.of("bootstrap.servers", "127.0.0.1:1", "group.id", "warm",
                "reconnect.backoff.ms", "50", "log.level", "ERROR"));
        ByteArraySerializer serializer = new ByteArraySerializer();
        ByteArrayDeserializer deserializer = new ByteArrayDeserializer();
        try (Admin admin = Admin.create(properties);
             KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, serializer, serializer);
             KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, deserializer, deserializer);
             KafkaShareConsumer<byte[], byte[]> sharing =
                     new KafkaShareConsumer<>(properties, deserializer, deserializer)) {
            admin.describeCluster();
            consumer.subscribe(java.util.List.of("warm"));
            consumer.poll(java.time.Duration.ofMillis(300));
            admin.close(java.time.Duration.ZERO);
            producer.close(java.time.Duration.ZERO);
            consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(java.time.Duration.ZERO));
            sharing.close(java.time.Duration.ZERO);
        }
    }
}
