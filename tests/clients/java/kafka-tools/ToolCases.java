import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

final class ToolCases {
    private ToolCases() {}

    private static final String DEADLINE_MS = "" + Check.DEADLINE.toMillis();

    private static List<String> numbered(String prefix, int from, int to) {
        return IntStream.range(from, to).mapToObj(number -> prefix + " " + number).toList();
    }

    private static String text(List<String> lines) {
        return String.join("\n", lines) + "\n";
    }

    private static void create(Tools tools, String topic, int partitions) throws Exception {
        tools.ok(Tools.TOPICS, "--create", "--topic", topic, "--partitions", "" + partitions);
        // The tool fails as long as there is no such topic.
        Check.eventually(topic + " is shown",
                () -> tools.run("", Tools.OFFSETS, "--topic", topic).lines().size() == partitions);
    }

    /** TOPIC:PARTITION:OFFSET for the end of each partition. */
    private static List<String> end(Tools tools, String topic) throws Exception {
        return tools.ok(Tools.OFFSETS, "--topic", topic).lines();
    }

    /** Reads COUNT records of partition 0 from an offset. */
    private static List<String> read(Tools tools, String topic, String offset, int count, String... more)
            throws Exception {
        List<String> arguments = new ArrayList<>(List.of(
                "--topic", topic, "--partition", "0", "--offset", offset,
                "--max-messages", "" + count, "--timeout-ms", DEADLINE_MS));
        arguments.addAll(List.of(more));
        return tools.ok(Tools.CONSUMER, arguments.toArray(String[]::new)).lines();
    }

    /** Reads COUNT records as a member of a group, which commits them when it leaves. */
    private static List<String> readInGroup(Tools tools, String topic, String group, int count) throws Exception {
        return tools.ok(Tools.CONSUMER, "--topic", topic, "--group", group, "--from-beginning",
                "--max-messages", "" + count, "--timeout-ms", DEADLINE_MS).lines();
    }

    static void admin(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-admin";
        tools.ok(Tools.TOPICS, "--create", "--topic", topic, "--partitions", "3", "--config", "retention.ms=172800000");
        Check.eventually("the topic is listed", () -> tools.ok(Tools.TOPICS, "--list").lines().contains(topic));
        tools.refused("Error while executing topic command",
                Tools.TOPICS, "--create", "--topic", topic, "--partitions", "3");
        tools.ok(Tools.TOPICS, "--create", "--if-not-exists", "--topic", topic, "--partitions", "3");

        String described = describe(tools, topic);
        contains(described, "PartitionCount: 3");
        contains(described, "ReplicationFactor: 1");
        contains(described, "retention.ms=172800000");
        Matcher partition = Pattern.compile("Partition: 2\\s+Leader: (\\d+)\\s+Replicas: (\\d+)\\s+Isr: (\\d+)")
                .matcher(described);
        Check.that(partition.find(), "no line for partition 2 in " + described);
        String node = partition.group(1);
        Check.that(node.equals(partition.group(2)) && node.equals(partition.group(3)), "replicas in " + described);

        configs(tools, topic, node);

        tools.ok(Tools.TOPICS, "--alter", "--topic", topic, "--partitions", "5");
        Check.eventually("there are 5 partitions", () -> describe(tools, topic).contains("PartitionCount: 5"));
        contains(tools.ok(Tools.LOG_DIRS, "--describe", "--topic-list", topic).out(), "\"" + topic + "-4\"");
        contains(tools.ok(Tools.API_VERSIONS).out(), "Produce(0): ");
        contains(tools.ok(Tools.CLUSTER, "cluster-id").out(), "Cluster ID: ");

        groups(tools, topic);

        tools.ok(Tools.TOPICS, "--delete", "--topic", topic);
        Check.eventually("the topic is gone", () -> !tools.ok(Tools.TOPICS, "--list").lines().contains(topic));
        tools.refused("does not exist as expected", Tools.TOPICS, "--describe", "--topic", topic);
    }

