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

    private static final int CLICKS = 6_000;
    /**
     * Where each half ends, in seconds. The first one ends within a window: what a job has of that one at a checkpoint would be
     * counted twice if it were read again, and would be missing if it were forgotten.
     */
    private static final int[] ENDS = {65, 120};
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
     * that moves event time past the last whole window of that half.
     */
    List<ProducerRecord<String, String>> half(int half, int partitions) {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        Random random = new Random(half);
        int begin = half == 0 ? 0 : ENDS[half - 1];
        for (int n = 0; n < CLICKS / 2; n++) {
            LocalDateTime time = START.plusSeconds(begin + n * (ENDS[half] - begin) / (CLICKS / 2));
            String user = "user" + random.nextInt(1_000);
            String page = "page" + random.nextInt(PAGES);
            records.add(record(n % partitions, user, page, random.nextInt(100), time));
        }
        for (int partition = 0; partition < partitions; partition++) {
            records.add(record(partition, "clock", "tick", 0, START.plusSeconds(ENDS[half] + 2)));
        }
        return records;
    }

    private ProducerRecord<String, String> record(int partition, String user, String page, int amount, LocalDateTime time) {
        String click = "{\"page\":\"%s\",\"amount\":%d,\"ts\":\"%s\"}".formatted(page, amount, TIME.format(time));
        return new ProducerRecord<>(topic, partition, user, click);
    }

    /** One row for each window and page of the windows that end within so many halves, sorted, as Flink writes rows. */
    static List<String> sums(int halves) {
        LocalDateTime end = START.plusSeconds(ENDS[halves - 1]);
        Map<String, long[]> sums = new TreeMap<>();
        for (int half = 0; half < halves; half++) {
            for (ProducerRecord<String, String> click : new Clicks("").half(half, PARTITIONS)) {
                String[] fields = click.value().replaceAll("[{}\"]", "").split(",");
                String page = fields[0].substring("page:".length());
                LocalDateTime time = LocalDateTime.parse(fields[2].substring("ts:".length()), TIME);
                LocalDateTime begin = time.minusSeconds(time.getSecond() % WINDOW_SECONDS);
                if (!page.equals("tick") && !begin.plusSeconds(WINDOW_SECONDS).isAfter(end)) {
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
