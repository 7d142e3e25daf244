import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Saturates one partition with the Java client in its default settings; README.md beside this file has the contract. */
public final class Producer {
    private static final Set<String> TROUBLE = Set.of("record-error-total", "record-retry-total");

    public static void main(String[] args) throws Exception {
        String servers = args[0], topic = args[1], path = args[5];
        int size = Integer.parseInt(args[2]);
        double seconds = Double.parseDouble(args[3]);
        Queue<String> complaints = new ConcurrentLinkedQueue<>();
        // Some clients compress.
        byte[] noise = new byte[1 << 20];
        new Random().nextBytes(noise);
        Semaphore room = new Semaphore(Integer.parseInt(args[4]));
        try (var acknowledgements = new PrintWriter(path);
                var producer = new KafkaProducer<>(
                        Map.of("bootstrap.servers", servers), new ByteArraySerializer(), new ByteArraySerializer())) {
            long begun = System.nanoTime();
            for (int number = 0; (System.nanoTime() - begun) / 1e9 < seconds; number++) {
                int sent = number;
                room.acquire();
                byte[] value = Arrays.copyOf(String.format("%012d", sent).getBytes(StandardCharsets.US_ASCII), size);
                System.arraycopy(noise, (int) (sent * 7919L % (noise.length - size)), value, 12, size - 12);
                producer.send(new ProducerRecord<>(topic, null, value), (metadata, error) -> {
                    room.release();
                    if (error == null) {
                        double at = (System.nanoTime() - begun) / 1e9;
                        acknowledgements.printf("%.6f %d %d%n", at, sent, metadata.offset());
                    } else {
                        complaints.add(error.toString());
                    }
                });
            }
            producer.flush();
            producer.metrics().values().stream()
                    .filter(metric -> metric.metricName().group().equals("producer-metrics"))
                    .filter(metric -> TROUBLE.contains(metric.metricName().name()))
                    .filter(metric -> (double) metric.metricValue() > 0)
                    .forEach(metric -> complaints.add(metric.metricName().name() + " " + metric.metricValue()));
        }
        complaints.forEach(System.out::println);
    }
}