    private static String describe(Tools tools, String topic) throws Exception {
        return tools.ok(Tools.TOPICS, "--describe", "--topic", topic).out();
    }

    private static void contains(String text, String part) {
        Check.that(text.contains(part), "'" + part + "' is not in " + text);
    }

    private static void configs(Tools tools, String topic, String node) throws Exception {
        tools.ok(Tools.CONFIGS, "--alter", "--topic", topic, "--add-config", "retention.ms=259200000");
        Check.eventually("the config is altered",
                () -> dynamic(tools, topic).contains("retention.ms=259200000 sensitive=false"));
        tools.ok(Tools.CONFIGS, "--alter", "--topic", topic, "--delete-config", "retention.ms");
        Check.eventually("the config is deleted", () -> !dynamic(tools, topic).contains("retention.ms"));
        contains(tools.ok(Tools.CONFIGS, "--describe", "--topic", topic, "--all").out(), "cleanup.policy=delete");
        contains(tools.ok(Tools.CONFIGS, "--describe", "--broker", node, "--all").out(), "num.partitions=");
        tools.refused("InvalidConfigurationException", Tools.CONFIGS, "--alter", "--topic", topic,
                "--add-config", "retention.ms=soon");
    }

    /** The configs that were set for the topic itself. */
    private static String dynamic(Tools tools, String topic) throws Exception {
        return tools.ok(Tools.CONFIGS, "--describe", "--topic", topic).out();
    }

    private static void groups(Tools tools, String topic) throws Exception {
        String group = "tools-admin-group";
        tools.okWithInput(text(numbered("record", 0, 10)), Tools.PRODUCER, "--topic", topic);
        readInGroup(tools, topic, group, 10);
        Check.that(tools.ok(Tools.GROUPS, "--list").lines().contains(group), "the group is not listed");
        contains(tools.ok(Tools.GROUPS, "--describe", "--group", group, "--state").out(), "Empty");
        Check.equal(0L, lag(tools, group), "lag");

        tools.ok(Tools.GROUPS, "--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute");
        Check.equal(10L, lag(tools, group), "lag after a reset to the earliest");
        tools.ok(Tools.GROUPS, "--delete-offsets", "--group", group, "--topic", topic);
        Check.that(!tools.ok(Tools.GROUPS, "--describe", "--group", group).out().contains(topic),
                "the group still has offsets");
        tools.ok(Tools.GROUPS, "--delete", "--group", group);
        Check.that(!tools.ok(Tools.GROUPS, "--list").lines().contains(group), "the deleted group is listed");
    }

    /** The columns are GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...; '-' is no offset. */
    private static long lag(Tools tools, String group) throws Exception {
        return rows(tools, group).stream().mapToLong(row -> row[5].equals("-") ? 0 : Long.parseLong(row[5])).sum();
    }

    private static List<String[]> rows(Tools tools, String group, String... more) throws Exception {
        List<String> arguments = new ArrayList<>(List.of("--describe", "--group", group));
        arguments.addAll(List.of(more));
        return tools.ok(Tools.GROUPS, arguments.toArray(String[]::new)).lines().stream()
                .map(line -> line.split("\\s+"))
                .filter(row -> row[0].equals(group))
                .toList();
    }

    static void produce(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            produce(tools, codec, "all");
        }
        produce(tools, "none", "0");
        produce(tools, "none", "1");

