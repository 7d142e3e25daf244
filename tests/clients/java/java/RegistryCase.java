import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * A compacted topic used as a schema registry does: one partition that is read to its end at the start, into a table; one
 * writer, elected by the group protocol, with acks=all and without idempotence, which reads what it wrote before it answers;
 * a record without a value deletes. Old values stay in the gateway's topic, so the table is made of the last ones.
 */
final class RegistryCase {
    private static final String TOPIC = "java-schemas";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final Map<String, Object> WRITER =
            Map.of("acks", "all", "enable.idempotence", false, "retries", 0, "linger.ms", 0);

    private RegistryCase() {}

    static void run(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        Map<String, String> expected = new TreeMap<>();
        try (Admin admin = kafka.admin()) {
            NewTopic topic = new NewTopic(TOPIC, 1, (short) 1).configs(Map.of("cleanup.policy", "compact"));
            admin.createTopics(List.of(topic)).all().get();
            Check.eventually("the topic is shown", () -> Kafka.described(admin, TOPIC));
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
            Check.equal("compact", admin.describeConfigs(List.of(resource)).all().get().get(resource)
                    .get("cleanup.policy").value(), "cleanup.policy");
        }
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(WRITER);
                KafkaConsumer<byte[], byte[]> reader = kafka.consumer(Map.of())) {
            Map<String, String> table = start(reader);
            for (int version = 0; version < 3; version++) {
                for (int subject = 0; subject < 20; subject++) {
                    register(producer, reader, table, "subject-" + subject, "schema " + version);
                    expected.put("subject-" + subject, "schema " + version);
                }
            }
            register(producer, reader, table, "subject-7", null);
            expected.remove("subject-7");
            Check.equal(expected, table, "the writer's table");
            Check.refused(InvalidRecordException.class, "a record without a key",
                    () -> producer.send(new ProducerRecord<>(TOPIC, 0, null, Kafka.bytes("schema"))).get());
        }
        server.kill();
        server.resume();
        try (KafkaConsumer<byte[], byte[]> reader = kafka.consumer(Map.of())) {
            Check.equal(expected, start(reader), "the table of one that starts after a kill");
        }
        elect(kafka);
    }

    /** The table of all that is there. */
    private static Map<String, String> start(KafkaConsumer<byte[], byte[]> reader) {
        reader.assign(List.of(PARTITION));
        reader.seekToBeginning(List.of(PARTITION));
        Map<String, String> table = new TreeMap<>();
        apply(table, Kafka.readToEnd(reader));
        return table;
    }

    private static void apply(Map<String, String> table, List<ConsumerRecord<byte[], byte[]>> records) {
        for (ConsumerRecord<byte[], byte[]> record : records) {
            String key = new String(record.key());
            if (record.value() == null) {
                table.remove(key);
            } else {
                table.put(key, new String(record.value()));
            }
        }
    }

    private static void register(KafkaProducer<byte[], byte[]> producer, KafkaConsumer<byte[], byte[]> reader,
            Map<String, String> table, String subject, String schema) throws Exception {
        byte[] value = schema == null ? null : Kafka.bytes(schema);
        long offset = producer.send(new ProducerRecord<>(TOPIC, 0, Kafka.bytes(subject), value)).get().offset();
        apply(table, Kafka.readToEnd(reader));
        Check.equal(offset + 1, reader.position(PARTITION), "position after what was written");
    }

    /** Of two members of a group of the topic's one partition, the one that has it leads; the other takes over. */
    private static void elect(Kafka kafka) throws Exception {
        Map<String, Object> settings = new HashMap<>(Map.of("group.id", "java-schemas", "heartbeat.interval.ms", 100));
        try (KafkaConsumer<byte[], byte[]> second = kafka.consumer(settings)) {
            try (KafkaConsumer<byte[], byte[]> first = kafka.consumer(settings)) {
                first.subscribe(List.of(TOPIC));
                second.subscribe(List.of(TOPIC));
                Check.eventually("one leads", () -> {
                    first.poll(Kafka.POLL);
                    second.poll(Kafka.POLL);
                    return first.assignment().size() + second.assignment().size() == 1;
                });
            }
            Check.eventually("the one that stays leads", () -> {
                second.poll(Kafka.POLL);
                return second.assignment().size() == 1;
            });
        }
    }
}
