import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** The query by Flink's connector for Kinesis: by each of its sources, and into its sink. */
final class KinesisConnector {
    /** Whose streams are Kafka's topics. */
    private static final String ACCOUNT = "000000000000";
    private static final Map<String, String> AWS = Map.of(
            "aws.region", "us-east-1",
            "aws.credentials.provider", "BASIC",
            "aws.credentials.basic.accesskeyid", ACCOUNT,
            "aws.credentials.basic.secretkey", "local");

    private final Gateway gateway;
    private final Path dir;

    KinesisConnector(Gateway gateway, Path dir) {
        this.gateway = gateway;
        this.dir = dir;
    }

    String poll() throws Exception {
        return halves("polling", "clicks", table("clicks", "http", Map.of("scan.stream.recordpublisher", "POLLING")));
    }

    /** Over HTTP/2 and TLS. */
    String fanOut() throws Exception {
        return halves("fanout", "clicks-fanout", table("clicks-fanout", "https", Map.of(
                "scan.stream.recordpublisher", "EFO", "scan.stream.efo.consumername", "flink")));
    }

    /** By the newer source. */
    String read() throws Exception {
        return halves("source", "clicks-source", streams("clicks-source"));
    }

    /** The shards are split between the halves, while the job runs. */
    String reshard() throws Exception {
        String topic = "clicks-reshards";
        String sums = "sums-reshards";
        int more = 2 * Clicks.PARTITIONS;
        gateway.create(topic, Clicks.PARTITIONS);
        gateway.create(sums, Job.SUM_PARTITIONS);
        gateway.produce(new Clicks(topic).half(0, Clicks.PARTITIONS));
        Job job = Job.start(dir.resolve(sums), null, streams(topic), sink(sums));
        job.reaches(gateway, sums, Clicks.sums(1));
        gateway.widen(topic, more);
        gateway.produce(new Clicks(topic).half(1, more));
        job.reaches(gateway, sums, Clicks.sums(2));
        job.stop();
        Check.same(gateway.values(sums, Job.SUM_PARTITIONS), Clicks.sums(2), "sums");
        return Clicks.sums(2).size() + " sums";
    }

    private Job.Source streams(String stream) {
        return new Streams("arn:aws:kinesis:us-east-1:" + ACCOUNT + ":stream/" + stream, endpoint("http"), ACCOUNT);
    }

    private Map<String, String> sink(String stream) {
        Map<String, String> options = new HashMap<>(AWS);
        options.putAll(Map.of("connector", "kinesis", "stream", stream, "aws.endpoint", endpoint("http"), "format", "json"));
        return options;
    }

    private String endpoint(String scheme) {
        return scheme + "://" + gateway.address("kinesis");
    }

    private Job.Source table(String stream, String scheme, Map<String, String> more) {
        Map<String, String> options = new HashMap<>(AWS);
        options.putAll(more);
        options.putAll(Map.of(
                "connector", "kinesis",
                "stream", stream,
                "aws.endpoint", endpoint(scheme),
                "format", "json",
                "scan.stream.initpos", "TRIM_HORIZON",
                // Each of the four readers gets one of the four shards, so that event time goes by shards.
                "scan.shard-assigner", "uniform"));
        return Job.table(options);
    }

    /** Sums up the first half, stops, and goes on from the last checkpoint with the second half. */
    private String halves(String name, String topic, Job.Source source) throws Exception {
        String sums = "sums-" + name;
        gateway.create(topic, Clicks.PARTITIONS);
        gateway.create(sums, Job.SUM_PARTITIONS);
        gateway.produce(new Clicks(topic).half(0, Clicks.PARTITIONS));
        Job job = Job.start(dir.resolve(name + "-0"), null, source, sink(sums));
        job.reaches(gateway, sums, Clicks.sums(1));
        Path checkpoint = job.stop();
        Check.same(gateway.values(sums, Job.SUM_PARTITIONS), Clicks.sums(1), "sums of the first half");
        gateway.produce(new Clicks(topic).half(1, Clicks.PARTITIONS));
        job = Job.start(dir.resolve(name + "-1"), checkpoint, source, sink(sums));
        job.reaches(gateway, sums, Clicks.sums(2));
        job.stop();
        Check.same(gateway.values(sums, Job.SUM_PARTITIONS), Clicks.sums(2), "sums of both halves");
        return Clicks.sums(2).size() + " sums";
    }
}
