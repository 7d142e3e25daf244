import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the tools' main classes: in this process where one call follows the other, because a start of
 * a JVM costs more than most calls, and in a process of its own where several run at the same time.
 */
record Tools(String bootstrap) {
    static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    static final String PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    static final String CONFIGS = "kafka.admin.ConfigCommand";
    static final String OFFSETS = "org.apache.kafka.tools.GetOffsetShell";
    static final String PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance";
    static final String LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand";
    static final String API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand";
    static final String CLUSTER = "org.apache.kafka.tools.ClusterTool";

    /** What a tool has printed; `all` is standard output and standard error together. */
    record Output(int status, String out, String all) {
        List<String> lines() {
            return out.lines().toList();
        }
    }

    /** Ends a tool that calls Exit.exit(). Some catch it and exit once more: the first status counts. */
    private static final class Exited extends Error {
        Exited() {
            super("exit", null, false, false);
        }
    }

    /** Runs a tool that must succeed. */
    Output ok(String tool, String... arguments) throws Exception {
        return okWithInput("", tool, arguments);
    }

    Output okWithInput(String input, String tool, String... arguments) throws Exception {
        Output output = run(input, tool, arguments);
        Check.equal(0, output.status, "exit code of " + called(tool, arguments) + ", which printed " + output.all);
        return output;
    }

    /** Runs a tool that must fail with a message of its own; the server words its part as it likes. */
    void refused(String message, String tool, String... arguments) throws Exception {
        Output output = run("", tool, arguments);
        String what = called(tool, arguments) + " printed " + output.all;
        Check.that(output.status != 0, what + " and did not fail");
        Check.that(output.all.contains(message), what + " without: " + message);
    }

    private static String called(String tool, String[] arguments) {
        return tool.substring(tool.lastIndexOf('.') + 1) + " " + String.join(" ", arguments);
    }

    Output run(String input, String tool, String... arguments) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        List<Runnable> hooks = new ArrayList<>();
        InputStream oldIn = System.in;
        PrintStream oldOut = System.out;
        PrintStream oldErr = System.err;
        AtomicReference<Integer> status = new AtomicReference<>();
        Exit.setExitProcedure((code, message) -> {
            status.compareAndSet(null, code);
            throw new Exited();
        });
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        try {
            Object main = complete(tool, arguments).toArray(String[]::new);
            Class.forName(tool).getMethod("main", String[].class).invoke(null, main);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Exited)) {
                throw thrown;
            }
        } finally {
            // The console producer closes, and so flushes, its producer in such a hook.
            hooks.forEach(Runnable::run);
            System.setIn(oldIn);
            System.setOut(oldOut);
            System.setErr(oldErr);
            Exit.resetExitProcedure();
            Exit.resetShutdownHookAdder();
        }
        String text = out.toString(StandardCharsets.UTF_8);
        // A tool that comes to its end without a word has succeeded.
        return new Output(status.get() == null ? 0 : status.get(), text, text + err.toString(StandardCharsets.UTF_8));
    }

    private List<String> complete(String tool, String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.add("--bootstrap-server");
        all.add(bootstrap);
        return all;
    }

    /** Starts a tool in a process of its own that prints to a file, and what it says beside it. */
    Process start(Path out, String tool, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"),
                "-cp", System.getProperty("java.class.path"), tool));
        command.addAll(complete(tool, arguments));
        return new ProcessBuilder(command)
                .redirectOutput(out.toFile())
                .redirectError(new File(out + ".err"))
                .start();
    }

    /** Ends a process as a terminal or a service manager would. */
    static void terminate(Process process) throws Exception {
        process.destroy();
        Check.that(process.waitFor(Check.DEADLINE.toSeconds(), TimeUnit.SECONDS), "a tool does not end on SIGTERM");
    }
}
