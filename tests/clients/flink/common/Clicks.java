import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

import org.apache.kafka.clients.producer.ProducerRecord;

/** The records of a topic in two halves, and the sums that a query over windows must find. */
final class Clicks {
    static final int PARTITIONS = 4;
    static final int WINDOW_SECONDS = 10;

    private static final int WINDOWS = 12;
    private static final int CLICKS = 6_000;
    private static final int PAGES = 20;
    private static final LocalDateTime START = LocalDateTime.of(2026, 1, 1, 0, 0);
    /** As Flink's JSON writes times. */
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

    private final String topic;

    Clicks(String topic) {
        this.topic = topic;
    }

    /**
     * Half 0 or 1, over so many partitions. Times rise within each partition, and each half ends with a record in each partition
     * that moves event time past the last window of that half.
     */
    List<ProducerRecord<String, String>> half(int half, int partitions) {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        Random random = new Random(half);
        int seconds = WINDOWS / 2 * WINDOW_SECONDS;
        for (int n = 0; n < CLICKS / 2; n++) {
            LocalDateTime time = START.plusSeconds(half * seconds + n * seconds / (CLICKS / 2));
            records.add(record(n % partitions, "user" + random.nextInt(1_000), "page" + random.nextInt(PAGES), random.nextInt(100), time));
        }
        for (int partition = 0; partition < partitions; partition++) {
            records.add(record(partition, "clock", "tick", 0, START.plusSeconds((half + 1) * seconds + 1)));
        }
        return records;
    }

    private ProducerRecord<String, String> record(int partition, String user, String page, int amount, LocalDateTime time) {
        String click = "{\"page\":\"%s\",\"amount\":%d,\"ts\":\"%s\"}".formatted(page, amount, TIME.format(time));
        return new ProducerRecord<>(topic, partition, user, click);
    }

    /** One row for each window and page, sorted, as Flink writes rows. */
    static List<String> sums(int halves) {
        Map<String, long[]> sums = new TreeMap<>();
        for (int half = 0; half < halves; half++) {
            for (ProducerRecord<String, String> click : new Clicks("").half(half, PARTITIONS)) {
                String[] fields = click.value().replaceAll("[{}\"]", "").split(",");
                String page = fields[0].substring("page:".length());
                if (!page.equals("tick")) {
                    LocalDateTime time = LocalDateTime.parse(fields[2].substring("ts:".length()), TIME);
                    LocalDateTime begin = time.minusSeconds(time.getSecond() % WINDOW_SECONDS);
                    long[] sum = sums.computeIfAbsent(TIME.format(begin) + "|" + page, key -> new long[2]);
                    sum[0]++;
                    sum[1] += Long.parseLong(fields[1].substring("amount:".length()));
                }
            }
        }
        return sums.entrySet().stream()
                .map(sum -> "{\"begin\":\"%s\",\"page\":\"%s\",\"clicks\":%d,\"total\":%d}".formatted(
                        sum.getKey().split("\\|")[0], sum.getKey().split("\\|")[1], sum.getValue()[0], sum.getValue()[1]))
                .sorted()
                .toList();
    }
}
