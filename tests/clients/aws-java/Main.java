import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import software.amazon.awssdk.core.util.VersionInfo;

/** Runs every case with every client against the gateway that run.sh has started. */
final class Main {
    private static final int CASE_SECONDS = 90;

    private Main() {}

    /** The arguments are the folder of the suites, the server's directory, that of the results and, if not all, the cases. */
    public static void main(String[] arguments) throws Exception {
        Server server = new Server(Path.of(arguments[0]), Path.of(arguments[1]));
        List<String> wanted = List.of(arguments).subList(3, arguments.length);
        if (!Cases.ALL.keySet().containsAll(wanted)) {
            System.err.println("the cases are " + Cases.ALL.keySet());
            System.exit(2);
        }
        Map<World, StringBuilder> lines = new LinkedHashMap<>();
        for (World.Transport transport : World.Transport.values()) {
            World world = new World(server, transport);
            world.connect();
            Cases.measure(world);
            lines.put(world, new StringBuilder());
        }
        int[] counts = new int[3];
        // Case by case, so that all of them wait for the same minute of CloudWatch.
        for (String name : wanted.isEmpty() ? Cases.ALL.keySet() : wanted) {
            for (World world : lines.keySet()) {
                String outcome = outcome(world, name);
                counts[outcome.startsWith("ok") ? 0 : outcome.startsWith("fail") ? 1 : 2]++;
                String line = String.join(" ", "CASE", world.name(), VersionInfo.SDK_VERSION, name, outcome).strip();
                System.out.println(line);
                lines.get(world).append(line).append('\n');
            }
        }
        for (Map.Entry<World, StringBuilder> written : lines.entrySet()) {
            write(Path.of(arguments[2], written.getKey().name() + ".txt"), written.getValue());
        }
        System.out.printf("%d passed, %d failed, %d skipped%n", counts[0], counts[1], counts[2]);
        // Threads of a case that hangs must not keep the process.
        System.exit(counts[1] > 0 || counts[0] == 0 ? 1 : 0);
    }

    private static void write(Path file, CharSequence text) throws IOException {
        Files.writeString(file, text);
    }

    private static String outcome(World world, String name) throws InterruptedException {
        FutureTask<String> task = new FutureTask<>(() -> Cases.ALL.get(name).run(world));
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            String note = task.get(CASE_SECONDS, TimeUnit.SECONDS);
            return note.startsWith("none ") ? note : "ok " + note;
        } catch (TimeoutException late) {
            StringBuilder where = new StringBuilder();
            for (StackTraceElement frame : thread.getStackTrace()) {
                where.append("\n\tat ").append(frame);
            }
            System.err.println(world.name() + " " + name + " hangs:" + where);
            return "fail not finished after " + CASE_SECONDS + " s";
        } catch (ExecutionException failed) {
            failed.getCause().printStackTrace();
            return "fail " + failed.getCause().toString().replaceAll("\\s+", " ");
        }
    }
}
