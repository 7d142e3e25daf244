import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;

/** Three rounds of lines for one word count; what happens to the server and to the application differs from round to round. */
public final class Main {
    private static final int PARTITIONS = 3;
    private static final int LINES_A_ROUND = 3_000;
    private static final List<String> WORDS =
            List.of("shard", "lane", "offset", "record", "batch", "group", "fetch", "commit", "log");
    private static final Duration ROUND_WITHIN = Duration.ofSeconds(60);

    private final Server server;
    private final Path work;
    private final String guarantee;
    private final Map<String, Long> expected = new TreeMap<>();
    private final Map<String, Long> seen = new TreeMap<>();
    private int lines;

    private Main(Server server, Path work, String guarantee) {
        this.server = server;
        this.work = work;
        this.guarantee = guarantee;
    }

    public static void main(String[] arguments) throws Exception {
        Server server = new Server(Path.of(arguments[0]), Path.of(arguments[1]));
        String outcome = "ok";
        try {
            new Main(server, server.dir().resolve("stores"), arguments[2]).run();
        } catch (Throwable failed) {
            failed.printStackTrace();
            outcome = "fail " + failed.toString().replaceAll("\\s+", " ");
        }
        System.out.println("CASE streams 4.4.0 word-count-" + arguments[2] + " " + outcome);
        // Threads of an application that hangs must not keep the process.
        System.exit(0);
    }

    private void run() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", server.bootstrap()))) {
            admin.createTopics(List.of(
                            new NewTopic(WordCount.LINES, PARTITIONS, (short) 1),
                            new NewTopic(WordCount.COUNTS, PARTITIONS, (short) 1)))
                    .all()
                    .get();
            WordCount count = new WordCount(server.bootstrap(), work.resolve("first"), guarantee);
            write(0);
            readCounts("the first round");
            internalTopics(admin);

            // The server is killed while the application works.
            write(LINES_A_ROUND / 2);
            readCounts("a round during which the server was killed");
            Check.equal(KafkaStreams.State.RUNNING, count.state(), "the application's state after the server was killed");
            count.close();

            // Its stores are lost with it: it restores them from the changelog, and goes on where it was.
            count = new WordCount(server.bootstrap(), work.resolve("second"), guarantee);
            write(0);
            readCounts("a round after the stores were lost");
            count.close();
        }
    }

    /** Writes a round of lines; kills the server and resumes it after so many of them, if not 0. */
    private void write(int killAfter) throws Exception {
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
                if (killAfter > 0 && index == killAfter) {
                    server.kill();
                    server.resume();
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
}
