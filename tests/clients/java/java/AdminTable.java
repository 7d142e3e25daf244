import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DeleteTopicsOptions;
import org.apache.kafka.clients.admin.FeatureMetadata;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListPartitionReassignmentsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.BrokerIdNotRegisteredException;
import org.apache.kafka.common.errors.ControllerIdNotRegisteredException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.errors.UnsupportedByAuthenticationException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Every method of Admin, with what has to come of it. The rows are those of ADMIN.md, and each call is noted, so that a
 * method of the interface that no row calls fails the case.
 */
final class AdminTable {
    private static final String TOPIC = "admin-table";
    private static final TopicPartition FIRST = new TopicPartition(TOPIC, 0);
    private static final TopicPartition SECOND = new TopicPartition(TOPIC, 1);
    private static final ConfigResource RESOURCE = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    private static final String CLASSIC = "admin-table-classic";
    private static final String CONSUMERS = "admin-table-consumers";
    private static final String SHARERS = "admin-table-sharers";
    private static final String STREAMS = "admin-table-streams";
    private static final String TRANSACTION = "admin-table-transaction";
    private static final String USER = "admin-table-user";

    private record Row(String method, String gateway, String apache) {}

    private final Server server;
    private final Kafka kafka;
    private final Admin admin;
    private final Set<Method> called = new HashSet<>();
    private final List<Row> rows = new ArrayList<>();
    private final List<String> wrong = new ArrayList<>();
    private final Node node;
    private Uuid topicId;

    private AdminTable(Server server, Kafka kafka, Admin real) throws Exception {
        this.server = server;
        this.kafka = kafka;
        InvocationHandler noting = (self, method, arguments) -> {
            called.add(method);
            try {
                // The short form of a method calls its long form, which is noted too.
                return method.isDefault()
                        ? InvocationHandler.invokeDefault(self, method, arguments)
                        : method.invoke(real, arguments);
            } catch (InvocationTargetException exception) {
                throw exception.getCause();
            }
        };
        admin = (Admin) Proxy.newProxyInstance(Admin.class.getClassLoader(), new Class<?>[] {Admin.class}, noting);
        node = real.describeCluster().nodes().get().iterator().next();
    }

    static void run(Server server) throws Exception {
        Kafka kafka = new Kafka(server.bootstrap());
        try (Admin real = kafka.admin()) {
            AdminTable table = new AdminTable(server, kafka, real);
            table.topics();
            table.configs();
            table.placement();
            table.groups();
            table.transactions();
            table.security();
            table.cluster();
            table.client();
            Check.equal(List.of(), table.wrong, "rows that do not hold");
            table.everyMethodWasCalled();
            table.documented();
        }
    }

    /** A method of which both servers make the same. */
    private void row(String method, String outcome, Check.Action action) {
        tried(new Row(method, outcome, "the same"), action);
    }

    /** A method of which the gateway makes something else than Apache Kafka. */
    private void row(String method, String outcome, Check.Action action, String onApache, Check.Action actionOnApache) {
        tried(new Row(method, outcome, onApache), server.isKafka() ? actionOnApache : action);
    }

    /** A method that is refused with this, for this reason, by both. */
    private void refused(String method, String why, Class<? extends Exception> with, Check.Action action) {
        row(method, with.getSimpleName() + ": " + why, () -> Check.refused(with, method, action));
    }

    private void tried(Row row, Check.Action action) {
        rows.add(row);
        try {
            action.run();
        } catch (Exception | AssertionError failed) {
            wrong.add(row.method + ": " + failed);
        }
    }

    private void everyMethodWasCalled() {
        Set<String> missing = Arrays.stream(Admin.class.getMethods())
                .filter(method -> !Modifier.isStatic(method.getModifiers()) && !called.contains(method))
                .map(Method::toString)
                .collect(Collectors.toCollection(TreeSet::new));
        Check.equal(Set.of(), missing, "methods of Admin that no row calls");
    }

    /** ADMIN.md has these rows; with WRITE_ADMIN_TABLE it gets them. */
    private void documented() throws Exception {
        Path path = server.subject().resolveSibling("java").resolve("ADMIN.md");
        String table = rows.stream()
                .map(row -> "| `" + row.method + "` | " + row.gateway + " | " + row.apache + " |\n")
                .sorted()
                .collect(Collectors.joining());
        String text = Files.readString(path);
        int start = text.indexOf("|---|---|---|\n") + "|---|---|---|\n".length();
        if (System.getenv("WRITE_ADMIN_TABLE") != null) {
            Files.writeString(path, text.substring(0, start) + table);
            return;
        }
        Check.that(text.substring(start).equals(table), "ADMIN.md has other rows; WRITE_ADMIN_TABLE=1 writes these");
    }

