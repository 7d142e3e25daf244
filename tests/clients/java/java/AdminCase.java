import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The steps share one topic and follow one another. */
final class AdminCase {
    private static final String TOPIC = "java-admin";
    private static final String GROUP = "java-admin-group";
    private static final String TWO_DAYS = "172800000";
    private static final String THREE_DAYS = "259200000";
    private static final ConfigResource RESOURCE = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    private static final TopicPartition FIRST = new TopicPartition(TOPIC, 0);

    private final Server server;
    private final Kafka kafka;
    private final Admin admin;

    private AdminCase(Server server, Kafka kafka, Admin admin) {
        this.server = server;
        this.kafka = kafka;
        this.admin = admin;
    }

    static void run(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        try (Admin admin = kafka.admin()) {
            AdminCase steps = new AdminCase(server, kafka, admin);
            Node node = steps.cluster();
            Uuid id = steps.createTopic();
            steps.describeTopic(id, node);
            steps.offsets();
            steps.topicConfig();
            steps.brokerConfig(node);
            steps.alterConfig();
            steps.addPartitions();
            steps.logDirs(node);
            steps.activeGroup(node);
            steps.emptyGroup();
            steps.deleteRecords();
            steps.deleteTopic(id);
        }
    }

    private Node cluster() throws Exception {
        var cluster = admin.describeCluster();
        Check.equal(1, cluster.nodes().get().size(), "nodes");
        Node node = cluster.nodes().get().iterator().next();
        Check.equal(kafka.bootstrap(), node.host() + ":" + node.port(), "address of the node");
        Check.that(!cluster.clusterId().get().isEmpty(), "cluster id is empty");
        Check.that(cluster.controller().get() != null, "no controller");
        return node;
    }

    private static NewTopic topic(String name, int partitions) {
        return new NewTopic(name, Optional.of(partitions), Optional.empty());
    }

    private Uuid createTopic() throws Exception {
        NewTopic wanted = topic(TOPIC, 3).configs(Map.of("retention.ms", TWO_DAYS));
        CreateTopicsResult valid = admin.createTopics(List.of(wanted), new CreateTopicsOptions().validateOnly(true));
        valid.all().get();
        Check.equal(3, valid.numPartitions(TOPIC).get(), "partitions when only validated");
        Check.that(!admin.listTopics().names().get().contains(TOPIC), "a topic only validated is listed");

        CreateTopicsResult created = admin.createTopics(List.of(wanted));
        created.all().get();
        Check.equal(3, created.numPartitions(TOPIC).get(), "partitions in the answer to CreateTopics");
        Check.equal(1, created.replicationFactor(TOPIC).get(), "replication factor in that answer");
        Check.equal(TWO_DAYS, created.config(TOPIC).get().get("retention.ms").value(), "retention.ms in that answer");
        Uuid id = created.topicId(TOPIC).get();
        Check.that(!id.equals(Uuid.ZERO_UUID), "the topic's id is zero");

        refusedTopic(TopicExistsException.class, topic(TOPIC, 3));
        refusedTopic(InvalidTopicException.class, topic("java admin", 1));
        refusedTopic(InvalidPartitionsException.class, topic("java-admin-none", 0));
        refusedTopic(InvalidConfigurationException.class,
                topic("java-admin-bad", 1).configs(Map.of("retention.ms", "soon")));
        // Left to the server, both are its defaults.
        CreateTopicsResult byDefault = admin.createTopics(
                List.of(new NewTopic("java-admin-default", Optional.empty(), Optional.empty())));
        Check.equal(1, byDefault.numPartitions("java-admin-default").get(), "partitions by default");
        return id;
    }

    private void refusedTopic(Class<? extends Exception> as, NewTopic topic) throws Exception {
        Check.refused(as, "creating " + topic.name(), () -> admin.createTopics(List.of(topic)).all().get());
    }

