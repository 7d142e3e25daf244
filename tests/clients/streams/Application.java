import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.streams.KafkaStreams;

/** A {@link WordCount} in a process of its own. */
final class Application {
    private static final int CLOSE_WITHIN_SECONDS = 60;

    private final Process process;
    private volatile String state = KafkaStreams.State.CREATED.toString();

    /** Starts it, with its stores in `stores` and its log in `log`. */
    Application(String bootstrap, Path stores, Path log, String guarantee, String protocol) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElse("java"),
                "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"),
                "-Dorg.slf4j.simpleLogger.logFile=System.err",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-cp", System.getProperty("java.class.path"), "WordCount"));
        command.addAll(List.of(bootstrap, stores.toString(), guarantee, protocol));
        process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.appendTo(log.toFile())).start();
        Thread reader = new Thread(this::readStates);
        reader.setDaemon(true);
        reader.start();
    }

    private void readStates() {
        try (BufferedReader states = process.inputReader()) {
            states.lines().forEach(line -> state = line);
        } catch (IOException | UncheckedIOException killed) {
            // Then it tells no more states.
        }
    }

    String state() {
        return state;
    }

    /** Ends it as a crash would (SIGKILL). */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Has it commit and end. */
    void close() throws Exception {
        process.getOutputStream().close();
        Check.that(process.waitFor(CLOSE_WITHIN_SECONDS, TimeUnit.SECONDS), "the application did not end");
        Check.equal(0, process.exitValue(), "exit code of the application");
    }
}