    private void topics() {
        row("createTopics", "creates, and answers with id, partitions and configs", () -> {
            CreateTopicsResult created = admin.createTopics(
                    List.of(new NewTopic(TOPIC, 2, (short) 1), topic("t-1"), topic("t-2"), topic("t-3")));
            created.all().get();
            topicId = created.topicId(TOPIC).get();
            Check.equal(2, created.numPartitions(TOPIC).get(), "partitions");
            Check.that(created.config(TOPIC).get().get("retention.ms") != null, "no retention.ms");
            Check.eventually("it can be described", () -> Kafka.described(admin, TOPIC));
            try (KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of())) {
                for (int number = 0; number < 10; number++) {
                    producer.send(new ProducerRecord<>(TOPIC, 0, null, Kafka.bytes("value"))).get();
                }
            }
        });
        row("listTopics", "lists names and ids", () -> Check.equal(topicId,
                admin.listTopics().namesToListings().get().get(TOPIC).topicId(), "id"));
        row("describeTopics", "describes by name and by id", () -> {
            Check.equal(topicId, admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).topicId(), "id");
            Check.equal(TOPIC, admin.describeTopics(TopicCollection.ofTopicIds(List.of(topicId))).allTopicIds().get()
                    .get(topicId).name(), "name");
        });
        row("createPartitions", "adds partitions", () -> {
            admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(3))).all().get();
            Check.eventually("there are 3", () ->
                    admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().size() == 3);
        });
        row("deleteTopics", "deletes by name and by id", () -> {
            Uuid id = admin.listTopics().namesToListings().get().get("t-2").topicId();
            admin.deleteTopics(List.of("t-1")).all().get();
            admin.deleteTopics(List.of("t-3"), new DeleteTopicsOptions().retryOnQuotaViolation(false)).all().get();
            admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
            Check.eventually("they are gone", () -> {
                Set<String> names = admin.listTopics().names().get();
                return Collections.disjoint(names, List.of("t-1", "t-2", "t-3")) && names.contains(TOPIC);
            });
        });
        row("listOffsets", "the start, the end and the offset of a time", () -> {
            Check.equal(0L, offset(OffsetSpec.earliest()), "start");
            Check.equal(10L, offset(OffsetSpec.latest()), "end");
            Check.equal(0L, offset(OffsetSpec.forTimestamp(1)), "time");
        });
        Check.Action delete = () -> admin.deleteRecords(Map.of(SECOND, RecordsToDelete.beforeOffset(0))).all().get();
        row("deleteRecords", "PolicyViolationException: records are immutable until their retention ends",
                () -> Check.refused(PolicyViolationException.class, "deleteRecords", delete),
                "moves the start of the partition", delete);
    }

    private long offset(OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(FIRST, spec)).partitionResult(FIRST).get().offset();
    }

    private static NewTopic topic(String name) {
        return new NewTopic(name, Optional.empty(), Optional.empty());
    }

    private void configs() {
        row("describeConfigs", "every config of a topic and of the broker, with its source", () -> {
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node.idString());
            Map<ConfigResource, Config> configs = admin.describeConfigs(List.of(RESOURCE, broker)).all().get();
            Check.that(configs.get(RESOURCE).get("cleanup.policy").isDefault(), "cleanup.policy is not its default");
            Check.that(configs.get(broker).get("num.partitions") != null, "no num.partitions");
        });
        row("incrementalAlterConfigs", "sets a topic's config", () -> {
            admin.incrementalAlterConfigs(Map.of(RESOURCE, List.of(new AlterConfigOp(
                    new ConfigEntry("retention.ms", "172800000"), AlterConfigOp.OpType.SET)))).all().get();
            Check.eventually("it is set", () -> admin.describeConfigs(List.of(RESOURCE)).all().get().get(RESOURCE)
                    .get("retention.ms").value().equals("172800000"));
        });
        row("listConfigResources", "lists the topics, the broker and the groups that have configs of their own", () -> {
            Check.that(admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions())
                    .all().get().contains(RESOURCE), "the topic is not listed");
            Check.that(admin.listConfigResources().all().get().contains(RESOURCE), "the topic is not listed among all");
        });
        row("listClientMetricsResources", "none", () ->
                Check.that(admin.listClientMetricsResources().all().get().isEmpty(), "there are some"));
    }

    private void placement() {
        TopicPartitionReplica replica = new TopicPartitionReplica(TOPIC, 0, node.id());
        row("describeLogDirs", "one directory with every partition and its size", () -> {
            Map<String, LogDirDescription> directories =
                    admin.describeLogDirs(List.of(node.id())).allDescriptions().get().get(node.id());
            Check.equal(1, directories.size(), "directories");
            Check.that(directories.values().iterator().next().replicaInfos().get(FIRST).size() > 0, "no size");
        });
        row("describeReplicaLogDirs", "the one directory", () -> {
            var directory = admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica);
            Check.that(directory.getCurrentReplicaLogDir() != null, "no directory");
        });
        refused("alterReplicaLogDirs", "there is no other directory", LogDirNotFoundException.class,
                () -> admin.alterReplicaLogDirs(Map.of(replica, "/elsewhere")).all().get());
        row("electLeaders", "ElectionNotNeededException for the partition: its one replica leads", () -> {
            Optional<Throwable> outcome =
                    admin.electLeaders(ElectionType.PREFERRED, Set.of(FIRST)).partitions().get().get(FIRST);
            Check.that(outcome.orElse(null) instanceof ElectionNotNeededException, outcome.toString());
        });
        row("alterPartitionReassignments",
                "InvalidReplicaAssignmentException for a broker that is not there, "
                        + "NoReassignmentInProgressException if one is to be ended", () -> {
            var elsewhere = Optional.of(new NewPartitionReassignment(List.of(77)));
            Check.refused(InvalidReplicaAssignmentException.class, "an unknown broker",
                    () -> admin.alterPartitionReassignments(Map.of(FIRST, elsewhere)).all().get());
            Check.refused(NoReassignmentInProgressException.class, "none to end",
                    () -> admin.alterPartitionReassignments(Map.of(FIRST, Optional.empty())).all().get());
        });
        row("listPartitionReassignments", "none", () -> {
            for (var result : List.of(
                    admin.listPartitionReassignments(),
                    admin.listPartitionReassignments(Set.of(FIRST)),
                    admin.listPartitionReassignments(new ListPartitionReassignmentsOptions()))) {
                Check.equal(Map.of(), result.reassignments().get(), "reassignments");
            }
        });
    }

    private void groups() throws Exception {
        ShareCases.earliest(kafka, SHARERS);
        try (KafkaConsumer<byte[], byte[]> classic =
                        kafka.consumer(Map.of("group.id", CLASSIC, "group.instance.id", "static"));
                KafkaConsumer<byte[], byte[]> consumer =
                        kafka.consumer(Map.of("group.id", CONSUMERS, "group.protocol", "consumer"));
                KafkaShareConsumer<byte[], byte[]> sharer = kafka.shareConsumer(SHARERS, false)) {
            for (KafkaConsumer<byte[], byte[]> reader : List.of(classic, consumer)) {
                reader.subscribe(List.of(TOPIC));
                Check.eventually("partitions are assigned", () -> {
                    reader.poll(Kafka.POLL);
                    return reader.assignment().contains(FIRST);
                });
                reader.commitSync(Map.of(FIRST, new OffsetAndMetadata(4)));
            }
            sharer.subscribe(List.of(TOPIC));
            ShareCases.poll(sharer, 10);
            sharer.commitSync();
            groupsWithMembers();
        }
        groupsWithoutMembers();
        streamsGroups();
    }

    private void groupsWithMembers() {
        row("describeClassicGroups", "state and members of a group of the classic protocol", () -> {
            var description = admin.describeClassicGroups(List.of(CLASSIC)).all().get().get(CLASSIC);
            Check.equal(1, description.members().size(), "members");
        });
        row("describeConsumerGroups", "state and members of groups of both protocols", () -> {
            for (String group : List.of(CLASSIC, CONSUMERS)) {
                var description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
                Check.equal(GroupState.STABLE, description.groupState(), "state of " + group);
                Check.equal(1, description.members().size(), "members of " + group);
            }
        });
        row("describeShareGroups", "state, members and their assignments", () -> Check.equal(GroupState.STABLE,
                admin.describeShareGroups(List.of(SHARERS)).all().get().get(SHARERS).groupState(), "state"));
        row("listGroups", "groups of all kinds", () -> Check.that(
                admin.listGroups().all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet())
                        .containsAll(Set.of(CLASSIC, CONSUMERS, SHARERS)), "one is not listed"));
        row("listConsumerGroups", "consumer groups of both protocols", () -> Check.that(
                admin.listConsumerGroups().all().get().stream().map(group -> group.groupId())
                        .collect(Collectors.toSet())
                        .containsAll(Set.of(CLASSIC, CONSUMERS)), "one is not listed"));
        row("listConsumerGroupOffsets", "what was committed, of one group or of many", () -> {
            Check.equal(4L, committed(CLASSIC), "of one");
            Map<String, ListConsumerGroupOffsetsSpec> both = Map.of(
                    CLASSIC, new ListConsumerGroupOffsetsSpec(), CONSUMERS, new ListConsumerGroupOffsetsSpec());
            for (var offsets : admin.listConsumerGroupOffsets(both).all().get().values()) {
                Check.equal(4L, offsets.get(FIRST).offset(), "of two");
            }
        });
        row("deleteConsumerGroupOffsets", "GroupSubscribedToTopicException while a member reads the topic", () ->
                Check.refused(GroupSubscribedToTopicException.class, "offsets of a subscribed topic",
                        () -> admin.deleteConsumerGroupOffsets(CLASSIC, Set.of(FIRST)).all().get()));
        row("removeMembersFromConsumerGroup", "removes a static member", () -> {
            admin.removeMembersFromConsumerGroup(CLASSIC, new RemoveMembersFromConsumerGroupOptions(
                    List.of(new MemberToRemove("static")))).all().get();
            var description = admin.describeConsumerGroups(List.of(CLASSIC)).all().get().get(CLASSIC);
            Check.equal(GroupState.EMPTY, description.groupState(), "state");
        });
        row("listShareGroupOffsets", "where a share group stands in each partition",
                () -> Check.equal(10L, shareStart(), "start"),
                "the same, but the newest acknowledgements may not show yet",
                () -> Check.that(shareStart() >= 0, "no start"));
    }

    private Map<TopicPartition, SharePartitionOffsetInfo> shareOffsets() throws Exception {
        return admin.listShareGroupOffsets(Map.of(SHARERS, new ListShareGroupOffsetsSpec())).all().get().get(SHARERS);
    }

    private long shareStart() throws Exception {
        return shareOffsets().get(FIRST).startOffset();
    }

    private void groupsWithoutMembers() {
        row("alterConsumerGroupOffsets", "commits for a group without members", () -> {
            admin.alterConsumerGroupOffsets(CLASSIC, Map.of(FIRST, new OffsetAndMetadata(7))).all().get();
            Check.equal(7L, committed(CLASSIC), "offset");
        });
        row("deleteConsumerGroups", "deletes groups without members", () -> {
            admin.deleteConsumerGroups(List.of(CLASSIC, CONSUMERS)).all().get();
            Check.refused(GroupIdNotFoundException.class, "describing it",
                    () -> admin.describeClassicGroups(List.of(CLASSIC)).all().get());
        });
        row("alterShareGroupOffsets", "moves a share group without members", () -> {
            admin.alterShareGroupOffsets(SHARERS, Map.of(FIRST, 3L)).all().get();
            Check.equal(3L, shareStart(), "start");
        });
        row("deleteShareGroupOffsets", "forgets where it stood in a topic", () -> {
            admin.deleteShareGroupOffsets(SHARERS, Set.of(TOPIC)).all().get();
            Check.equal(Map.of(), shareOffsets(), "offsets");
        });
        row("deleteShareGroups", "deletes a share group without members", () -> {
            admin.deleteShareGroups(List.of(SHARERS)).all().get();
            Check.refused(GroupIdNotFoundException.class, "describing it",
                    () -> admin.describeShareGroups(List.of(SHARERS)).all().get());
        });
    }

    /** Admin asks the same of a streams group as of others, so any group without members does; ../../streams has one with members. */
    private void streamsGroups() {
        row("alterStreamsGroupOffsets", "commits for a group without members", () -> {
            admin.alterStreamsGroupOffsets(STREAMS, Map.of(FIRST, new OffsetAndMetadata(5))).all().get();
            Check.equal(5L, committed(STREAMS), "offset");
        });
        row("listStreamsGroupOffsets", "what was committed", () -> {
            Map<String, ListStreamsGroupOffsetsSpec> group = Map.of(STREAMS, new ListStreamsGroupOffsetsSpec());
            var offsets = admin.listStreamsGroupOffsets(group).all().get().get(STREAMS);
            Check.equal(5L, offsets.get(FIRST).offset(), "offset");
        });
        row("deleteStreamsGroupOffsets", "deletes a committed offset", () -> {
            admin.deleteStreamsGroupOffsets(STREAMS, Set.of(FIRST)).all().get();
            Check.that(committed(STREAMS) == null, "the offset is still there");
        });
        row("deleteStreamsGroups", "deletes a group without members", () -> {
            // The last offset may have taken the group with it.
            admin.alterStreamsGroupOffsets(STREAMS, Map.of(FIRST, new OffsetAndMetadata(5))).all().get();
            admin.deleteStreamsGroups(List.of(STREAMS)).all().get();
        });
        refused("describeStreamsGroups", "there is no such streams group", GroupIdNotFoundException.class,
                () -> admin.describeStreamsGroups(List.of(STREAMS)).all().get());
    }

    private Long committed(String group) throws Exception {
        OffsetAndMetadata offset =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(FIRST);
        return offset == null ? null : offset.offset();
    }

    private void transactions() throws Exception {
        KafkaProducer<byte[], byte[]> producer = kafka.producer(Map.of("transactional.id", TRANSACTION));
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 1, null, Kafka.bytes("open"))).get();
        openTransaction();
        // It is fenced.
        producer.close(Duration.ZERO);
    }

    private void openTransaction() {
        row("describeProducers", "who writes to a partition, and what it has open",
                () -> Check.that(open().isPresent(), "none has one open"));
        row("listTransactions", "each transactional id with its state", () -> {
            var listed = admin.listTransactions().all().get().stream()
                    .filter(listing -> listing.transactionalId().equals(TRANSACTION)).findFirst().orElseThrow();
            Check.equal(TransactionState.ONGOING, listed.state(), "state");
        });
        row("describeTransactions", "state, producer, timeout and partitions", () -> {
            Check.equal(TransactionState.ONGOING, transaction().state(), "state");
            Check.equal(Set.of(SECOND), transaction().topicPartitions(), "partitions");
        });
        row("abortTransaction", "writes the marker; the partition has nothing open", () -> {
            ProducerState open = open().orElseThrow();
            admin.abortTransaction(new AbortTransactionSpec(SECOND, open.producerId(), (short) open.producerEpoch(),
                    Math.max(open.coordinatorEpoch().orElse(0), 0))).all().get();
            Check.that(open().isEmpty(), "one is still open");
        });
        row("forceTerminateTransaction", "ends the transaction of a transactional id", () -> {
            admin.forceTerminateTransaction(TRANSACTION).result().get();
            Check.eventually("it has ended", () -> transaction().state() == TransactionState.EMPTY);
        });
        row("fenceProducers", "raises the epoch of a transactional id", () -> {
            int before = transaction().producerEpoch();
            int after = admin.fenceProducers(List.of(TRANSACTION)).epochId(TRANSACTION).get();
            Check.that(after > before, "epoch " + after + " after " + before);
        });
    }

    private TransactionDescription transaction() throws Exception {
        return admin.describeTransactions(List.of(TRANSACTION)).all().get().get(TRANSACTION);
    }

    private Optional<ProducerState> open() throws Exception {
        return admin.describeProducers(List.of(SECOND)).all().get().get(SECOND).activeProducers().stream()
                .filter(state -> state.currentTransactionStartOffset().isPresent()).findFirst();
    }

    private void security() {
        AclBinding rule = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "admin-table-", PatternType.PREFIXED),
                new AccessControlEntry("User:" + USER, "*", AclOperation.READ, AclPermissionType.ALLOW));
        AclBindingFilter users = rule.toFilter();
        row("createAcls", "adds rules", () -> admin.createAcls(List.of(rule)).all().get());
        row("describeAcls", "the rules that a filter matches", () -> Check.eventually("the rule is there", () ->
                List.copyOf(admin.describeAcls(users).values().get()).equals(List.of(rule))));
        row("deleteAcls", "removes them and tells which", () -> {
            Check.equal(List.of(rule), List.copyOf(admin.deleteAcls(List.of(users)).all().get()), "rules");
            Check.eventually("the rule is gone", () -> admin.describeAcls(users).values().get().isEmpty());
        });
        row("alterUserScramCredentials", "sets a user's", () -> {
            admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(USER,
                    new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "password"))).all().get();
            Check.eventually("it is there", () -> admin.describeUserScramCredentials().users().get().contains(USER));
        });
        row("describeUserScramCredentials", "mechanism and iterations of each user", () -> {
            var description = admin.describeUserScramCredentials(List.of(USER)).description(USER).get();
            Check.equal(4096, description.credentialInfos().get(0).iterations(), "iterations");
        });
        for (Map.Entry<String, Check.Action> call : Map.<String, Check.Action>of(
                "createDelegationToken", () -> admin.createDelegationToken().delegationToken().get(),
                "renewDelegationToken", () -> admin.renewDelegationToken(new byte[] {1}).expiryTimestamp().get(),
                "expireDelegationToken", () -> admin.expireDelegationToken(new byte[] {1}).expiryTimestamp().get(),
                "describeDelegationToken", () -> admin.describeDelegationToken().delegationTokens().get()).entrySet()) {
            refused(call.getKey(), "there are none on a connection without login",
                    UnsupportedByAuthenticationException.class, call.getValue());
        }
    }

    private void cluster() {
        row("describeCluster", "id, one node, the controller", () -> {
            Check.equal(List.of(node), List.copyOf(admin.describeCluster().nodes().get()), "nodes");
            Check.equal(node.id(), admin.describeCluster().controller().get().id(), "controller");
        });
        row("describeFeatures", "transaction.version, group.version, share.version, streams.version and what else is on", () -> {
            FeatureMetadata features = admin.describeFeatures().featureMetadata().get();
            for (String feature : List.of("transaction.version", "group.version", "share.version", "streams.version")) {
                Check.that(features.finalizedFeatures().containsKey(feature), feature + " is not on");
            }
        });
        row("updateFeatures", "a level that is in force may be asked for again", () -> admin.updateFeatures(
                Map.of("group.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE))).all().get());
        row("describeMetadataQuorum", "one voter, which leads", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            Check.equal(node.id(), quorum.leaderId(), "leader");
            Check.equal(List.of(node.id()),
                    quorum.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList(), "voters");
        });
        refused("unregisterBroker", "there is no other", BrokerIdNotRegisteredException.class,
                () -> admin.unregisterBroker(77).all().get());
        refused("unregisterController", "there is no other", ControllerIdNotRegisteredException.class,
                () -> admin.unregisterController(77).all().get());
        refused("addRaftVoter", "the quorum is fixed", UnsupportedVersionException.class,
                () -> admin.addRaftVoter(77, Uuid.randomUuid(),
                        Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 9093))).all().get());
        refused("removeRaftVoter", "the quorum is fixed", UnsupportedVersionException.class,
                () -> admin.removeRaftVoter(77, Uuid.randomUuid()).all().get());
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, USER));
        ClientQuotaAlteration rate =
                new ClientQuotaAlteration(user, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6)));
        row("alterClientQuotas", "sets and removes what clients may use",
                () -> admin.alterClientQuotas(List.of(rate)).all().get());
        row("describeClientQuotas", "the quotas that a filter matches", () -> {
            ClientQuotaFilter users = ClientQuotaFilter.contains(
                    List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, USER)));
            Check.eventually("it is there", () -> Map.of(user, Map.of("producer_byte_rate", 1e6))
                    .equals(admin.describeClientQuotas(users).entities().get()));
        });
    }

    private void client() {
        row("metrics", "the client's own", () -> Check.that(!admin.metrics().isEmpty(), "there are none"));
        row("registerMetricForSubscription, unregisterMetricFromSubscription", "of the client alone", () -> {
            KafkaMetric metric = (KafkaMetric) admin.metrics().values().iterator().next();
            admin.registerMetricForSubscription(metric);
            admin.unregisterMetricFromSubscription(metric);
        });
        refused("clientInstanceId", "this client does not push metrics unless told to", IllegalStateException.class,
                () -> admin.clientInstanceId(Duration.ofSeconds(5)));
        row("create", "with Properties or a Map", () -> {
            Properties properties = new Properties();
            properties.put("bootstrap.servers", kafka.bootstrap());
            Admin.create(properties).close();
            Admin.create(Map.of("bootstrap.servers", kafka.bootstrap())).close();
        });
        row("close", "ends the client", () -> admin.close());
    }
}
