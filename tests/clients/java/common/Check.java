import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ExecutionException;

/** Assertions whose message is the reason in the CASE line. */
final class Check {
    static final Duration DEADLINE = Duration.ofSeconds(20);

    interface Condition {
        boolean holds() throws Exception;
    }

    interface Action {
        void run() throws Exception;
    }

    private Check() {}

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object expected, Object actual, String what) {
        that(Objects.deepEquals(expected, actual), what + ": expected " + expected + ", got " + actual);
    }

    /** For what a server may do a moment after its answer, such as showing a new topic. */
    static void eventually(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.holds()) {
            that(System.nanoTime() < end, what + ": not within " + DEADLINE.toSeconds() + " s");
            Thread.sleep(10);
        }
    }

    static void refused(Class<? extends Exception> expected, String what, Action action) throws Exception {
        try {
            action.run();
        } catch (Exception exception) {
            Throwable cause = exception instanceof ExecutionException ? exception.getCause() : exception;
            that(expected.isInstance(cause), what + ": expected " + expected.getSimpleName() + ", got " + cause);
            return;
        }
        throw new AssertionError(what + ": expected " + expected.getSimpleName() + ", but it was done");
    }
}
