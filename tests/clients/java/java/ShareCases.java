import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;

/** Share groups (KIP-932): KafkaShareConsumer, and what Admin says of them. */
final class ShareCases {
    private ShareCases() {}

    static void share(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        kafka.create("share", 1);
        earliest(kafka, "sharers");
        send(kafka, "share", 0, 100);
        implicit(kafka);
        explicit(kafka);
        together(kafka);
        limited(kafka);
        committed(kafka);
        admin(kafka);
    }

    /** A poll accepts what the one before it returned; the cases behind this one would see what was not. */
    private static void implicit(Kafka kafka) throws Exception {
        try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("sharers", false)) {
            consumer.subscribe(List.of("share"));
            Check.equal(Kafka.numbered("share", 100), Kafka.values(poll(consumer, 100)), "shared implicitly");
            Check.that(consumer.poll(Kafka.POLL).isEmpty(), "nothing comes twice");
        }
    }

    /** Accepted and rejected records are done, released ones come again with a count. */
    private static void explicit(Kafka kafka) throws Exception {
        send(kafka, "share", 100, 103);
        try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("sharers", true)) {
            consumer.subscribe(List.of("share"));
            List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, 3);
            Check.equal(List.of("share 100", "share 101", "share 102"), Kafka.values(records), "shared explicitly");
            consumer.acknowledge(records.get(0), AcknowledgeType.ACCEPT);
            consumer.acknowledge(records.get(1), AcknowledgeType.RELEASE);
            consumer.acknowledge(records.get(2), AcknowledgeType.REJECT);
            Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "committed");
            for (int delivery = 2; delivery <= 5; delivery++) {
                ConsumerRecord<byte[], byte[]> again = poll(consumer, 1).get(0);
                Check.equal("share 101", new String(again.value()), "released");
                Check.equal(delivery, (int) again.deliveryCount().orElseThrow(), "deliveries");
                consumer.acknowledge(again, AcknowledgeType.RELEASE);
                Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "released");
            }
            Check.that(consumer.poll(Kafka.POLL).isEmpty(), "a record is given up after five deliveries");
        }
    }

    /** Two consumers read the same partition, and no record goes to both. */
    private static void together(Kafka kafka) throws Exception {
        Map<String, Object> few = Map.of("max.poll.records", 10);
        try (KafkaShareConsumer<byte[], byte[]> one = kafka.shareConsumer("sharers", false, few);
                KafkaShareConsumer<byte[], byte[]> other = kafka.shareConsumer("sharers", false, few)) {
            one.subscribe(List.of("share"));
            other.subscribe(List.of("share"));
            Set<String> read = new HashSet<>();
            int[] counts = new int[2];
            int[] next = {103};
            Check.eventually("both read", () -> {
                if (counts[0] == 0 || counts[1] == 0) {
                    send(kafka, "share", next[0], next[0] + 20);
                    next[0] += 20;
                }
                counts[0] += take(one, read);
                counts[1] += take(other, read);
                return counts[0] > 0 && counts[1] > 0 && read.size() == next[0] - 103;
            });
            Check.equal(read.size(), counts[0] + counts[1], "records that went to one of them only");
        }
    }

    /** Who asks for no more records than it works on leaves the rest of a batch to others (KIP-1206). */
    private static void limited(Kafka kafka) throws Exception {
        kafka.create("share-limited", 1);
        earliest(kafka, "limited");
        // One batch, which would go to one of them as a whole.
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("linger.ms", 1000, "batch.size", 1 << 20))) {
            for (int number = 0; number < 20; number++) {
                producer.send(new ProducerRecord<>("share-limited", Kafka.bytes("share-limited " + number)));
            }
        }
        Map<String, Object> few = Map.of("max.poll.records", 5, "share.acquire.mode", "record_limit");
        try (KafkaShareConsumer<byte[], byte[]> one = kafka.shareConsumer("limited", true, few);
                KafkaShareConsumer<byte[], byte[]> other = kafka.shareConsumer("limited", true, few)) {
            one.subscribe(List.of("share-limited"));
            other.subscribe(List.of("share-limited"));
            List<String> read = new ArrayList<>();
            for (KafkaShareConsumer<byte[], byte[]> consumer : List.of(one, other, one, other)) {
                List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, 1);
                Check.equal(5, records.size(), "records of one poll");
                read.addAll(Kafka.values(records));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    consumer.acknowledge(record);
                }
                if (read.size() > 10) {
                    Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "committed");
                }
            }
            Check.equal(Kafka.numbered("share-limited", 20), read, "each record once, in order");
        }
    }

    /** A group that reads what is committed gets nothing of a transaction that is open or aborted. */
    private static void committed(Kafka kafka) throws Exception {
        kafka.create("share-committed", 1);
        earliest(kafka, "committed");
        set(kafka, "committed", "share.isolation.level", "read_committed");
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("transactional.id", "share-committed"));
                KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("committed", false)) {
            consumer.subscribe(List.of("share-committed"));
            producer.initTransactions();
            List<String> expected = new ArrayList<>();
            for (int transaction = 0; transaction < 6; transaction++) {
                producer.beginTransaction();
                for (int number = 0; number < 3; number++) {
                    String value = "transaction " + transaction + "." + number;
                    producer.send(new ProducerRecord<>("share-committed", Kafka.bytes(value)));
                    if (transaction % 2 == 1) {
                        expected.add(value);
                    }
                }
                if (transaction % 2 == 1) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
            Check.equal(expected, Kafka.values(poll(consumer, expected.size())), "what was committed");
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("share-committed", Kafka.bytes("open"))).get();
            send(kafka, "share-committed", 0, 1);
            Check.that(consumer.poll(Kafka.POLL).isEmpty(), "nothing behind the beginning of an open transaction");
            producer.commitTransaction();
            Check.equal(List.of("open", "share-committed 0"), Kafka.values(poll(consumer, 2)), "when it is over");
        }
    }

    /** Who works longer than a lock lasts renews it, and nobody else gets the record (KIP-1222). */
    static void shareRenew(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        kafka.create("share-renew", 1);
        earliest(kafka, "renewers");
        set(kafka, "renewers", "share.record.lock.duration.ms", "15000");
        send(kafka, "share-renew", 0, 2);
        try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("renewers", true);
                KafkaShareConsumer<byte[], byte[]> other = kafka.shareConsumer("renewers", true)) {
            consumer.subscribe(List.of("share-renew"));
            List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, 2);
            Check.equal(15_000, (int) consumer.acquisitionLockTimeoutMs().orElseThrow(), "the lock's duration");
            other.subscribe(List.of("share-renew"));
            consumer.acknowledge(records.get(1), AcknowledgeType.ACCEPT);
            ConsumerRecord<byte[], byte[]> slow = records.get(0);
            for (int renewal = 0; renewal < 4; renewal++) {
                consumer.acknowledge(slow, AcknowledgeType.RENEW);
                Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "renewed");
                Check.that(other.poll(Duration.ofSeconds(6)).isEmpty(), "nobody else gets it");
                List<ConsumerRecord<byte[], byte[]>> again = poll(consumer, 1);
                Check.equal(List.of("share-renew 0"), Kafka.values(again), "what was renewed is to be acknowledged still");
                slow = again.get(0);
            }
            consumer.acknowledge(slow, AcknowledgeType.ACCEPT);
            Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "accepted");
            Check.that(other.poll(Kafka.POLL).isEmpty(), "it is done");
        }
    }

    private static int take(KafkaShareConsumer<byte[], byte[]> consumer, Set<String> read) {
        int count = 0;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Kafka.POLL)) {
            read.add(new String(record.value()));
            count++;
        }
        return count;
    }

    private static void admin(Kafka kafka) throws Exception {
        try (Admin admin = kafka.admin()) {
            try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("sharers", false)) {
                consumer.subscribe(List.of("share"));
                Check.eventually("the member is assigned its partition", () -> {
                    consumer.poll(Kafka.POLL);
                    return assigned(describe(admin)).equals(Set.of(new TopicPartition("share", 0)));
                });
                Check.equal(GroupState.STABLE, describe(admin).groupState(), "state");
                Check.refused(GroupNotEmptyException.class, "a group with a member is moved",
                        () -> admin.alterShareGroupOffsets("sharers", Map.of(new TopicPartition("share", 0), 5L)).all().get());
            }
            Check.eventually("the group is empty", () -> describe(admin).groupState() == GroupState.EMPTY);
            ListGroupsOptions shares = new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE));
            Check.that(admin.listGroups(shares).all().get().stream().anyMatch(group -> group.groupId().equals("sharers")), "listed");
            admin.alterShareGroupOffsets("sharers", Map.of(new TopicPartition("share", 0), 5L)).all().get();
            Check.equal(5L, offset(kafka, "sharers", "share"), "moved");
            try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("sharers", false)) {
                consumer.subscribe(List.of("share"));
                Check.equal("share 5", Kafka.values(poll(consumer, 1)).get(0), "read from there");
            }
            Check.eventually("the group is empty again", () -> describe(admin).groupState() == GroupState.EMPTY);
            admin.deleteShareGroupOffsets("sharers", Set.of("share")).all().get();
            admin.deleteShareGroups(List.of("sharers")).all().get();
            Check.refused(GroupIdNotFoundException.class, "a deleted group is described", () -> describe(admin));
        }
    }

    /** What was accepted does not come back after the server was killed; what was released keeps its count. */
    static void shareRestart(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        kafka.create("share-restart", 1);
        earliest(kafka, "survivors");
        send(kafka, "share-restart", 0, 3);
        try (KafkaShareConsumer<byte[], byte[]> consumer = kafka.shareConsumer("survivors", true)) {
            consumer.subscribe(List.of("share-restart"));
            List<ConsumerRecord<byte[], byte[]>> records = poll(consumer, 3);
            consumer.acknowledge(records.get(0), AcknowledgeType.RELEASE);
            consumer.acknowledge(records.get(1), AcknowledgeType.ACCEPT);
            consumer.acknowledge(records.get(2), AcknowledgeType.RELEASE);
            Check.that(consumer.commitSync().values().stream().allMatch(error -> error.isEmpty()), "committed");
            server.kill();
            server.resume();
            Set<String> values = new TreeSet<>();
            Check.eventually("what was released comes again", () -> {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Kafka.POLL)) {
                    values.add(new String(record.value()));
                    Check.that(record.deliveryCount().orElseThrow() >= 2, "the count holds");
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                }
                return values.size() >= 2;
            });
            Check.equal(Set.of("share-restart 0", "share-restart 2"), values, "after the restart");
        }
    }

    private static ShareGroupDescription describe(Admin admin) throws Exception {
        return admin.describeShareGroups(List.of("sharers")).all().get().get("sharers");
    }

    private static Set<TopicPartition> assigned(ShareGroupDescription group) {
        Set<TopicPartition> assigned = new HashSet<>();
        group.members().forEach(member -> assigned.addAll(member.assignment().topicPartitions()));
        return assigned;
    }

    static void earliest(Kafka kafka, String group) throws Exception {
        set(kafka, group, "share.auto.offset.reset", "earliest");
    }

    private static void set(Kafka kafka, String group, String config, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(config, value), AlterConfigOp.OpType.SET);
        try (Admin admin = kafka.admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
            Check.eventually("the config is shown", () -> {
                var shown = admin.describeConfigs(List.of(resource)).all().get().get(resource);
                return shown.get(config).value().equals(value);
            });
        }
    }

    private static Long offset(Kafka kafka, String group, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        ListShareGroupOffsetsSpec spec = new ListShareGroupOffsetsSpec().topicPartitions(List.of(partition));
        try (Admin admin = kafka.admin()) {
            var offsets = admin.listShareGroupOffsets(Map.of(group, spec)).partitionsToOffsetInfo(group).get();
            return offsets.get(partition) == null ? null : offsets.get(partition).startOffset();
        }
    }

    /** Records "TOPIC FROM" to "TOPIC (TO-1)". */
    private static void send(Kafka kafka, String topic, int from, int to) {
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of())) {
            for (int number = from; number < to; number++) {
                producer.send(new ProducerRecord<>(topic, Kafka.bytes(topic + " " + number)));
            }
        }
    }

    /** At least so many records, in the order in which they came. */
    static List<ConsumerRecord<byte[], byte[]>> poll(KafkaShareConsumer<byte[], byte[]> consumer, int count)
            throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        Check.eventually(count + " records are shared", () -> {
            consumer.poll(Kafka.POLL).forEach(records::add);
            return records.size() >= count;
        });
        return records;
    }
}
