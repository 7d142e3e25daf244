import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResultEntry;

/** Puts one record for each key again and again, and keeps what the answers say of them. */
final class Load {
    private static final int KEYS = 40;
    private static final int PAUSE_MILLIS = 100;

    /** A record as it was put or received; the text is KEY:COUNT, the count of a key grows by one. */
    record Record(String sequenceNumber, String text) {}

    private final KinesisAsyncClient kinesis;
    private final String stream;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor();
    private final Map<String, List<Record>> shards = new TreeMap<>();
    private int rounds;
    private Throwable trouble;

    Load(KinesisAsyncClient kinesis, String stream) {
        this.kinesis = kinesis;
        this.stream = stream;
    }

    void start() {
        thread.scheduleWithFixedDelay(this::round, 0, PAUSE_MILLIS, TimeUnit.MILLISECONDS);
    }

    /** Afterwards nothing is put any more. */
    void stop() throws InterruptedException {
        thread.shutdown();
        if (!thread.awaitTermination(60, TimeUnit.SECONDS)) {
            throw new AssertionError("the load does not end: a PutRecords hangs");
        }
        check();
    }

    synchronized int records() {
        check();
        return rounds * KEYS;
    }

    /** By shard, in the order of their sequence numbers. */
    synchronized Map<String, List<Record>> shards() {
        shards.values().forEach(list -> list.sort(Comparator.comparing(put -> new BigInteger(put.sequenceNumber()))));
        return shards;
    }

    private synchronized void check() {
        if (trouble != null) {
            throw new AssertionError("a PutRecords failed: " + trouble, trouble);
        }
    }

    private void round() {
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (int key = 0; key < KEYS; key++) {
            String text = "key-" + key + ":" + rounds;
            texts.add(text);
            entries.add(PutRecordsRequestEntry.builder()
                    .partitionKey("key-" + key)
                    .data(SdkBytes.fromUtf8String(text))
                    .build());
        }
        try {
            PutRecordsResponse answer = kinesis.putRecords(put -> put.streamName(stream).records(entries)).join();
            keep(texts, answer.records());
        } catch (Throwable thrown) {
            synchronized (this) {
                trouble = thrown;
            }
            // Ends the schedule.
            throw thrown;
        }
    }

    private synchronized void keep(List<String> texts, List<PutRecordsResultEntry> results) {
        for (int at = 0; at < KEYS; at++) {
            PutRecordsResultEntry result = results.get(at);
            if (result.errorCode() != null) {
                throw new AssertionError(texts.get(at) + ": " + result.errorCode() + ": " + result.errorMessage());
            }
            shards.computeIfAbsent(result.shardId(), shard -> new ArrayList<>())
                    .add(new Record(result.sequenceNumber(), texts.get(at)));
        }
        rounds++;
    }
}
