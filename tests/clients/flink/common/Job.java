import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.runtime.client.JobCancellationException;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** One query that runs with checkpoints in a cluster of its own in this process. */
final class Job {
    static final int SUM_PARTITIONS = 2;

    /** Makes the table `clicks`. */
    interface Source {
        void declare(StreamExecutionEnvironment environment, StreamTableEnvironment tables);
    }

    private static final String SUMS = """
            INSERT INTO sums
            SELECT window_start, page, COUNT(*), SUM(amount)
            FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '%d' SECOND))
            WHERE page <> 'tick'
            GROUP BY window_start, window_end, page
            """.formatted(Clicks.WINDOW_SECONDS);

    private final JobClient client;
    /** Asked for at once: the cluster ends with its job and answers no more. */
    private final CompletableFuture<JobExecutionResult> end;
    private final Path checkpoints;

    private Job(JobClient client, Path checkpoints) {
        this.client = client;
        this.checkpoints = checkpoints;
        end = client.getJobExecutionResult();
    }

    /** From the beginning, or from a checkpoint of the same query if that is not null. */
    static Job start(Path checkpoints, Path from, Source source, Map<String, String> sink) throws IOException {
        Files.createDirectories(checkpoints);
        Configuration configuration = new Configuration();
        configuration.setString("execution.checkpointing.interval", "300 ms");
        configuration.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        // Flink 2 has other names for some.
        for (String name : List.of("state.checkpoints.dir", "execution.checkpointing.dir")) {
            configuration.setString(name, checkpoints.toUri().toString());
        }
        for (String name : List.of("execution.savepoint.path", "execution.state-recovery.path")) {
            if (from != null) {
                configuration.setString(name, from.toUri().toString());
            }
        }
        // A job that fails must be seen to.
        configuration.setString("restart-strategy.type", "disable");
        configuration.setString("taskmanager.memory.managed.size", "64 mb");
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(Clicks.PARTITIONS, configuration);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        source.declare(environment, tables);
        tables.executeSql("CREATE TABLE sums (`begin` TIMESTAMP(3), page STRING, clicks BIGINT, total BIGINT) " + with(sink));
        return new Job(tables.executeSql(SUMS).getJobClient().orElseThrow(), checkpoints);
    }

    /** The source by the options of a connector. */
    static Source table(Map<String, String> options) {
        return (environment, tables) -> tables.executeSql("""
                CREATE TABLE clicks (
                    page STRING, amount BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
                ) """ + with(options));
    }

    private static String with(Map<String, String> options) {
        return options.entrySet().stream()
                .map(option -> "'" + option.getKey() + "' = '" + option.getValue() + "'")
                .collect(Collectors.joining(", ", "WITH (", ")"));
    }

    /** Waits until the topic has these rows. */
    void reaches(Gateway gateway, String topic, List<String> rows) throws Exception {
        int[] seen = {0};
        try {
            Check.eventually("the sums", () -> {
                failsNot();
                seen[0] = gateway.values(topic, SUM_PARTITIONS).size();
                return seen[0] >= rows.size();
            });
        } catch (AssertionError late) {
            throw new AssertionError(late.getMessage() + "; " + seen[0] + " of " + rows.size() + " rows are there", late);
        }
    }

    /** Waits until the query has read its bounded source to the end. */
    void ends() throws Exception {
        end.get();
    }

    /** Cancels the job after a checkpoint that began later than this call, and gives the newest one. */
    Path stop() throws Exception {
        // The next one may have begun already.
        long after = number(newest()) + 1;
        Check.eventually("a complete checkpoint", () -> {
            failsNot();
            return number(newest()) > after;
        });
        client.cancel().get();
        try {
            end.get();
        } catch (ExecutionException cancelled) {
            Check.that(cancelled.getCause() instanceof JobCancellationException, "the job ends with " + cancelled.getCause());
        }
        return newest().orElseThrow();
    }

    /** Of the complete checkpoints. */
    private Optional<Path> newest() throws IOException {
        try (Stream<Path> found = Files.find(checkpoints, 3, (file, attributes) -> file.endsWith("_metadata"))) {
            return found.map(Path::getParent).max(Comparator.comparingLong(checkpoint -> number(Optional.of(checkpoint))));
        } catch (UncheckedIOException removed) {
            // While this looked; there is a newer one.
            return newest();
        }
    }

    private static long number(Optional<Path> checkpoint) {
        return checkpoint.map(path -> Long.parseLong(path.getFileName().toString().substring("chk-".length()))).orElse(0L);
    }

    private void failsNot() throws Exception {
        if (end.isDone()) {
            end.get();
        }
    }
}
