import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.listener.MessageListener;
import org.springframework.kafka.transaction.KafkaTransactionManager;
import org.springframework.util.backoff.FixedBackOff;

/** Listener containers, with the ways in which applications use them most. */
final class ContainerCases {
    private ContainerCases() {}

    /** Three consumers of one container, whose listener fails now and then: a record is tried again, then put aside. */
    static void container(Server server) throws Exception {
        String topic = "spring-container";
        create(server, topic, topic + "-dlt");
        KafkaTemplate<String, String> template = template(server);
        AtomicInteger failures = new AtomicInteger();
        ConcurrentLinkedQueue<String> handled = new ConcurrentLinkedQueue<>();
        ConcurrentLinkedQueue<String> aside = new ConcurrentLinkedQueue<>();
        var container = container(server, topic, Map.of(), record -> {
            boolean once = record.value().equals("value 14") && failures.incrementAndGet() < 2;
            if (once || record.value().equals("value 13")) {
                throw new IllegalStateException("not this one");
            }
            handled.add(record.value());
        });
        container.setConcurrency(3);
        container.setCommonErrorHandler(
                new DefaultErrorHandler(new DeadLetterPublishingRecoverer(template), new FixedBackOff(10, 2)));
        var failed = container(server, topic + "-dlt", Map.of(), record -> aside.add(record.value()));
        container.start();
        failed.start();
        try {
            for (int number = 0; number < 60; number++) {
                template.send(topic, "key " + number, "value " + number).get();
            }
            Check.eventually("all but one are handled", () -> handled.size() >= 59);
            Check.eventually("one is put aside", () -> aside.size() >= 1);
            List<String> expected = IntStream.range(0, 60).filter(number -> number != 13)
                    .mapToObj(number -> "value " + number).sorted().toList();
            Check.equal(expected, handled.stream().sorted().toList(), "values that were handled");
            Check.equal(List.of("value 13"), List.copyOf(aside), "values that were put aside");
            Check.equal(3, container.getAssignedPartitions().size(), "partitions of the container");
        } finally {
            container.stop();
            failed.stop();
        }
    }

    /** A listener that writes for each record it reads, in one transaction with the offset: each is written once. */
    static void transactions(Server server) throws Exception {
        String from = "spring-from";
        String to = "spring-to";
        create(server, from, to);
        KafkaTemplate<String, String> template = template(server);
        var factory = producers(server);
        factory.setTransactionIdPrefix("spring-");
        KafkaTemplate<String, String> transactional = new KafkaTemplate<>(factory);
        AtomicInteger failures = new AtomicInteger();
        var copier = container(server, from, Map.of(), record -> {
            transactional.send(to, record.key(), record.value());
            if (failures.getAndIncrement() == 3) {
                throw new IllegalStateException("after it was sent");
            }
        });
        copier.getContainerProperties().setKafkaAwareTransactionManager(new KafkaTransactionManager<>(factory));
        ConcurrentLinkedQueue<String> copied = new ConcurrentLinkedQueue<>();
        var reader = container(server, to, Map.of("isolation.level", "read_committed"),
                record -> copied.add(record.value()));
        copier.start();
        reader.start();
        try {
            for (int number = 0; number < 10; number++) {
                template.send(from, "key", "value " + number).get();
            }
            Check.eventually("all are copied", () -> copied.contains("value 9"));
            Check.equal(IntStream.range(0, 10).mapToObj(number -> "value " + number).toList(), List.copyOf(copied),
                    "copies");
        } finally {
            copier.stop();
            reader.stop();
            factory.destroy();
        }
    }

    /** The consumer protocol (KIP-848). */
    static void consumer(Server server) throws Exception {
        String topic = "spring-consumer";
        create(server, topic);
        ConcurrentLinkedQueue<String> handled = new ConcurrentLinkedQueue<>();
        var container = container(server, topic, Map.of("group.protocol", "consumer"),
                record -> handled.add(record.value()));
        container.setConcurrency(2);
        container.start();
        try {
            KafkaTemplate<String, String> template = template(server);
            for (int number = 0; number < 30; number++) {
                template.send(topic, "key " + number, "value " + number).get();
            }
            Check.eventually("all are handled", () -> handled.stream().distinct().count() == 30);
            Check.eventually("both have partitions", () -> container.getContainers().stream()
                    .noneMatch(child -> child.getAssignedPartitions().isEmpty()));
        } finally {
            container.stop();
        }
    }

    /** A container lives through a restart of the server. */
    static void restart(Server server) throws Exception {
        String topic = "spring-restart";
        create(server, topic);
        ConcurrentLinkedQueue<String> handled = new ConcurrentLinkedQueue<>();
        var container = container(server, topic, Map.of(), record -> handled.add(record.value()));
        container.start();
        try {
            KafkaTemplate<String, String> template = template(server);
            template.send(topic, "key", "before").get();
            Check.eventually("the first is handled", () -> handled.contains("before"));
            server.kill();
            server.resume();
            template.send(topic, "key", "after").get();
            Check.eventually("the second is handled", () -> handled.contains("after"));
        } finally {
            container.stop();
        }
    }

    private static void create(Server server, String... topics) throws Exception {
        KafkaAdmin admin = new KafkaAdmin(Map.of("bootstrap.servers", server.bootstrap()));
        for (String topic : topics) {
            admin.createOrModifyTopics(TopicBuilder.name(topic).partitions(3).build());
            Check.eventually(topic + " is there",
                    () -> admin.describeTopics(topic).get(topic).partitions().size() == 3);
        }
    }

    private static DefaultKafkaProducerFactory<String, String> producers(Server server) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", server.bootstrap());
        return new DefaultKafkaProducerFactory<>(settings, new StringSerializer(), new StringSerializer());
    }

    private static KafkaTemplate<String, String> template(Server server) throws Exception {
        return new KafkaTemplate<>(producers(server));
    }

    private interface Listener {
        void on(ConsumerRecord<String, String> record);
    }

    private static ConcurrentMessageListenerContainer<String, String> container(
            Server server, String topic, Map<String, Object> settings, Listener listener) throws Exception {
        Map<String, Object> all = new HashMap<>(settings);
        all.put("bootstrap.servers", server.bootstrap());
        all.put("group.id", topic);
        all.put("auto.offset.reset", "earliest");
        var consumers = new DefaultKafkaConsumerFactory<>(all, new StringDeserializer(), new StringDeserializer());
        ContainerProperties properties = new ContainerProperties(topic);
        properties.setMessageListener((MessageListener<String, String>) listener::on);
        return new ConcurrentMessageListenerContainer<>(consumers, properties);
    }
}
