import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Many Kafka clients in one JVM, told what to do line by line on stdin, telling what happened on stdout.
 *
 * <pre>
 *   VERB NAME [key=value]...      keys that begin with "lab." are the driver's, the others the client's
 *   NAME event [words]            what comes back; the last event of a name is "ended" or "failed REASON"
 * </pre>
 *
 * Running clients (producer, transactions, consumer, share) go on until "stop NAME". Record values are "NAME-NUMBER". "acked NUMBER"
 * and "got VALUE" are followed by partition, offset and the time in milliseconds. A consumer with
 * lab.quiet counts the records of each poll and says no more of them. "tool" runs the main() of one of Kafka's tools,
 * lab.class, with the words lab.word.0 and up, and says its output line by line; one tool runs at a time.
 */
final class Driver {
    private static final PrintStream OUT = System.out;
    private static final Object TOOL = new Object();

    private final Map<String, Thread> running = new ConcurrentHashMap<>();
    private final Set<String> stopped = ConcurrentHashMap.newKeySet();
    private final Map<String, Admin> admins = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        OUT.println("driver ready");
        new Driver().serve();
        System.exit(0);
    }

    private static synchronized void say(String name, Object... words) {
        StringBuilder line = new StringBuilder(name);
        for (Object word : words) line.append(' ').append(word);
        OUT.println(line);
    }

    private void serve() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            Properties lab = new Properties();
            Properties client = new Properties();
            for (int i = 2; i < words.length; ++i) {
                String key = words[i].substring(0, words[i].indexOf('='));
                (key.startsWith("lab.") ? lab : client).put(key, words[i].substring(key.length() + 1));
            }
            if (words[0].equals("stop")) {
                stopped.add(words[1]);
                continue;
            }
            Thread thread = new Thread(() -> perform(words[0], words[1], lab, client), words[1]);
            thread.setDaemon(true);
            running.put(words[1], thread);
            thread.start();
        }
    }

    private void perform(String verb, String name, Properties lab, Properties client) {
        try {
            switch (verb) {
                case "producer": produce(name, lab, client); break;
                case "transactions": transact(name, lab, client); break;
                case "consumer": consume(name, lab, client); break;
                case "share": share(name, lab, client); break;
                case "read": read(name, lab, client); break;
                case "create-topic": createTopic(name, lab, client); break;
                case "reassign": reassign(name, lab, client); break;
                case "elect": elect(name, lab, client); break;
                case "leaders": leaders(name, lab, client); break;
                case "nodes": nodes(name, client); break;
                case "group-config": groupConfig(name, lab, client); break;
                case "tool": tool(name, lab); break;
                default: throw new IllegalArgumentException("no such verb: " + verb);
            }
            say(name, "ended");
        } catch (Throwable problem) {
            say(name, "failed", problem.toString().replace('\n', ' '));
        }
    }

    private boolean goesOn(String name) {
        return !stopped.contains(name);
    }

    private static String topic(Properties lab) {
        return lab.getProperty("lab.topic");
    }

    // Sends numbered records, one every lab.interval.ms, to each partition in turn.
    private void produce(String name, Properties lab, Properties client) throws Exception {
        long interval = Long.parseLong(lab.getProperty("lab.interval.ms", "5"));
        long count = Long.parseLong(lab.getProperty("lab.count", "" + Long.MAX_VALUE));
        try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(client, new StringSerializer(), new StringSerializer())) {
            int partitions = producer.partitionsFor(topic(lab)).size();
            say(name, "started");
            double reauthentications = 0;
            for (long number = 0; number < count && goesOn(name); ++number) {
                long sent = number;
                producer.send(new ProducerRecord<>(topic(lab), (int) (number % partitions), null, name + "-" + number),
                        (metadata, problem) -> {
                            if (problem == null) say(name, "acked", sent, metadata.partition(), metadata.offset(), System.currentTimeMillis());
                            else say(name, "lost", sent, problem);
                        });
                if (interval > 0) Thread.sleep(interval);
                double now = metric(producer, "successful-reauthentication-total");
                if (now > reauthentications) say(name, "reauthenticated", (long) now);
                reauthentications = now;
            }
            producer.flush();
            say(name, "failed-reauthentications", (long) metric(producer, "failed-reauthentication-total"));
        }
    }

    // Commits transactions of one record for each partition, one transaction after the other.
    private void transact(String name, Properties lab, Properties client) throws Exception {
        client.setProperty("transactional.id", name);
        try (KafkaProducer<String, String> producer =
                     new KafkaProducer<>(client, new StringSerializer(), new StringSerializer())) {
            int partitions = producer.partitionsFor(topic(lab)).size();
            producer.initTransactions();
            say(name, "started");
            for (long number = 0; goesOn(name); number += partitions) {
                producer.beginTransaction();
                for (int partition = 0; partition < partitions; ++partition) {
                    producer.send(new ProducerRecord<>(topic(lab), partition, null, name + "-" + (number + partition)));
                }
                producer.commitTransaction();
                for (int partition = 0; partition < partitions; ++partition) {
                    say(name, "acked", number + partition, partition, -1, System.currentTimeMillis());
                }
            }
        }
    }

    // The sum over all connections so far, closed ones included.
    private static double metric(KafkaProducer<?, ?> producer, String name) {
        return producer.metrics().entrySet().stream()
                .filter(entry -> entry.getKey().name().equals(name) && entry.getKey().group().equals("producer-metrics"))
                .mapToDouble(entry -> (Double) entry.getValue().metricValue()).sum();
    }

    private static void report(String name, ConsumerRecord<String, String> record) {
        say(name, "got", record.value(), record.partition(), record.offset(), System.currentTimeMillis());
    }

    private void consume(String name, Properties lab, Properties client) {
        try (Consumer<String, String> consumer =
                     new KafkaConsumer<>(client, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic(lab)), new ConsumerRebalanceListener() {
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    say(name, "assigned", partitions.size());
                }
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    say(name, "revoked", partitions.size());
                }
            });
            boolean quiet = lab.containsKey("lab.quiet");
            while (goesOn(name)) {
                var records = consumer.poll(Duration.ofMillis(100));
                if (quiet && !records.isEmpty()) say(name, "counted", records.count());
                if (!quiet) records.forEach(record -> report(name, record));
            }
        }
    }

    private void share(String name, Properties lab, Properties client) {
        try (KafkaShareConsumer<String, String> consumer =
                     new KafkaShareConsumer<>(client, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic(lab)));
            say(name, "started");
            while (goesOn(name)) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) report(name, record);
            }
        }
    }

    // Reads a topic from its beginning to what is its end now.
    private void read(String name, Properties lab, Properties client) {
        try (Consumer<String, String> consumer =
                     new KafkaConsumer<>(client, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> all = consumer.partitionsFor(topic(lab)).stream()
                    .map(info -> new TopicPartition(info.topic(), info.partition())).collect(Collectors.toList());
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) report(name, record);
            }
        }
    }

    private Admin admin(Properties client) {
        synchronized (admins) {
            return admins.computeIfAbsent(client.toString(), unused -> Admin.create(client));
        }
    }

    private static List<Integer> ids(String list) {
        return Arrays.stream(list.split(",")).map(Integer::valueOf).collect(Collectors.toList());
    }

    // lab.assignment: one comma list of replicas per partition, joined by "/".
    private void createTopic(String name, Properties lab, Properties client) throws Exception {
        Map<Integer, List<Integer>> assignment = new HashMap<>();
        for (String replicas : lab.getProperty("lab.assignment").split("/")) {
            assignment.put(assignment.size(), ids(replicas));
        }
        admin(client).createTopics(List.of(new NewTopic(topic(lab), assignment))).all().get(30, TimeUnit.SECONDS);
        waitForLeaders(lab, client);
    }

    private void waitForLeaders(Properties lab, Properties client) throws Exception {
        for (int i = 0; i < 300; ++i) {
            try {
                TopicDescription description = describe(lab, client);
                boolean complete = description.partitions().stream().allMatch(
                        partition -> partition.leader() != null && partition.leader().id() >= 0
                                && partition.isr().size() == partition.replicas().size());
                if (complete) return;
            } catch (java.util.concurrent.ExecutionException notYet) {
                // The broker asked has not heard of the topic.
            }
            Thread.sleep(50);
        }
        throw new IllegalStateException("no leaders for " + topic(lab));
    }

    private TopicDescription describe(Properties lab, Properties client) throws Exception {
        return admin(client).describeTopics(List.of(topic(lab))).allTopicNames().get(30, TimeUnit.SECONDS)
                .get(topic(lab));
    }

    // Gives lab.partition the replicas lab.replicas, waits until that is done, and makes the first one lead.
    private void reassign(String name, Properties lab, Properties client) throws Exception {
        TopicPartition partition = new TopicPartition(topic(lab), Integer.parseInt(lab.getProperty("lab.partition", "0")));
        List<Integer> replicas = ids(lab.getProperty("lab.replicas"));
        admin(client).alterPartitionReassignments(
                Map.of(partition, Optional.of(new NewPartitionReassignment(replicas)))).all().get(30, TimeUnit.SECONDS);
        while (!admin(client).listPartitionReassignments(Set.of(partition)).reassignments()
                .get(30, TimeUnit.SECONDS).isEmpty()) {
            Thread.sleep(20);
        }
        elect(name, lab, client);
    }

    private void elect(String name, Properties lab, Properties client) throws Exception {
        Set<TopicPartition> partitions = new HashSet<>();
        for (var partition : describe(lab, client).partitions()) {
            partitions.add(new TopicPartition(topic(lab), partition.partition()));
        }
        for (int i = 0; i < 300; ++i) {
            // A replica that has just come back is not in sync yet and cannot be elected: again, until it is.
            admin(client).electLeaders(ElectionType.PREFERRED, partitions).partitions().get(30, TimeUnit.SECONDS);
            boolean done = describe(lab, client).partitions().stream().allMatch(partition ->
                    partition.leader() != null && partition.leader().id() == partition.replicas().get(0).id());
            if (done) return;
            Thread.sleep(100);
        }
        throw new IllegalStateException("the preferred leaders of " + topic(lab) + " did not take over");
    }

    private void leaders(String name, Properties lab, Properties client) throws Exception {
        for (var partition : describe(lab, client).partitions()) {
            say(name, "leader", partition.partition(), partition.leader() == null ? -1 : partition.leader().id(),
                    partition.isr().size());
        }
    }

    private void nodes(String name, Properties client) throws Exception {
        for (var node : admin(client).describeCluster().nodes().get(30, TimeUnit.SECONDS)) {
            say(name, "node", node.id(), node.host(), node.port());
        }
    }

    /** How a tool ends instead of ending the process. Some catch it and exit once more: the first code counts. */
    private static final class Ended extends Error {
        static volatile Integer code;

        Ended(int status) {
            super("exit", null, false, false);
            if (code == null) code = status;
        }
    }

    // Kafka's Exit moved in 4.4.
    private static Class<?> exit() throws ClassNotFoundException {
        try {
            return Class.forName("org.apache.kafka.common.utils.internals.Exit");
        } catch (ClassNotFoundException older) {
            return Class.forName("org.apache.kafka.common.utils.Exit");
        }
    }

    // Tools end by Exit.exit(): from now on that unwinds them.
    private static void keepAlive() throws Exception {
        Class<?> procedure = Class.forName(exit().getName() + "$Procedure");
        Object throwing = java.lang.reflect.Proxy.newProxyInstance(Driver.class.getClassLoader(),
                new Class<?>[] {procedure}, (proxy, method, words) -> { throw new Ended((Integer) words[0]); });
        exit().getMethod("setExitProcedure", procedure).invoke(null, throwing);
    }

    private void tool(String name, Properties lab) throws Exception {
        List<String> words = new ArrayList<>();
        while (lab.containsKey("lab.word." + words.size())) words.add(lab.getProperty("lab.word." + words.size()));
        var main = Class.forName(lab.getProperty("lab.class")).getMethod("main", String[].class);
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        Integer code;
        synchronized (TOOL) {
            keepAlive();
            Ended.code = null;
            PrintStream printed = new PrintStream(output, true, StandardCharsets.UTF_8);
            PrintStream errors = System.err;
            System.setOut(printed);
            System.setErr(printed);
            try {
                main.invoke(null, (Object) words.toArray(new String[0]));
            } catch (java.lang.reflect.InvocationTargetException problem) {
                if (!(problem.getCause() instanceof Ended)) throw problem;
            } finally {
                System.setOut(OUT);
                System.setErr(errors);
            }
            code = Ended.code;
        }
        for (String line : output.toString(StandardCharsets.UTF_8).split("\n")) say(name, "out", line);
        if (code != null && code != 0) throw new IllegalStateException("exit " + code);
    }

    private void groupConfig(String name, Properties lab, Properties client) throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, lab.getProperty("lab.group"));
        List<AlterConfigOp> changes = new ArrayList<>();
        String[] pair = lab.getProperty("lab.set").split("=", 2);
        changes.add(new AlterConfigOp(new ConfigEntry(pair[0], pair[1]), AlterConfigOp.OpType.SET));
        admin(client).incrementalAlterConfigs(Map.of(group, changes)).all().get(30, TimeUnit.SECONDS);
    }
}