        create(tools, "tools-perf", 1);
        contains(tools.ok(Tools.PERFORMANCE, "--topic", "tools-perf", "--num-records", "200", "--record-size", "100",
                "--throughput", "-1").out(), "200 records sent");
        Check.equal(List.of("tools-perf:0:200"), end(tools, "tools-perf"), "end after the performance test");
    }

    private static void produce(Tools tools, String codec, String acks) throws Exception {
        String topic = "tools-produce-" + codec + "-" + acks;
        create(tools, topic, 1);
        List<String> lines = numbered("key\tvalue", 0, 100);
        tools.okWithInput(text(lines), Tools.PRODUCER, "--topic", topic, "--compression-codec", codec,
                "--request-required-acks", acks, "--reader-property", "parse.key=true");
        Check.equal(lines, read(tools, topic, "earliest", 100, "--formatter-property", "print.key=true"), topic);
        Check.equal(List.of(topic + ":0:100"), end(tools, topic), "end");
    }

    static void idempotence(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-idempotence";
        create(tools, topic, 1);
        List<String> lines = numbered("record", 0, 1_000);
        tools.okWithInput(text(lines), Tools.PRODUCER, "--topic", topic, "--batch-size", "200",
                "--command-property", "enable.idempotence=true");
        Check.equal(lines, read(tools, topic, "earliest", 1_000), "records");
        Check.equal(List.of(topic + ":0:1000"), end(tools, topic), "end");
    }

    static void group(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-group";
        create(tools, topic, 4);
        List<Path> files = List.of(server.dir().resolve("consumer-1"), server.dir().resolve("consumer-2"));
        List<Process> consumers = new ArrayList<>();
        try {
            for (Path file : files) {
                consumers.add(tools.start(file, Tools.CONSUMER, "--topic", topic, "--group", topic, "--from-beginning",
                        "--command-property", "heartbeat.interval.ms=100",
                        "--command-property", "auto.commit.interval.ms=100"));
            }
            Check.eventually("two consumers share 4 partitions",
                    () -> List.of("2", "2").equals(partitionsOfMembers(tools, topic)));
            List<String> sent = new ArrayList<>(sendKeyed(tools, topic, 0, 100));
            Check.eventually("100 records are read", () -> lines(files).size() >= 100);
            for (Path file : files) {
                Check.that(!lines(List.of(file)).isEmpty(), file.getFileName() + " read nothing");
            }
            Tools.terminate(consumers.get(1));
            Check.eventually("one consumer takes over all partitions",
                    () -> List.of("4").equals(partitionsOfMembers(tools, topic)));
            sent.addAll(sendKeyed(tools, topic, 100, 200));
            Check.eventually("200 records are read", () -> lines(files).size() >= 200);
            Check.eventually("all is committed", () -> {
                List<String[]> rows = rows(tools, topic);
                // CURRENT-OFFSET and LOG-END-OFFSET
                return rows.size() == 4 && rows.stream().allMatch(row -> row[3].equals(row[4]));
            });
            Check.equal(sent.stream().sorted().toList(), lines(files).stream().sorted().toList(), "records");
        } finally {
            consumers.forEach(Process::destroyForcibly);
        }
    }

    /** The columns are GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS. */
    private static List<String> partitionsOfMembers(Tools tools, String group) throws Exception {
        Tools.Output output = tools.run("", Tools.GROUPS, "--describe", "--group", group, "--members");
        return output.lines().stream()
                .map(line -> line.split("\\s+"))
                .filter(row -> row[0].equals(group))
                .map(row -> row[4])
                .toList();
    }

    /** Returns the values; the keys spread them over the partitions. */
    private static List<String> sendKeyed(Tools tools, String topic, int from, int to) throws Exception {
        List<String> lines = IntStream.range(from, to).mapToObj(i -> "key " + i + "\trecord " + i).toList();
        tools.okWithInput(text(lines), Tools.PRODUCER, "--topic", topic, "--reader-property", "parse.key=true");
        return numbered("record", from, to);
    }

    private static List<String> lines(List<Path> files) throws IOException {
        List<String> lines = new ArrayList<>();
        for (Path file : files) {
            lines.addAll(Files.readAllLines(file));
        }
        return lines;
    }

    static void restart(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-restart";
        create(tools, topic, 1);
        Process producer = tools.start(server.dir().resolve("producer"), Tools.PRODUCER, "--topic", topic);
        try (OutputStream input = producer.getOutputStream()) {
            write(input, numbered("record", 0, 100));
            Check.eventually("100 records are sent", () -> end(tools, topic).equals(List.of(topic + ":0:100")));
            Check.equal(numbered("record", 0, 50), readInGroup(tools, topic, topic, 50), "the first half");

            server.kill();
            server.resume();
            Check.equal(50L, lag(tools, topic), "lag after the restart");
            write(input, numbered("record", 100, 150));
            Check.eventually("the producer carries on", () -> end(tools, topic).equals(List.of(topic + ":0:150")));
            Check.equal(numbered("record", 50, 150), readInGroup(tools, topic, topic, 100), "records after the commit");
            Check.equal(0L, lag(tools, topic), "lag at the end");
            input.close();
            Check.that(producer.waitFor(Check.DEADLINE.toSeconds(), TimeUnit.SECONDS), "the producer does not end");
            Check.equal(0, producer.exitValue(), "exit code of the producer");
        } finally {
            producer.destroyForcibly();
        }
    }

    private static void write(OutputStream input, List<String> lines) throws IOException {
        input.write(text(lines).getBytes(StandardCharsets.UTF_8));
        input.flush();
    }

    static void seek(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-seek";
        create(tools, topic, 1);
        tools.okWithInput(text(numbered("record", 0, 50)), Tools.PRODUCER, "--topic", topic);
        tools.okWithInput(text(numbered("record", 50, 100)), Tools.PRODUCER, "--topic", topic);
        // The tools cannot choose timestamps, but the second producer started after the first had ended.
        long time = timestamp(read(tools, topic, "50", 1, "--formatter-property", "print.timestamp=true").get(0));
        long before = timestamp(read(tools, topic, "49", 1, "--formatter-property", "print.timestamp=true").get(0));
        Check.that(before < time, "record 49 is not older than record 50");

        List<String> rest = numbered("record", 50, 100);
        Check.equal(List.of(topic + ":0:50"),
                tools.ok(Tools.OFFSETS, "--topic", topic, "--time", "" + time).lines(), "offset for the timestamp");
        Check.equal(List.of(topic + ":0:0"), tools.ok(Tools.OFFSETS, "--topic", topic, "--time", "earliest").lines(),
                "earliest offset");
        Check.equal(rest, read(tools, topic, "50", 50), "the rest");
        Check.equal(List.of(topic + ":0:100"), end(tools, topic), "end");

        tools.ok(Tools.GROUPS, "--reset-offsets", "--group", topic, "--topic", topic, "--execute",
                "--to-datetime", Instant.ofEpochMilli(time).toString());
        Check.equal(rest, readInGroup(tools, topic, topic, 50), "the rest after a reset to the time");
    }

    /** CreateTime:MILLISECONDS TAB value */
    private static long timestamp(String line) {
        Check.that(line.startsWith("CreateTime:"), "no create time in " + line);
        return Long.parseLong(line.substring("CreateTime:".length(), line.indexOf('\t')));
    }

    static String edges(Server server) throws Exception {
        Tools tools = new Tools(server.bootstrap());
        String topic = "tools-edges";
        create(tools, topic, 1);
        char[] large = new char[900 * 1024];
        Arrays.fill(large, 'x');
        // Headers, key and value; (null) is null.
        List<String> sent = List.of(
                "number:1\t(null)\tvalue",
                "number:2\tkey\t(null)",
                "number:3\tkey\t",
                "number:4\tkey\t" + new String(large),
                "twice:first,other:(null),twice:second\tkey\tvalue",
                "number:6\t\u00fc\u4e16\ud83c\udf0d\tvalue");
        tools.okWithInput(text(sent), Tools.PRODUCER, "--topic", topic,
                "--reader-property", "parse.headers=true", "--reader-property", "parse.key=true",
                "--reader-property", "null.marker=(null)");
        List<String> read = read(tools, topic, "earliest", sent.size(),
                "--formatter-property", "print.headers=true", "--formatter-property", "print.key=true",
                "--formatter-property", "null.literal=(null)");
        Check.equal(sent.size(), read.size(), "records");
        for (int i = 0; i < sent.size(); i++) {
            Check.that(sent.get(i).equals(read.get(i)), "record " + i + " differs");
        }
        return "all but a key that is not UTF-8, which the console producer cannot send: it reads text";
    }
}
