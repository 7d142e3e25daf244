import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Clients with their defaults, but for time limits below the one of a case. */
record Kafka(String bootstrap) {
    static final Duration POLL = Duration.ofMillis(50);

    Admin admin() {
        return Admin.create(config(Map.of("default.api.timeout.ms", 20_000), Map.of()));
    }

    KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> limits =
                Map.of("delivery.timeout.ms", 30_000, "max.block.ms", 30_000);
        return new KafkaProducer<>(config(limits, settings), new ByteArraySerializer(), new ByteArraySerializer());
    }

    KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        Map<String, Object> reader = Map.of(
                "default.api.timeout.ms", 20_000, "auto.offset.reset", "earliest", "enable.auto.commit", false);
        return new KafkaConsumer<>(config(reader, settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    KafkaShareConsumer<byte[], byte[]> shareConsumer(String group, boolean explicit) {
        return shareConsumer(group, explicit, Map.of());
    }

    KafkaShareConsumer<byte[], byte[]> shareConsumer(String group, boolean explicit, Map<String, Object> settings) {
        Map<String, Object> member = Map.of("default.api.timeout.ms", 20_000, "group.id", group,
                "share.acknowledgement.mode", explicit ? "explicit" : "implicit");
        return new KafkaShareConsumer<>(config(member, settings), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<String, Object> config(Map<String, Object> defaults, Map<String, Object> settings) {
        Map<String, Object> config = new HashMap<>(defaults);
        config.put("bootstrap.servers", bootstrap);
        config.put("request.timeout.ms", 15_000);
        config.putAll(settings);
        return config;
    }

    void create(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()))).all().get();
            Check.eventually(topic + " can be described", () -> described(admin, topic));
        }
    }

    static boolean described(Admin admin, String topic) throws Exception {
        try {
            admin.describeTopics(List.of(topic)).allTopicNames().get();
            return true;
        } catch (ExecutionException exception) {
            if (exception.getCause() instanceof UnknownTopicOrPartitionException) {
                return false;
            }
            throw exception;
        }
    }

    static List<TopicPartition> partitions(String topic, int count) {
        return IntStream.range(0, count).mapToObj(number -> new TopicPartition(topic, number)).toList();
    }

    /** All that a topic holds now, partition by partition; more than was sent shows as well. */
    List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partitions) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            Collection<TopicPartition> all = partitions(topic, partitions);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            return readToEnd(consumer);
        }
    }

    /** Polls from the positions to the ends as they are now. */
    static List<ConsumerRecord<byte[], byte[]>> readToEnd(KafkaConsumer<byte[], byte[]> consumer) {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + Check.DEADLINE.toNanos();
        while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
            Check.that(System.nanoTime() < deadline, "the end " + ends + " not read in time");
            consumer.poll(POLL).forEach(records::add);
        }
        records.sort(Comparator.comparingInt(ConsumerRecord::partition));
        return records;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static List<String> values(Collection<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(record -> new String(record.value(), StandardCharsets.UTF_8)).toList();
    }

    /** "PREFIX 0" to "PREFIX (COUNT-1)" */
    static List<String> numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(number -> prefix + " " + number).toList();
    }
}
