import java.util.List;

/** Assertions whose message is the reason in the CASE line. */
final class Check {
    private static final int DEADLINE_SECONDS = 120;

    interface Condition {
        boolean holds() throws Exception;
    }

    private Check() {}

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** Both are sorted. */
    static void same(List<String> found, List<String> expected, String what) {
        that(found.equals(expected), "%s: %d rows, expected %d; only found %s; only expected %s".formatted(
                what, found.size(), expected.size(),
                found.stream().filter(row -> !expected.contains(row)).limit(3).toList(),
                expected.stream().filter(row -> !found.contains(row)).limit(3).toList()));
    }

    static void eventually(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + DEADLINE_SECONDS * 1_000_000_000L;
        while (!condition.holds()) {
            that(System.nanoTime() < end, what + ": not within " + DEADLINE_SECONDS + " s");
            Thread.sleep(20);
        }
    }
}
