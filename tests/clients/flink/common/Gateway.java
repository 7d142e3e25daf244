import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The gateway under test, through its Kafka door. */
final class Gateway implements AutoCloseable {
    private final String ports;
    private final Map<String, Object> properties;
    private final Admin admin;

    Gateway(Path dir) throws IOException {
        ports = Files.readString(dir.resolve("ports.json"));
        properties = Map.of("bootstrap.servers", address("kafka"));
        admin = Admin.create(properties);
    }

    /** HOST:PORT of a door. */
    String address(String door) {
        Matcher found = Pattern.compile("\"" + door + "\"\\s*:\\s*\"([^\"]+)\"").matcher(ports);
        Check.that(found.find(), "no " + door + " door in " + ports);
        return found.group(1);
    }

    boolean has(String topic) throws Exception {
        return admin.listTopics().names().get().contains(topic);
    }

    void create(String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    /** Splits shards until there are so many partitions. */
    void widen(String topic, int partitions) throws Exception {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(partitions))).all().get();
    }

    void produce(List<ProducerRecord<String, String>> records) throws Exception {
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            List<Future<?>> sent = new ArrayList<>();
            for (ProducerRecord<String, String> record : records) {
                sent.add(producer.send(record));
            }
            for (Future<?> each : sent) {
                each.get();
            }
        }
    }

    /** The values that are in the topic now, of committed transactions only, sorted. */
    List<String> values(String topic, int partitions) {
        Map<String, Object> committed = Map.of(
                "bootstrap.servers", address("kafka"), "isolation.level", "read_committed", "auto.offset.reset", "earliest");
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(committed, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> all = IntStream.range(0, partitions).mapToObj(n -> new TopicPartition(topic, n)).toList();
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            List<String> values = new ArrayList<>();
            while (all.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    values.add(record.value());
                }
            }
            return values.stream().sorted().toList();
        }
    }

    @Override
    public void close() {
        admin.close();
    }
}
