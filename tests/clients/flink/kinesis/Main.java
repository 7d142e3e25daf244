import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** With the newest Flink that has a connector for Kinesis. */
final class Main {
    private Main() {}

    /** The arguments are the server's directory and the cases. */
    public static void main(String[] arguments) throws Exception {
        Path dir = Path.of(arguments[0]);
        try (Gateway gateway = new Gateway(dir)) {
            KinesisConnector kinesis = new KinesisConnector(gateway, dir);
            Map<String, Suite.Case> cases = new LinkedHashMap<>();
            cases.put("polling", kinesis::poll);
            cases.put("fanout", kinesis::fanOut);
            cases.put("source", kinesis::read);
            cases.put("reshards", kinesis::reshard);
            cases.put("kafka", () -> KafkaConnector.run(gateway, dir));
            Suite.run(cases, List.of(arguments).subList(1, arguments.length));
        }
    }
}
