import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Runs a client's cases and prints their CASE lines; run.sh counts them. */
final class Suite {
    private static final int CASE_SECONDS = 60;

    interface Case {
        /** Returns a note for the CASE line, mostly empty. */
        String run(Server server) throws Exception;
    }

    interface SilentCase {
        void run(Server server) throws Exception;
    }

    private final Map<String, Case> cases = new LinkedHashMap<>();

    Suite add(String name, SilentCase body) {
        return addNoted(name, server -> {
            body.run(server);
            return "";
        });
    }

    Suite addNoted(String name, Case body) {
        cases.put(name, body);
        return this;
    }

    /** The arguments are the subject script, the server's directory and, if not all, the cases. */
    void run(String client, String[] arguments) throws IOException {
        Server server = new Server(Path.of(arguments[0]), Path.of(arguments[1]));
        List<String> wanted = List.of(arguments).subList(2, arguments.length);
        if (!cases.keySet().containsAll(wanted)) {
            System.err.println("the cases are " + cases.keySet());
            System.exit(2);
        }
        String version = version();
        // A case may put another stream in its place.
        PrintStream out = System.out;
        for (String name : wanted.isEmpty() ? cases.keySet() : wanted) {
            out.println(String.join(" ", "CASE", client, version, name, outcome(server, name)).strip());
        }
        // Threads of a case that hangs must not keep the process.
        System.exit(0);
    }

    /** As each kafka-clients jar tells it about itself. */
    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream in = Suite.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            properties.load(in);
        }
        return properties.getProperty("version");
    }

    private String outcome(Server server, String name) {
        FutureTask<String> task = new FutureTask<>(() -> {
            // Clients try for long where nobody is.
            Check.that(server.listens(), "the server is gone");
            return cases.get(name).run(server);
        });
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            return "ok " + task.get(CASE_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            System.err.println(name + " hangs:");
            Arrays.stream(thread.getStackTrace()).forEach(frame -> System.err.println("\tat " + frame));
            thread.interrupt();
            return "fail not at its end after " + CASE_SECONDS + " s";
        } catch (Exception failed) {
            Throwable cause = failed.getCause() == null ? failed : failed.getCause();
            cause.printStackTrace();
            String why = cause instanceof AssertionError ? cause.getMessage() : cause.toString();
            return "fail " + why.replaceAll("\\s+", " ");
        }
    }
}
