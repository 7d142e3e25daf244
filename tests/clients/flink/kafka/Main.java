import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** With the newest Flink that has a connector for Kafka. */
final class Main {
    private Main() {}

    /** The arguments are the server's directory and the cases. */
    public static void main(String[] arguments) throws Exception {
        Path dir = Path.of(arguments[0]);
        try (Gateway gateway = new Gateway(dir)) {
            Suite.run(
                    Map.of("kafka-newest", () -> KafkaConnector.run(gateway, dir)),
                    List.of(arguments).subList(1, arguments.length));
        }
    }
}
