import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Counts the words of the lines in `lines` into `counts`: over a repartition topic, with a store that has a changelog topic.
 *
 * <p>A process of its own, so that it can be killed. It tells its state, a line for each; it commits and ends with its input.
 */
public final class WordCount {
    static final String APPLICATION = "word-count";
    static final String LINES = "lines";
    static final String COUNTS = "counts";
    static final String REPARTITION = APPLICATION + "-by-word-repartition";
    static final String CHANGELOG = APPLICATION + "-totals-changelog";
    private static final Duration CLOSE_WITHIN = Duration.ofSeconds(30);

    private WordCount() {}

    /** Bootstrap, where the stores are (restored from the changelog where they are missing), Streams's guarantee, the group protocol. */
    public static void main(String[] arguments) throws Exception {
        KafkaStreams streams = new KafkaStreams(topology().build(), settings(arguments));
        streams.setStateListener((now, before) -> System.out.println(now));
        streams.start();
        while (System.in.read() >= 0) {
            // Nothing that it is told but the end.
        }
        System.exit(streams.close(CLOSE_WITHIN) ? 0 : 1);
    }

    private static Properties settings(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[2]);
        settings.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, arguments[3]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        // How often it asks for what it has read of the repartition topic to be deleted.
        settings.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        if (arguments[3].equals("classic")) {
            // Streams does not leave its group when it ends: the next one waits as long for its partitions. In the streams
            // protocol the server says how long that is, and a member does leave.
            settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6_000);
            settings.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 1_000);
        }
        return settings;
    }

    private static StreamsBuilder topology() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(LINES, Consumed.with(Serdes.String(), Serdes.String()))
                .flatMapValues(line -> List.of(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.<String, String>as("by-word")
                        .withKeySerde(Serdes.String())
                        .withValueSerde(Serdes.String()))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("totals"))
                .toStream()
                .to(COUNTS, Produced.with(Serdes.String(), Serdes.Long()));
        return builder;
    }
}
