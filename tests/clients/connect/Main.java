import java.io.IOException;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * A worker of Kafka Connect, distributed, with exactly-once sources: it copies the lines of one file through a topic to another
 * file, and goes on where it was after it and the server were killed.
 */
public final class Main {
    private static final String LINES = "connect-lines";
    private static final Set<String> INTERNAL = Set.of("connect-configs", "connect-offsets", "connect-status");

    private final Server server;
    private final Path source;
    private final Path sink;
    private Worker worker;

    private Main(Server server) {
        this.server = server;
        source = server.dir().resolve("source.txt");
        sink = server.dir().resolve("sink.txt");
    }

    public static void main(String[] arguments) throws Exception {
        Main main = new Main(new Server(Path.of(arguments[0]), Path.of(arguments[1])));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (main.worker != null) {
                main.worker.process.destroyForcibly();
            }
        }));
        new Suite()
                .add("worker", server -> main.startsAndMakesItsTopics())
                .add("connectors", server -> main.copiesLines())
                .add("restart", server -> main.goesOn())
                .add("delete", server -> main.forgets())
                .run("connect", arguments);
    }

    private void startsAndMakesItsTopics() throws Exception {
        worker = new Worker(server);
        worker.untilServes();
        try (Admin admin = admin()) {
            Check.that(admin.listTopics().names().get().containsAll(INTERNAL), "an internal topic is missing");
            Check.equal(5, partitions(admin, "connect-offsets"), "partitions of the topic of offsets");
            Check.equal(1, partitions(admin, "connect-configs"), "partitions of the topic of configs");
            for (String topic : INTERNAL) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                Check.equal("compact", admin.describeConfigs(List.of(resource)).all().get().get(resource)
                        .get("cleanup.policy").value(), "cleanup.policy of " + topic);
            }
        }
        Check.equal("[]", worker.ask("GET", "/connectors", null), "connectors of a new cluster");
    }

    private void copiesLines() throws Exception {
        append(0, 100);
        worker.ask("PUT", "/connectors/source/config", """
                {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                 "topic": "%s", "file": "%s"}""".formatted(LINES, source));
        worker.ask("PUT", "/connectors/sink/config", """
                {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                 "topics": "%s", "file": "%s"}""".formatted(LINES, sink));
        Check.eventually("the lines are copied", () -> Files.exists(sink) && Files.readAllLines(sink).equals(lines(0, 100)));
        for (String connector : List.of("source", "sink")) {
            Check.eventually(connector + " runs", () -> {
                String status = worker.ask("GET", "/connectors/" + connector + "/status", null);
                return status.split("\"RUNNING\"", -1).length == 3;
            });
            Check.eventually("the topic of " + connector + " is known", () ->
                    worker.ask("GET", "/connectors/" + connector + "/topics", null).contains(LINES));
        }
        untilCommitted(100);
    }

    /** What was copied before the kill is not copied again by the source. */
    private void goesOn() throws Exception {
        worker.process.destroyForcibly().waitFor();
        server.kill();
        append(100, 200);
        server.resume();
        worker = new Worker(server);
        worker.untilServes();
        Check.eventually("both connectors are there again", () -> {
            String connectors = worker.ask("GET", "/connectors", null);
            return connectors.contains("source") && connectors.contains("sink");
        });
        Check.eventually("the new lines are copied", () -> Files.readAllLines(sink).containsAll(lines(0, 200)));
        Check.equal(lines(0, 200), Files.readAllLines(sink).stream().distinct().toList(), "lines of the sink, in order");
        untilCommitted(200);
    }

    private void forgets() throws Exception {
        worker.ask("DELETE", "/connectors/source", null);
        worker.ask("DELETE", "/connectors/sink", null);
        Check.eventually("there are none", () -> worker.ask("GET", "/connectors", null).equals("[]"));
        worker.process.destroy();
        Check.that(worker.process.waitFor() == 143 || worker.process.exitValue() == 0, "the worker does not stop by itself");
        try (Admin admin = admin()) {
            Check.eventually("the sink's group has no members", () -> admin.describeConsumerGroups(List.of("connect-sink")).all()
                    .get().get("connect-sink").members().isEmpty());
        }
    }

    /** The source's place in its file and the sink's in the topic are durable, and each line was written once. */
    private void untilCommitted(int count) throws Exception {
        Check.eventually("the source's offset is the end of its file", () ->
                worker.ask("GET", "/connectors/source/offsets", null).contains("\"position\":" + Files.size(source)));
        TopicPartition partition = new TopicPartition(LINES, 0);
        try (Admin admin = admin()) {
            // Each transaction's marker has an offset too.
            long end = admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
            Check.eventually("the sink's offset is the end of the topic", () -> {
                var offsets = admin.listConsumerGroupOffsets("connect-sink").partitionsToOffsetAndMetadata().get();
                return offsets.containsKey(partition) && offsets.get(partition).offset() >= end - 1;
            });
        }
        Check.equal(count, Topic.count(server.bootstrap(), partition), "records of the topic");
    }

    private void append(int from, int to) throws IOException {
        Files.write(source, lines(from, to), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static List<String> lines(int from, int to) {
        return IntStream.range(from, to).mapToObj(number -> "line " + number).toList();
    }

    private Admin admin() throws IOException {
        return Admin.create(Map.of("bootstrap.servers", server.bootstrap()));
    }

    private static int partitions(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    /** A worker in a process of its own, and its REST door. */
    private static final class Worker {
        private final HttpClient http = HttpClient.newHttpClient();
        private final String address;
        final Process process;

        Worker(Server server) throws IOException {
            try (ServerSocket socket = new ServerSocket(0)) {
                address = "127.0.0.1:" + socket.getLocalPort();
            }
            Path properties = server.dir().resolve("worker.properties");
            Files.writeString(properties, """
                    bootstrap.servers=%s
                    group.id=connect
                    listeners=HTTP://%s
                    rest.advertised.host.name=127.0.0.1
                    key.converter=org.apache.kafka.connect.storage.StringConverter
                    value.converter=org.apache.kafka.connect.storage.StringConverter
                    config.storage.topic=connect-configs
                    offset.storage.topic=connect-offsets
                    status.storage.topic=connect-status
                    config.storage.replication.factor=1
                    offset.storage.replication.factor=1
                    status.storage.replication.factor=1
                    offset.storage.partitions=5
                    status.storage.partitions=1
                    offset.flush.interval.ms=500
                    exactly.once.source.support=enabled
                    scheduled.rebalance.max.delay.ms=0
                    session.timeout.ms=6000
                    heartbeat.interval.ms=500
                    consumer.session.timeout.ms=6000
                    consumer.heartbeat.interval.ms=500
                    plugin.discovery=service_load
                    """.formatted(server.bootstrap(), address));
            process = new ProcessBuilder("java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                    "-Dlog4j2.configurationFile=" + System.getProperty("log4j2.configurationFile"),
                    "-cp", System.getProperty("java.class.path"),
                    "org.apache.kafka.connect.cli.ConnectDistributed", properties.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(server.dir().resolve("worker.log").toFile()))
                    .start();
        }

        void untilServes() throws Exception {
            long end = System.nanoTime() + 50_000_000_000L;
            while (true) {
                Check.that(process.isAlive(), "the worker has ended");
                try {
                    ask("GET", "/connectors", null);
                    return;
                } catch (ConnectException | IllegalStateException notYet) {
                    Check.that(System.nanoTime() < end, "the worker does not serve after 50 s");
                    Thread.sleep(100);
                }
            }
        }

        /** A rebalance of the workers is waited for. */
        String ask(String method, String path, String body) throws Exception {
            long end = System.nanoTime() + Check.DEADLINE.toNanos();
            while (true) {
                HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + address + path))
                        .header("Content-Type", "application/json")
                        .method(method, body == null
                                ? HttpRequest.BodyPublishers.noBody()
                                : HttpRequest.BodyPublishers.ofString(body))
                        .build();
                HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
                if (response.statusCode() / 100 == 2) {
                    return response.body();
                }
                if (response.statusCode() != 409 && response.statusCode() != 404 || System.nanoTime() > end) {
                    throw new IllegalStateException(method + " " + path + ": " + response.statusCode() + " " + response.body());
                }
                Thread.sleep(100);
            }
        }
    }
}
