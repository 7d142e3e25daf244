import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;

final class GroupCases {
    private GroupCases() {}

    /** A member of a group that keeps what it read, and commits at once so that nobody reads it again. */
    private static final class Member implements AutoCloseable, ConsumerRebalanceListener {
        final KafkaConsumer<byte[], byte[]> consumer;
        final List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        final Set<TopicPartition> revoked = new HashSet<>();

        Member(Kafka kafka, String topic, Map<String, Object> settings) {
            Map<String, Object> all = new HashMap<>(settings);
            // Rebalances are learnt of by heartbeats; the default of 3 s would be most of the run. In the consumer
            // protocol the server says how often.
            if (!settings.containsKey("group.protocol")) {
                all.put("heartbeat.interval.ms", 100);
            }
            consumer = kafka.consumer(all);
            consumer.subscribe(List.of(topic), this);
        }

        void poll() {
            ConsumerRecords<byte[], byte[]> polled = consumer.poll(Kafka.POLL);
            if (!polled.isEmpty()) {
                polled.forEach(records::add);
                consumer.commitSync();
            }
        }

        Set<TopicPartition> partitions() {
            return consumer.assignment();
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            revoked.addAll(partitions);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

        @Override
        public void close() {
            consumer.close();
        }
    }

    static void group(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        for (Class<?> assignor : List.of(
                RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class, CooperativeStickyAssignor.class)) {
            String name = "java-group-" + assignor.getSimpleName();
            takeOver(kafka, name, Map.of("partition.assignment.strategy", List.of(assignor.getName())),
                    assignor == CooperativeStickyAssignor.class);
        }
        staticMembers(kafka);
    }

    /** The consumer protocol (KIP-848): assignors of the server, a pattern, a group that goes over. */
    static void consumer(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        for (String assignor : List.of("uniform", "range")) {
            Map<String, Object> settings = Map.of("group.protocol", "consumer", "group.remote.assignor", assignor);
            takeOver(kafka, "java-consumer-" + assignor, settings, true);
        }
        String name = "java-consumer-uniform";
        try (KafkaConsumer<byte[], byte[]> consumer =
                        kafka.consumer(Map.of("group.id", "java-consumer-pattern", "group.protocol", "consumer"));
                Admin admin = kafka.admin()) {
            consumer.subscribe(new SubscriptionPattern("java-consumer-(uniform|range)"));
            Check.eventually("the server finds both topics", () -> {
                consumer.poll(Kafka.POLL);
                return consumer.assignment().size() == 8;
            });
            Check.equal(GroupType.CONSUMER, admin.describeConsumerGroups(List.of("java-consumer-pattern")).all().get()
                    .get("java-consumer-pattern").type(), "type of the group");
        }
        try (Member classic = new Member(kafka, name, Map.of("group.id", "java-consumer-moves"))) {
            untilAll(classic);
        }
        Map<String, Object> over = Map.of("group.id", "java-consumer-moves", "group.protocol", "consumer");
        try (Member consumer = new Member(kafka, name, over)) {
            untilAll(consumer);
            Check.equal(List.of(), consumer.records, "read again by a group that went over to the other protocol");
        }
    }

    private static void untilAll(Member member) throws Exception {
        Check.eventually("all partitions are assigned and read to their ends", () -> {
            member.poll();
            return member.partitions().size() == 4 && member.partitions().stream()
                    .allMatch(partition -> member.consumer.position(partition) == 50);
        });
    }

    private static void takeOver(Kafka kafka, String name, Map<String, Object> how, boolean keeps) throws Exception {
        kafka.create(name, 4);
        Map<String, Object> settings = new HashMap<>(how);
        settings.put("group.id", name);
        try (Member stays = new Member(kafka, name, settings)) {
            Member leaves = new Member(kafka, name, settings);
            try (leaves) {
                untilHalfEach(name, stays, leaves);
                send(kafka, name, "before", 100);
                untilRead(name, 100, stays, leaves);
                Check.equal(50, stays.records.size(), name + ": read by the one");
                Check.equal(50, leaves.records.size(), name + ": read by the other");
                stays.revoked.clear();
            }
            Check.eventually(name + ": one takes over all partitions", () -> {
                stays.poll();
                return stays.partitions().size() == 4;
            });
            if (keeps) {
                Check.equal(Set.of(), stays.revoked, name + ": revoked from the one that stays");
            }
            send(kafka, name, "after", 100);
            untilRead(name, 200, stays, leaves);
            checkOrder(name, stays, leaves);
        }
        try (Admin admin = kafka.admin()) {
            Map<TopicPartition, OffsetAndMetadata> committed =
                    admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get();
            for (TopicPartition partition : Kafka.partitions(name, 4)) {
                Check.equal(50L, committed.get(partition).offset(), name + ": committed in " + partition);
            }
        }
    }

