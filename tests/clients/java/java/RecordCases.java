import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

final class RecordCases {
    private RecordCases() {}

    static void produce(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            for (String acks : List.of("0", "1", "all")) {
                String topic = "java-produce-" + codec + "-" + acks;
                // One topic is left to auto creation, which the producer asks for.
                if (!topic.equals("java-produce-none-all")) {
                    kafka.create(topic, 1);
                }
                produce(kafka, topic, codec, acks);
            }
        }
    }

    private static void produce(Kafka kafka, String topic, String codec, String acks) throws Exception {
        Map<String, Object> settings = Map.of(
                "compression.type", codec, "acks", acks, "enable.idempotence", acks.equals("all"),
                // About ten records a batch, so that there are several batches with several records.
                "linger.ms", 100, "batch.size", 1_000);
        long start = System.currentTimeMillis();
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            List<Header> headers = List.of(new RecordHeader("number", Kafka.bytes("" + i)));
            sent.add(new ProducerRecord<>(
                    topic, 0, start + i, Kafka.bytes("key " + i), Kafka.bytes("value ".repeat(10) + i), headers));
        }
        List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(settings)) {
            sent.forEach(record -> acknowledged.add(producer.send(record)));
        }
        for (int i = 0; i < sent.size(); i++) {
            RecordMetadata metadata = acknowledged.get(i).get();
            Check.equal(acks.equals("0") ? -1L : i, metadata.offset(), topic + ": acknowledged offset of record " + i);
        }
        List<ConsumerRecord<byte[], byte[]>> read = new ArrayList<>();
        // With acks=0 the end of the producer says nothing about the log.
        Check.eventually(topic + ": 100 records readable", () -> {
            read.clear();
            read.addAll(kafka.readAll(topic, 1));
            return read.size() >= sent.size();
        });
        Check.equal(sent.size(), read.size(), topic + ": records");
        for (int i = 0; i < sent.size(); i++) {
            same(sent.get(i), read.get(i), topic + ": record " + i);
            Check.equal((long) i, read.get(i).offset(), topic + ": offset of record " + i);
            Check.equal(sent.get(i).timestamp(), read.get(i).timestamp(), topic + ": timestamp of record " + i);
            Check.equal(TimestampType.CREATE_TIME, read.get(i).timestampType(), topic + ": kind of timestamp");
        }
    }

    private static void same(ProducerRecord<byte[], byte[]> sent, ConsumerRecord<byte[], byte[]> read, String what) {
        Check.that(Arrays.equals(sent.key(), read.key()), what + ": key differs");
        Check.that(Arrays.equals(sent.value(), read.value()), what + ": value differs");
        Check.equal(sent.headers().toArray(), read.headers().toArray(), what + ": headers");
    }

    static void idempotence(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        String topic = "java-idempotence";
        kafka.create(topic, 1);
        ProducerConfig defaults = new ProducerConfig(Map.of(
                "bootstrap.servers", kafka.bootstrap(),
                "key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer",
                "value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer"));
        Check.equal(true, defaults.getBoolean("enable.idempotence"), "idempotence by default");

        // A batch of a few records each, five on their way at a time: many sequence numbers. The
        // second producer starts its own sequence at 0 in the same partition.
        List<String> expected = new ArrayList<>();
        for (String name : List.of("first", "second")) {
            List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
            try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("batch.size", 200, "linger.ms", 0))) {
                for (String value : Kafka.numbered(name, name.equals("first") ? 1_000 : 100)) {
                    acknowledged.add(producer.send(new ProducerRecord<>(topic, 0, null, Kafka.bytes(value))));
                    expected.add(value);
                }
            }
            for (Future<RecordMetadata> future : acknowledged) {
                future.get();
            }
        }
        Check.equal(expected, Kafka.values(kafka.readAll(topic, 1)), "records");
    }

    static void seek(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        String topic = "java-seek";
        kafka.create(topic, 2);
        long start = System.currentTimeMillis() - 3_600_000;
        // Partition 0 gets one batch, so each offset wanted is inside it; partition 1 gets a batch a record.
        for (int partition = 0; partition < 2; partition++) {
            Map<String, Object> settings = partition == 0
                    ? Map.of("linger.ms", 1_000, "batch.size", 100_000, "compression.type", "lz4")
                    : Map.of("linger.ms", 0, "batch.size", 0);
            try (KafkaProducer<byte[], byte[]> producer = kafka.producer(settings)) {
                for (int i = 0; i < 100; i++) {
                    producer.send(new ProducerRecord<>(
                            topic, partition, start + 1_000L * i, null, Kafka.bytes("record " + i)));
                }
            }
        }
        for (TopicPartition partition : Kafka.partitions(topic, 2)) {
            seek(kafka, partition, start);
        }
    }

    private static void seek(Kafka kafka, TopicPartition partition, long start) {
        try (KafkaConsumer<byte[], byte[]> consumer =
                kafka.consumer(Map.of("auto.offset.reset", "none", "max.poll.records", 7))) {
            List<TopicPartition> only = List.of(partition);
            consumer.assign(only);
            Check.equal(Map.of(partition, 0L), consumer.beginningOffsets(only), "beginning");
            Check.equal(Map.of(partition, 100L), consumer.endOffsets(only), "end");

            OffsetAndTimestamp exact = offsetFor(consumer, partition, start + 50_000);
            Check.equal(50L, exact.offset(), partition + ": offset for the timestamp of record 50");
            Check.equal(start + 50_000, exact.timestamp(), partition + ": timestamp found for record 50");
            OffsetAndTimestamp between = offsetFor(consumer, partition, start + 49_500);
            Check.equal(exact, between, partition + ": for a time between records 49 and 50");
            Check.equal(0L, offsetFor(consumer, partition, 0).offset(), partition + ": offset for time 0");
            Check.equal(99L, offsetFor(consumer, partition, start + 98_001).offset(), partition + ": the last one's");
            Check.equal(null, offsetFor(consumer, partition, start + 99_001), partition + ": after the last record");

            consumer.seek(partition, exact.offset());
            List<String> all = Kafka.numbered("record", 100);
            Check.equal(all.subList(50, 100), Kafka.values(Kafka.readToEnd(consumer)), partition + ": the rest");
            consumer.seekToBeginning(only);
            Check.equal(all, Kafka.values(Kafka.readToEnd(consumer)), partition + ": from the beginning");
            consumer.seekToEnd(only);
            Check.equal(100L, consumer.position(partition), partition + ": position at the end");

            consumer.seek(partition, 101);
            long deadline = System.nanoTime() + Check.DEADLINE.toNanos();
            try {
                while (System.nanoTime() < deadline) {
                    consumer.poll(Kafka.POLL);
                }
                throw new AssertionError(partition + ": a position after the end is not refused");
            } catch (OffsetOutOfRangeException expected) {
                Check.equal(Map.of(partition, 101L), expected.offsetOutOfRangePartitions(), "offset out of range");
            }
        }
    }

    private static OffsetAndTimestamp offsetFor(
            KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long time) {
        return consumer.offsetsForTimes(Map.of(partition, time)).get(partition);
    }

    static void edges(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        String topic = "java-edges";
        kafka.create(topic, 1);
        byte[] large = new byte[900 * 1024];
        new Random(1).nextBytes(large);
        byte[] key = Kafka.bytes("key");
        byte[] value = Kafka.bytes("value");
        byte[] empty = {};
        byte[] notUtf8 = {(byte) 0xff, (byte) 0xfe, 0, (byte) 0xc3, 0x28};
        List<Header> headers = List.of(
                new RecordHeader("twice", Kafka.bytes("first")),
                new RecordHeader("other", notUtf8),
                new RecordHeader("twice", Kafka.bytes("second")),
                new RecordHeader("null", (byte[]) null),
                new RecordHeader("empty", empty),
                new RecordHeader("", Kafka.bytes("no name")));
        List<ProducerRecord<byte[], byte[]>> sent = List.of(
                new ProducerRecord<>(topic, 0, null, value),
                new ProducerRecord<>(topic, 0, key, null),
                new ProducerRecord<>(topic, 0, null, null),
                new ProducerRecord<>(topic, 0, key, empty),
                new ProducerRecord<>(topic, 0, empty, value),
                new ProducerRecord<>(topic, 0, key, large),
                new ProducerRecord<>(topic, 0, notUtf8, notUtf8),
                new ProducerRecord<>(topic, 0, key, value, headers));
        // The producer's own limit is 1 MiB; the last record is for the server to refuse.
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("max.request.size", 4_000_000))) {
            for (ProducerRecord<byte[], byte[]> record : sent) {
                producer.send(record).get();
            }
            Check.refused(RecordTooLargeException.class, "a value of 2 MiB",
                    () -> producer.send(new ProducerRecord<>(topic, 0, key, new byte[2 << 20])).get());
        }
        List<ConsumerRecord<byte[], byte[]>> read = kafka.readAll(topic, 1);
        Check.equal(sent.size(), read.size(), "records");
        for (int i = 0; i < sent.size(); i++) {
            same(sent.get(i), read.get(i), "record " + i);
        }
    }
}
