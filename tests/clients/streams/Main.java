import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.StreamsGroupDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;

/** Rounds of lines for one word count; what happens to the server and to the application differs from round to round. */
public final class Main {
    private static final int PARTITIONS = 3;
    private static final int LINES_A_ROUND = 3_000;
    private static final List<String> WORDS =
            List.of("shard", "lane", "offset", "record", "batch", "group", "fetch", "commit", "log");
    /** An application that was killed is missed after 45 s in the streams protocol. */
    private static final Duration ROUND_WITHIN = Duration.ofSeconds(150);

    private final Server server;
    private final Path work;
    private final String guarantee;
    private final String protocol;
    private final Map<String, Long> expected = new TreeMap<>();
    private final Map<String, Long> seen = new TreeMap<>();
    private Application application;
    private int lines;

    private Main(Server server, String guarantee, String protocol) {
        this.server = server;
        this.work = server.dir();
        this.guarantee = guarantee;
        this.protocol = protocol;
    }

    public static void main(String[] arguments) throws Exception {
        Server server = new Server(Path.of(arguments[0]), Path.of(arguments[1]));
        Main main = new Main(server, arguments[2], arguments[3]);
        String outcome = "ok";
        try {
            main.run();
        } catch (Throwable failed) {
            failed.printStackTrace();
            outcome = "fail " + failed.toString().replaceAll("\\s+", " ");
        } finally {
            if (main.application != null) {
                main.application.kill();
            }
        }
        System.out.println("CASE streams 4.4.0 word-count-" + arguments[3] + "-" + arguments[2] + " " + outcome);
    }

    /** Does something in the midst of a round. */
    private interface Blow {
        void fall() throws Exception;
    }

    private void run() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", server.bootstrap()))) {
            admin.createTopics(List.of(
                            new NewTopic(WordCount.LINES, PARTITIONS, (short) 1),
                            new NewTopic(WordCount.COUNTS, PARTITIONS, (short) 1)))
                    .all()
                    .get();
            start("first");
            write(() -> {});
            readCounts("the first round");
            internalTopics(admin);

            // The server is killed while the application works.
            write(() -> {
                server.kill();
                server.resume();
            });
            readCounts("a round during which the server was killed");
            Check.equal(KafkaStreams.State.RUNNING.toString(), application.state(), "the application's state after that");

            // With at least once, lines that were counted and not committed when the application died are counted again.
            if (guarantee.equals("exactly_once_v2")) {
                killTheApplication();
            }
            group(admin);
            application.close();

