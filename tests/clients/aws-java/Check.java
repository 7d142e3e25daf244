import java.util.Objects;
import java.util.function.BooleanSupplier;

/** Assertions whose message is the reason in the CASE line. */
final class Check {
    private Check() {}

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object actual, Object expected, String what) {
        that(Objects.deepEquals(actual, expected), "%s: %.300s, expected %.300s".formatted(what, actual, expected));
    }

    /** What the call is refused with. */
    static <E extends Exception> E refused(Class<E> expected, Runnable call) {
        try {
            call.run();
        } catch (Exception found) {
            that(expected.isInstance(found), "expected " + expected.getSimpleName() + ", got " + found);
            return expected.cast(found);
        }
        throw new AssertionError("expected " + expected.getSimpleName() + ", but it was done");
    }

    /** Asks again and again; the deadline is that of the case. */
    static void until(BooleanSupplier holds) {
        while (!holds.getAsBoolean()) {
            pause(20);
        }
    }

    static void pause(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException stopped) {
            throw new AssertionError(stopped);
        }
    }
}