    private static void untilHalfEach(String what, Member one, Member other) throws Exception {
        Check.eventually(what + ": two consumers share 4 partitions", () -> {
            one.poll();
            other.poll();
            Set<TopicPartition> together = new HashSet<>(one.partitions());
            together.addAll(other.partitions());
            return one.partitions().size() == 2 && other.partitions().size() == 2 && together.size() == 4;
        });
    }

    private static void send(Kafka kafka, String topic, String name, int count) throws Exception {
        List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of())) {
            for (int i = 0; i < count; i++) {
                byte[] value = Kafka.bytes(name + " " + i);
                acknowledged.add(producer.send(new ProducerRecord<>(topic, i % 4, null, value)));
            }
        }
        for (Future<RecordMetadata> future : acknowledged) {
            future.get();
        }
    }

    private static void untilRead(String what, int count, Member stays, Member leaves) throws Exception {
        boolean both = stays.partitions().size() < 4;
        Check.eventually(what + ": " + count + " records read", () -> {
            stays.poll();
            if (both) {
                leaves.poll();
            }
            return stays.records.size() + leaves.records.size() >= count;
        });
    }

    /** Every record once, and in each partition the order in which they were sent. */
    private static void checkOrder(String what, Member stays, Member leaves) {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>(leaves.records);
        all.addAll(stays.records);
        for (TopicPartition partition : Kafka.partitions(what, 4)) {
            List<String> read = Kafka.values(all.stream()
                    .filter(record -> record.partition() == partition.partition())
                    .sorted(Comparator.comparingLong(ConsumerRecord::offset))
                    .toList());
            List<String> sent = new ArrayList<>();
            for (String name : List.of("before", "after")) {
                IntStream.range(0, 25).forEach(i -> sent.add(name + " " + (4 * i + partition.partition())));
            }
            Check.equal(sent, read, what + ": records of " + partition);
        }
    }

    private static void staticMembers(Kafka kafka) throws Exception {
        String name = "java-group-static";
        kafka.create(name, 4);
        Map<String, Object> first = Map.of("group.id", name, "group.instance.id", "first");
        Map<String, Object> second = Map.of("group.id", name, "group.instance.id", "second");
        try (Member stays = new Member(kafka, name, first); Admin admin = kafka.admin()) {
            Set<TopicPartition> before;
            int generation;
            try (Member leaves = new Member(kafka, name, second)) {
                untilHalfEach(name, stays, leaves);
                before = Set.copyOf(leaves.partitions());
                generation = stays.consumer.groupMetadata().generationId();
                stays.revoked.clear();
            }
            // A static member does not leave when it is closed: it comes back to what it had and
            // nobody notices.
            try (Member again = new Member(kafka, name, second)) {
                Check.eventually(name + ": a static member comes back", () -> {
                    stays.poll();
                    again.poll();
                    return !again.partitions().isEmpty();
                });
                Check.equal(before, again.partitions(), name + ": partitions of the member that came back");
                Check.equal(generation, stays.consumer.groupMetadata().generationId(), name + ": generation");
                Check.equal(Set.of(), stays.revoked, name + ": revoked from the member that stayed");
                fence(kafka, name, second, stays, again);
            }
            Set<String> instances = admin.describeConsumerGroups(List.of(name)).all().get().get(name).members().stream()
                    .map(member -> member.groupInstanceId().orElse("none"))
                    .collect(Collectors.toSet());
            Check.equal(Set.of("first", "second"), instances, name + ": group.instance.id of the members");
            var remove = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("second")));
            admin.removeMembersFromConsumerGroup(name, remove).all().get();
            Check.eventually(name + ": the other takes over from the removed member", () -> {
                stays.poll();
                return stays.partitions().size() == 4;
            });
        }
    }

    /** A second holder of an instance id shuts the first one out. */
    private static void fence(Kafka kafka, String name, Map<String, Object> second, Member stays, Member holder)
            throws Exception {
        try (Member thief = new Member(kafka, name, second)) {
            Check.eventually(name + ": the second holder has partitions", () -> {
                stays.poll();
                thief.poll();
                return !thief.partitions().isEmpty();
            });
            Check.refused(FencedInstanceIdException.class, name + ": the first holder",
                    () -> Check.eventually(name + ": the first holder is shut out", () -> {
                        holder.poll();
                        return false;
                    }));
        }
    }

    static void restart(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        String topic = "java-restart";
        kafka.create(topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Map<String, Object> group = Map.of("group.id", topic, "max.poll.records", 10);
        List<Future<RecordMetadata>> acknowledged = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of());
                Member lives = new Member(kafka, topic, Map.of("group.id", topic + "-lives"));
                Admin admin = kafka.admin()) {
            Runnable send50 = () -> {
                for (int i = 0; i < 50; i++) {
                    byte[] value = Kafka.bytes("record " + acknowledged.size());
                    acknowledged.add(producer.send(new ProducerRecord<>(topic, 0, null, value)));
                }
            };
            send50.run();
            send50.run();
            producer.flush();
            Check.eventually("a consumer reads before the restart", () -> {
                lives.poll();
                return lives.records.size() >= 100;
            });
            try (KafkaConsumer<byte[], byte[]> consumer = kafka.consumer(group)) {
                consumer.subscribe(List.of(topic));
                Check.eventually("half is read", () -> {
                    consumer.poll(Kafka.POLL);
                    return !consumer.assignment().isEmpty() && consumer.position(partition) >= 50;
                });
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(50, "half-way")));
            }
            var topicBefore = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);

            server.kill();
            // Sent with nobody there: the same producer delivers them when the server is back. In a
            // thread of its own because send() may block until then: a producer that has lost its
            // only broker may forget its metadata.
            CompletableFuture<Void> sending = CompletableFuture.runAsync(send50);
            server.resume();
            sending.get();
            producer.flush();
            send50.run();
            producer.flush();
            for (int i = 0; i < acknowledged.size(); i++) {
                Check.equal((long) i, acknowledged.get(i).get().offset(), "acknowledged offset of record " + i);
            }

            var topicAfter = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            Check.equal(topicBefore.topicId(), topicAfter.topicId(), "topic id after the restart");
            Check.equal(new OffsetAndMetadata(50, "half-way"), withoutEpoch(admin
                    .listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition)),
                    "commit after the restart");
            List<String> all = Kafka.numbered("record", 200);
            try (KafkaConsumer<byte[], byte[]> consumer = kafka.consumer(group)) {
                consumer.subscribe(List.of(topic));
                List<ConsumerRecord<byte[], byte[]>> rest = new ArrayList<>();
                Check.eventually("the group reads the rest", () -> {
                    consumer.poll(Kafka.POLL).forEach(rest::add);
                    return rest.size() >= 150;
                });
                Check.equal(all.subList(50, 200), Kafka.values(rest), "records after the commit");
            }
            Check.equal(all, Kafka.values(kafka.readAll(topic, 1)), "records in the log");
            liveMemberReadsOn(lives);
        }
    }

    /**
     * The member that was there all the time. If the server has forgotten its membership, its first
     * commit may be refused and what it read comes twice; nothing may be missing.
     */
    private static void liveMemberReadsOn(Member lives) throws Exception {
        Set<Long> offsets = new TreeSet<>();
        Check.eventually("the consumer that lived through the restart reads on", () -> {
            try {
                lives.poll();
            } catch (CommitFailedException forgotten) {
                // It joins again at the next poll.
            }
            lives.records.forEach(record -> offsets.add(record.offset()));
            return offsets.contains(199L);
        });
        Check.equal(LongStream.range(0, 200).boxed().collect(Collectors.toSet()), offsets, "offsets read");
    }

    private static OffsetAndMetadata withoutEpoch(OffsetAndMetadata committed) {
        return new OffsetAndMetadata(committed.offset(), committed.metadata());
    }
}
