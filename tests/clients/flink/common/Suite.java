import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.apache.flink.runtime.util.EnvironmentInformation;

/** Runs cases against the gateway that run.sh has started, and prints their CASE lines, which run.sh counts. */
final class Suite {
    private static final int CASE_SECONDS = 300;

    interface Case {
        /** Returns a note for the CASE line. */
        String run() throws Exception;
    }

    private Suite() {}

    static void run(Map<String, Case> cases, List<String> wanted) throws InterruptedException {
        if (!cases.keySet().containsAll(wanted)) {
            System.err.println("the cases are " + cases.keySet());
            System.exit(2);
        }
        for (String name : wanted) {
            String outcome = outcome(name, cases.get(name));
            System.out.println(String.join(" ", "CASE", "flink", EnvironmentInformation.getVersion(), name, outcome));
        }
        // Threads of a case that hangs must not keep the process.
        System.exit(0);
    }

    private static String outcome(String name, Case body) throws InterruptedException {
        FutureTask<String> task = new FutureTask<>(body::run);
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        try {
            return "ok " + task.get(CASE_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            StringBuilder where = new StringBuilder();
            for (StackTraceElement frame : thread.getStackTrace()) {
                where.append("\n\tat ").append(frame);
            }
            System.err.println(name + " hangs:" + where);
            return "fail not finished after " + CASE_SECONDS + " s";
        } catch (ExecutionException failed) {
            failed.getCause().printStackTrace();
            return "fail " + failed.getCause().toString().replaceAll("\\s+", " ");
        }
    }
}