    private void describeTopic(Uuid id, Node node) throws Exception {
        Check.eventually("the topic is shown", () -> Kafka.described(admin, TOPIC));
        Check.equal(id, admin.listTopics().namesToListings().get().get(TOPIC).topicId(), "id in the list of topics");
        TopicDescription byName = admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
        TopicDescription byId =
                admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id);
        for (TopicDescription description : List.of(byName, byId)) {
            Check.equal(TOPIC, description.name(), "name");
            Check.equal(id, description.topicId(), "id");
            Check.equal(false, description.isInternal(), "internal");
            Check.equal(List.of(0, 1, 2), description.partitions().stream().map(TopicPartitionInfo::partition).toList(),
                    "partitions");
            for (TopicPartitionInfo partition : description.partitions()) {
                Check.equal(node, partition.leader(), "leader");
                Check.equal(List.of(node), partition.replicas(), "replicas");
                Check.equal(List.of(node), partition.isr(), "in-sync replicas");
            }
        }
        Check.refused(UnknownTopicOrPartitionException.class, "describing an unknown topic",
                () -> admin.describeTopics(List.of("java-admin-unknown")).allTopicNames().get());
        Uuid unknown = Uuid.randomUuid();
        Check.refused(UnknownTopicIdException.class, "describing an unknown topic id",
                () -> admin.describeTopics(TopicCollection.ofTopicIds(List.of(unknown))).allTopicIds().get());
    }

    private void offsets() throws Exception {
        long start = System.currentTimeMillis();
        Check.equal(0L, offset(OffsetSpec.latest()).offset(), "end of an empty partition");
        Check.equal(-1L, offset(OffsetSpec.maxTimestamp()).offset(), "greatest timestamp of an empty partition");
        // The third of the five has the greatest timestamp.
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of())) {
            for (int later : List.of(0, 1_000, 9_000, 3_000, 4_000)) {
                producer.send(new ProducerRecord<>(TOPIC, 0, start + later, null, Kafka.bytes("value")));
            }
        }
        Check.equal(0L, offset(OffsetSpec.earliest()).offset(), "start");
        Check.equal(5L, offset(OffsetSpec.latest()).offset(), "end");
        Check.equal(2L, offset(OffsetSpec.maxTimestamp()).offset(), "offset of the greatest timestamp");
        Check.equal(start + 9_000, offset(OffsetSpec.maxTimestamp()).timestamp(), "greatest timestamp");
        Check.equal(1L, offset(OffsetSpec.forTimestamp(start + 500)).offset(), "offset for a timestamp");
        Check.equal(-1L, offset(OffsetSpec.forTimestamp(start + 9_001)).offset(), "offset for a later timestamp");
    }

    private ListOffsetsResultInfo offset(OffsetSpec spec) throws Exception {
        ListOffsetsResultInfo uncommitted = admin.listOffsets(Map.of(FIRST, spec)).partitionResult(FIRST).get();
        ListOffsetsResultInfo committed = admin
                .listOffsets(Map.of(FIRST, spec), new ListOffsetsOptions(IsolationLevel.READ_COMMITTED))
                .partitionResult(FIRST).get();
        // Without transactions there is no difference.
        Check.equal(uncommitted.offset(), committed.offset(), "offset of committed records");
        return uncommitted;
    }

    private Config config(ConfigResource resource) throws Exception {
        DescribeConfigsOptions all = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return admin.describeConfigs(List.of(resource), all).all().get().get(resource);
    }

    private void topicConfig() throws Exception {
        Config config = config(RESOURCE);
        ConfigEntry retention = config.get("retention.ms");
        Check.equal(TWO_DAYS, retention.value(), "retention.ms");
        Check.equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, retention.source(), "source of retention.ms");
        Check.equal(false, retention.isDefault(), "retention.ms is a default");
        Check.equal(ConfigEntry.ConfigType.LONG, retention.type(), "type of retention.ms");
        Check.that(!retention.isReadOnly() && !retention.isSensitive(), "retention.ms is read-only or sensitive");
        Check.equal(TWO_DAYS, retention.synonyms().get(0).value(), "first synonym of retention.ms");
        ConfigEntry policy = config.get("cleanup.policy");
        Check.equal("delete", policy.value(), "cleanup.policy");
        Check.equal(true, policy.isDefault(), "cleanup.policy is a default");
        Check.that(policy.synonyms().stream().anyMatch(s -> s.source() == ConfigSource.DEFAULT_CONFIG),
                "no synonym of cleanup.policy is its default");
        Check.that(Integer.parseInt(config.get("max.message.bytes").value()) >= 1 << 20, "max.message.bytes < 1 MiB");
        for (ConfigEntry entry : config.entries()) {
            Check.that(entry.documentation() != null && !entry.documentation().isEmpty(),
                    entry.name() + " is not documented");
            Check.that(entry.type() != ConfigEntry.ConfigType.UNKNOWN, entry.name() + " has no type");
        }
        // Without the options neither comes.
        ConfigEntry bare = admin.describeConfigs(List.of(RESOURCE)).all().get().get(RESOURCE).get("retention.ms");
        Check.equal(List.of(), bare.synonyms(), "synonyms not asked for");
        Check.equal(null, bare.documentation(), "documentation not asked for");
        ConfigResource unknown = new ConfigResource(ConfigResource.Type.TOPIC, "java-admin-unknown");
        Check.refused(UnknownTopicOrPartitionException.class, "config of an unknown topic", () -> config(unknown));
    }

    private void brokerConfig(Node node) throws Exception {
        Config config = config(new ConfigResource(ConfigResource.Type.BROKER, node.idString()));
        for (String name : List.of("num.partitions", "message.max.bytes", "auto.create.topics.enable")) {
            ConfigEntry entry = config.get(name);
            Check.that(entry != null, "the broker has no config " + name);
            Check.that(entry.value() != null, name + " has no value");
            Check.that(entry.documentation() != null && !entry.documentation().isEmpty(), name + " is not documented");
        }
        Check.equal("true", config.get("auto.create.topics.enable").value(), "auto.create.topics.enable");
    }

    private void alterConfig() throws Exception {
        alter(Map.of("retention.ms", THREE_DAYS), AlterConfigOp.OpType.SET, true);
        Check.equal(TWO_DAYS, config(RESOURCE).get("retention.ms").value(), "retention.ms when only validated");
        alter(Map.of("retention.ms", THREE_DAYS), AlterConfigOp.OpType.SET, false);
        eventually("retention.ms", THREE_DAYS);
        alter(Map.of("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND, false);
        eventually("cleanup.policy", "delete,compact");
        alter(Map.of("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT, false);
        eventually("cleanup.policy", "delete");
        alter(Map.of("retention.ms", ""), AlterConfigOp.OpType.DELETE, false);
        Check.eventually("retention.ms is the default again", () -> config(RESOURCE).get("retention.ms").isDefault());
        for (var wrong : Map.of("retention.ms", "soon", "no.such.config", "1").entrySet()) {
            Check.refused(InvalidConfigurationException.class, wrong.toString(),
                    () -> alter(Map.ofEntries(wrong), AlterConfigOp.OpType.SET, false));
        }
    }

    private void alter(Map<String, String> entries, AlterConfigOp.OpType type, boolean validateOnly) throws Exception {
        List<AlterConfigOp> operations = entries.entrySet().stream()
                .map(entry -> new AlterConfigOp(new ConfigEntry(entry.getKey(), entry.getValue()), type))
                .toList();
        admin.incrementalAlterConfigs(
                Map.of(RESOURCE, operations), new AlterConfigsOptions().validateOnly(validateOnly)).all().get();
    }

    private void eventually(String name, String value) throws Exception {
        Check.eventually(name + " is " + value, () -> config(RESOURCE).get(name).value().equals(value));
    }

    private void addPartitions() throws Exception {
        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(5)),
                new CreatePartitionsOptions().validateOnly(true)).all().get();
        Check.equal(3, partitions(), "partitions when only validated");
        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(5))).all().get();
        Check.eventually("there are 5 partitions", () -> partitions() == 5);
        for (int count : List.of(5, 2)) {
            Check.refused(InvalidPartitionsException.class, "from 5 partitions to " + count,
                    () -> admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(count))).all().get());
        }
        try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of())) {
            Check.equal(0L, producer.send(new ProducerRecord<>(TOPIC, 4, null, Kafka.bytes("value"))).get().offset(),
                    "first offset in the last of the new partitions");
        }
    }

    private int partitions() throws Exception {
        return admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().size();
    }

    private void logDirs(Node node) throws Exception {
        Map<String, LogDirDescription> dirs =
                admin.describeLogDirs(List.of(node.id())).allDescriptions().get().get(node.id());
        Check.equal(1, dirs.size(), "log dirs");
        LogDirDescription dir = dirs.values().iterator().next();
        Check.equal(null, dir.error(), "error of the log dir");
        Check.that(dir.totalBytes().isPresent() && dir.usableBytes().isPresent(), "no sizes of the log dir's disk");
        for (TopicPartition partition : Kafka.partitions(TOPIC, 5)) {
            Check.that(dir.replicaInfos().containsKey(partition), partition + " is in no log dir");
        }
        Check.that(dir.replicaInfos().get(FIRST).size() > 0, "the log of " + FIRST + " has no size");
    }

    @SuppressWarnings("removal") // listConsumerGroups is what programs written before 4.1 call
    private void activeGroup(Node node) throws Exception {
        Map<String, Object> settings = Map.of("group.id", GROUP, "client.id", "java-admin-client");
        try (KafkaConsumer<byte[], byte[]> consumer = kafka.consumer(settings)) {
            consumer.subscribe(List.of(TOPIC));
            Check.eventually("the group's consumer reads", () -> {
                consumer.poll(Kafka.POLL);
                return consumer.assignment().size() == 5 && consumer.position(FIRST) == 5;
            });
            consumer.commitSync();

            GroupListing listing = admin.listGroups().all().get().stream()
                    .filter(group -> group.groupId().equals(GROUP)).findAny().orElseThrow();
            Check.equal(Optional.of(GroupType.CLASSIC), listing.type(), "type of the group");
            Check.equal("consumer", listing.protocol(), "protocol of the group");
            Check.equal(Optional.of(GroupState.STABLE), listing.groupState(), "state in the list");
            Check.that(admin.listConsumerGroups().all().get().stream().anyMatch(g -> g.groupId().equals(GROUP)),
                    "listConsumerGroups does not have the group");

            ConsumerGroupDescription group = describeGroup();
            Check.equal(GroupState.STABLE, group.groupState(), "state");
            Check.equal("range", group.partitionAssignor(), "assignor");
            Check.equal(node.id(), group.coordinator().id(), "coordinator");
            Check.equal(1, group.members().size(), "members");
            var member = group.members().iterator().next();
            Check.equal("java-admin-client", member.clientId(), "the member's client id");
            Check.that(member.host().contains("127.0.0.1"), "the member's host is " + member.host());
            Check.equal(Set.copyOf(Kafka.partitions(TOPIC, 5)), member.assignment().topicPartitions(),
                    "the member's partitions");
            var classic = admin.describeClassicGroups(List.of(GROUP)).all().get().get(GROUP);
            Check.equal(ClassicGroupState.STABLE, classic.state(), "state by describeClassicGroups");

            Check.refused(GroupNotEmptyException.class, "deleting a group that has a member",
                    () -> admin.deleteConsumerGroups(List.of(GROUP)).all().get());
            Check.refused(UnknownMemberIdException.class, "altering offsets of a group that has a member",
                    () -> admin.alterConsumerGroupOffsets(GROUP, Map.of(FIRST, new OffsetAndMetadata(1))).all().get());
            Check.refused(GroupSubscribedToTopicException.class, "deleting offsets of a topic in use",
                    () -> admin.deleteConsumerGroupOffsets(GROUP, Set.of(FIRST)).all().get());
        }
    }

    private ConsumerGroupDescription describeGroup() throws Exception {
        return admin.describeConsumerGroups(List.of(GROUP)).all().get().get(GROUP);
    }

    private Map<TopicPartition, OffsetAndMetadata> committed() throws Exception {
        return admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
    }

    private void emptyGroup() throws Exception {
        Check.eventually("the group is empty", () -> describeGroup().groupState() == GroupState.EMPTY);
        Check.equal(5L, committed().get(FIRST).offset(), "committed offset");
        TopicPartition second = new TopicPartition(TOPIC, 1);
        Map<TopicPartition, OffsetAndMetadata> altered = new HashMap<>();
        altered.put(FIRST, new OffsetAndMetadata(2, "altered"));
        altered.put(second, new OffsetAndMetadata(0));
        admin.alterConsumerGroupOffsets(GROUP, altered).all().get();
        Check.equal(2L, committed().get(FIRST).offset(), "altered offset");
        Check.equal("altered", committed().get(FIRST).metadata(), "metadata of the altered offset");

        admin.deleteConsumerGroupOffsets(GROUP, Set.of(FIRST)).all().get();
        Check.equal(null, committed().get(FIRST), "offset after its deletion");
        Check.equal(0L, committed().get(second).offset(), "the offset beside it");

        admin.deleteConsumerGroups(List.of(GROUP)).all().get();
        Set<String> groups =
                admin.listGroups().all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet());
        Check.that(!groups.contains(GROUP), "the deleted group is listed");
        Check.refused(GroupIdNotFoundException.class, "describing a deleted group", this::describeGroup);
        Check.refused(GroupIdNotFoundException.class, "deleting a deleted group",
                () -> admin.deleteConsumerGroups(List.of(GROUP)).all().get());
        Check.equal(Map.of(), committed(), "offsets of a deleted group");
    }

    private void deleteRecords() throws Exception {
        Map<TopicPartition, RecordsToDelete> firstTwo = Map.of(FIRST, RecordsToDelete.beforeOffset(2));
        if (!server.isKafka()) {
            // Nobody can delete a record of a Kinesis stream.
            Check.refused(PolicyViolationException.class, "deleting records",
                    () -> admin.deleteRecords(firstTwo).all().get());
            Check.equal(0L, offset(OffsetSpec.earliest()).offset(), "start after the refused deletion");
            return;
        }
        Check.equal(2L, admin.deleteRecords(firstTwo).lowWatermarks().get(FIRST).get().lowWatermark(), "low watermark");
        Check.equal(2L, offset(OffsetSpec.earliest()).offset(), "start after the deletion");
    }

    private void deleteTopic(Uuid id) throws Exception {
        admin.deleteTopics(List.of(TOPIC)).all().get();
        Check.eventually("the topic is gone", () -> !admin.listTopics().names().get().contains(TOPIC));
        Check.eventually("the topic cannot be described", () -> !Kafka.described(admin, TOPIC));
        Check.refused(UnknownTopicOrPartitionException.class, "deleting a deleted topic",
                () -> admin.deleteTopics(List.of(TOPIC)).all().get());

        // The same name again is another topic.
        CreateTopicsResult again = admin.createTopics(List.of(topic(TOPIC, 1)));
        Uuid newId = again.topicId(TOPIC).get();
        Check.that(!newId.equals(id), "a topic created again has its old id");
        Check.eventually("the topic is shown again", () -> Kafka.described(admin, TOPIC));
        Check.equal(0L, offset(OffsetSpec.latest()).offset(), "end of the topic created again");
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(newId))).all().get();
        Check.eventually("the topic is gone by its id", () -> !admin.listTopics().names().get().contains(TOPIC));
        Check.refused(UnknownTopicIdException.class, "deleting a deleted topic id",
                () -> admin.deleteTopics(TopicCollection.ofTopicIds(List.of(newId))).all().get());
    }
}
