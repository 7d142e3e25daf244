import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** What is committed is seen with its offsets, what is aborted is not, through a restart; one producer at a time. */
final class TransactionCase {
    private static final String TOPIC = "java-transactions";
    private static final TopicPartition FIRST = new TopicPartition(TOPIC, 0);

    private TransactionCase() {}

    static void run(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        kafka.create(TOPIC, 2);
        KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("transactional.id", TOPIC));
        producer.initTransactions();
        try (Admin admin = kafka.admin()) {
            producer.beginTransaction();
            send(producer, "committed", 10);
            sendOffset(producer, 7);
            Check.equal(Map.of(), committed(admin), "offsets of an open transaction");
            Check.equal(0L, end(admin, IsolationLevel.READ_COMMITTED), "end for readers of what is committed");
            Check.equal(5L, end(admin, IsolationLevel.READ_UNCOMMITTED), "end for the others");
            producer.commitTransaction();
            Check.equal(Set.of(FIRST), committed(admin).keySet(), "offsets of the committed transaction");

            producer.beginTransaction();
            send(producer, "aborted", 10);
            sendOffset(producer, 9);
            producer.abortTransaction();
            Check.equal(7L, committed(admin).get(FIRST).offset(), "offset after an abort");

            producer.beginTransaction();
            send(producer, "across", 10);
            server.kill();
            server.resume();
            send(producer, "across", 10);
            producer.commitTransaction();
            Check.equal(7L, committed(admin).get(FIRST).offset(), "offset after the restart");
        }
        Check.equal(5, count(kafka, "committed", "read_committed"), "committed records of partition 0");
        Check.equal(10, count(kafka, "across", "read_committed"), "records of the transaction across the restart");
        Check.equal(0, count(kafka, "aborted", "read_committed"), "aborted records, for readers of what is committed");
        Check.equal(5, count(kafka, "aborted", "read_uncommitted"), "aborted records, for the others");
        fence(kafka, producer);
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String name, int count) throws Exception {
        for (int number = 0; number < count; number++) {
            producer.send(new ProducerRecord<>(TOPIC, number % 2, null, Kafka.bytes(name)));
        }
        producer.flush();
    }

    private static void sendOffset(KafkaProducer<byte[], byte[]> producer, long offset) {
        producer.sendOffsetsToTransaction(
                Map.of(FIRST, new OffsetAndMetadata(offset)), new ConsumerGroupMetadata(TOPIC));
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(Admin admin) throws Exception {
        return admin.listConsumerGroupOffsets(TOPIC).partitionsToOffsetAndMetadata().get();
    }

    private static long end(Admin admin, IsolationLevel isolation) throws Exception {
        return admin.listOffsets(Map.of(FIRST, OffsetSpec.latest()), new ListOffsetsOptions(isolation))
                .partitionResult(FIRST).get().offset();
    }

    /** How many records of partition 0 have this value. */
    private static int count(Kafka kafka, String value, String isolation) {
        try (KafkaConsumer<byte[], byte[]> consumer = kafka.consumer(Map.of("isolation.level", isolation))) {
            consumer.assign(List.of(FIRST));
            consumer.seekToBeginning(List.of(FIRST));
            return (int) Kafka.values(Kafka.readToEnd(consumer)).stream().filter(value::equals).count();
        }
    }

    /** The second producer of a transactional id shuts the first one out. */
    private static void fence(Kafka kafka, KafkaProducer<byte[], byte[]> first) throws Exception {
        first.beginTransaction();
        send(first, "fenced", 2);
        try (KafkaProducer<byte[], byte[]> second = kafka.producer(Map.of("transactional.id", TOPIC))) {
            second.initTransactions();
            try {
                first.commitTransaction();
                throw new AssertionError("a producer that was shut out committed");
            } catch (ProducerFencedException | InvalidProducerEpochException shutOut) {
                first.close();
            }
            second.beginTransaction();
            send(second, "second", 2);
            second.commitTransaction();
        }
        Check.equal(0, count(kafka, "fenced", "read_committed"), "records of the producer that was shut out");
        Check.equal(1, count(kafka, "second", "read_committed"), "records of the one after it");
    }
}