            // Its stores are lost: it restores them from the changelog, and goes on where it was.
            start("second");
            write(() -> {});
            readCounts("a round after the stores were lost");
            application.close();
            if (protocol.equals("streams")) {
                deleteTheGroup(admin);
            }
        }
    }

    private void killTheApplication() throws Exception {
        // It goes on with its stores, of which it cannot know how much is committed.
        write(() -> {
            application.kill();
            start("first");
        });
        readCounts("a round during which the application was killed");

        write(() -> {
            application.kill();
            server.kill();
            server.resume();
            start("first");
        });
        readCounts("a round during which the application and the server were killed");
    }

    /** Starts the application on stores of that name. */
    private void start(String stores) throws Exception {
        Path log = work.resolve("application-log");
        application = new Application(server.bootstrap(), work.resolve("stores-" + stores), log, guarantee, protocol);
    }

    /** Writes a round of lines; the blow falls half-way. */
    private void write(Blow blow) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", server.bootstrap(), "linger.ms", 5),
                new StringSerializer(), new StringSerializer())) {
            for (int index = 0; index < LINES_A_ROUND; index++) {
                int line = lines++;
                String first = WORDS.get(line % WORDS.size());
                String second = WORDS.get(line * line % WORDS.size());
                producer.send(new ProducerRecord<>(WordCount.LINES, line % PARTITIONS, "line " + line, first + " " + second));
                expected.merge(first, 1L, Long::sum);
                expected.merge(second, 1L, Long::sum);
                if (index == LINES_A_ROUND / 2) {
                    producer.flush();
                    blow.fall();
                }
            }
        }
    }

    /** Reads the counts until the last of each word is the expected one; then none is ever above. */
    private void readCounts(String what) throws Exception {
        try (KafkaConsumer<String, Long> consumer = new KafkaConsumer<>(
                Map.of("bootstrap.servers", server.bootstrap(), "isolation.level", "read_committed"),
                new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                    .mapToObj(partition -> new TopicPartition(WordCount.COUNTS, partition))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            seen.clear();
            long end = System.nanoTime() + ROUND_WITHIN.toNanos();
            while (!seen.equals(expected)) {
                Check.that(System.nanoTime() < end, what + ": expected " + expected + ", got " + seen);
                for (ConsumerRecord<String, Long> count : consumer.poll(Duration.ofMillis(200))) {
                    seen.put(count.key(), count.value());
                }
            }
            for (ConsumerRecord<String, Long> count : consumer.poll(Duration.ofMillis(500))) {
                seen.put(count.key(), count.value());
            }
            Check.equal(expected, seen, what);
        }
    }

    /** Its internal topics are there, with the settings that Streams gave them. */
    private static void internalTopics(Admin admin) throws Exception {
        Set<String> topics = admin.listTopics().names().get();
        Map<String, String> policies = new HashMap<>();
        for (String topic : List.of(WordCount.REPARTITION, WordCount.CHANGELOG)) {
            Check.that(topics.contains(topic), topic + " is not there; there are " + topics);
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            policies.put(topic, admin.describeConfigs(List.of(resource)).all().get().get(resource).get("cleanup.policy").value());
        }
        Check.equal(Map.of(WordCount.REPARTITION, "delete", WordCount.CHANGELOG, "compact"), policies, "cleanup policies");
    }

    /** Tools see the group as what it is. */
    private void group(Admin admin) throws Exception {
        GroupListing listed = admin.listGroups().all().get().stream()
                .filter(group -> group.groupId().equals(WordCount.APPLICATION))
                .findFirst()
                .orElseThrow();
        GroupType type = protocol.equals("streams") ? GroupType.STREAMS : GroupType.CLASSIC;
        Check.equal(type, listed.type().orElseThrow(), "the group's type");
        if (type != GroupType.STREAMS) {
            return;
        }
        StreamsGroupDescription described = describe(admin);
        Check.equal(2, described.members().size(), "members, one for each thread");
        long active = described.members().stream()
                .flatMap(member -> member.assignment().activeTasks().stream())
                .mapToLong(tasks -> tasks.partitions().size())
                .sum();
        Check.equal(2L * PARTITIONS, active, "active tasks: of two subtopologies");
        Check.equal(GroupState.STABLE, described.groupState(), "the group's state");
        Check.refused(GroupNotEmptyException.class, "deleting a group with members",
                () -> admin.deleteStreamsGroups(List.of(WordCount.APPLICATION)).all().get());
        Check.refused(GroupSubscribedToTopicException.class, "deleting an offset of a topic that is read",
                () -> admin.deleteStreamsGroupOffsets(WordCount.APPLICATION, Set.of(new TopicPartition(WordCount.LINES, 0)))
                        .all()
                        .get());
    }

    /** Offsets and group go when nobody is in it any more. */
    private static void deleteTheGroup(Admin admin) throws Exception {
        String group = WordCount.APPLICATION;
        TopicPartition first = new TopicPartition(WordCount.LINES, 0);
        long end = System.nanoTime() + ROUND_WITHIN.toNanos();
        while (describe(admin).groupState() != GroupState.EMPTY) {
            Check.that(System.nanoTime() < end, "the group still has members: " + describe(admin));
            Thread.sleep(200);
        }
        admin.deleteStreamsGroupOffsets(group, Set.of(first)).all().get();
        Map<TopicPartition, OffsetAndMetadata> offsets =
                admin.listStreamsGroupOffsets(Map.of(group, new ListStreamsGroupOffsetsSpec())).partitionsToOffsetAndMetadata(group).get();
        Check.that(offsets.get(first) == null, "an offset that was deleted: " + offsets.get(first));
        Check.that(offsets.get(new TopicPartition(WordCount.LINES, 1)) != null, "an offset that was not: " + offsets);
        admin.alterStreamsGroupOffsets(group, Map.of(first, new OffsetAndMetadata(7))).all().get();
        admin.deleteStreamsGroups(List.of(group)).all().get();
        Check.that(admin.listGroups().all().get().isEmpty(), "no group is left");
    }

    private static StreamsGroupDescription describe(Admin admin) throws Exception {
        return admin.describeStreamsGroups(List.of(WordCount.APPLICATION)).all().get().get(WordCount.APPLICATION);
    }
}
