import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

import org.apache.flink.runtime.util.EnvironmentInformation;

/** The query by Flink's connector for Kafka. */
final class KafkaConnector {
    private KafkaConnector() {}

    /** Over the topic that the case of the Kinesis connector has filled, if it has run. */
    static String run(Gateway gateway, Path dir) throws Exception {
        String sums = "sums-kafka-" + EnvironmentInformation.getVersion();
        if (!gateway.has("clicks")) {
            gateway.create("clicks", Clicks.PARTITIONS);
            gateway.produce(new Clicks("clicks").half(0, Clicks.PARTITIONS));
            gateway.produce(new Clicks("clicks").half(1, Clicks.PARTITIONS));
        }
        gateway.create(sums, Job.SUM_PARTITIONS);
        Map<String, String> both = Map.of(
                "connector", "kafka", "properties.bootstrap.servers", gateway.address("kafka"), "format", "json");
        Map<String, String> source = new HashMap<>(both);
        source.putAll(Map.of("topic", "clicks", "scan.startup.mode", "earliest-offset", "scan.bounded.mode", "latest-offset"));
        Map<String, String> sink = new HashMap<>(both);
        sink.putAll(Map.of("topic", sums, "sink.delivery-guarantee", "at-least-once"));
        Job.start(dir.resolve(sums), null, Job.table(source), sink).ends();
        Check.same(gateway.values(sums, Job.SUM_PARTITIONS), Clicks.sums(2), "sums");
        return Clicks.sums(2).size() + " sums";
    }
}
