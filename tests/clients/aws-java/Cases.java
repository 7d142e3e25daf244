import static java.util.stream.Collectors.toSet;

import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.cloudwatch.model.Datapoint;
import software.amazon.awssdk.services.cloudwatch.model.Dimension;
import software.amazon.awssdk.services.cloudwatch.model.DimensionFilter;
import software.amazon.awssdk.services.cloudwatch.model.InvalidParameterValueException;
import software.amazon.awssdk.services.cloudwatch.model.Metric;
import software.amazon.awssdk.services.cloudwatch.model.MetricDataQuery;
import software.amazon.awssdk.services.cloudwatch.model.MetricDataResult;
import software.amazon.awssdk.services.cloudwatch.model.MetricDatum;
import software.amazon.awssdk.services.cloudwatch.model.StandardUnit;
import software.amazon.awssdk.services.cloudwatch.model.Statistic;
import software.amazon.awssdk.services.cloudwatch.model.StatusCode;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.Consumer;
import software.amazon.awssdk.services.kinesis.model.ConsumerDescription;
import software.amazon.awssdk.services.kinesis.model.DescribeLimitsResponse;
import software.amazon.awssdk.services.kinesis.model.EncryptionType;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.ListStreamsResponse;
import software.amazon.awssdk.services.kinesis.model.ListTagsForStreamResponse;
import software.amazon.awssdk.services.kinesis.model.MetricsName;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentInputStatus;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentOutput;
import software.amazon.awssdk.services.kinesis.model.MinimumThroughputBillingCommitmentOutputStatus;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;
import software.amazon.awssdk.services.kinesis.model.PutRecordResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResultEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilter;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescription;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamMode;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.awssdk.services.kinesis.model.StreamSummary;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.Tag;
import software.amazon.awssdk.services.kinesis.model.UpdateShardCountResponse;
import software.amazon.awssdk.services.kinesis.model.ValidationException;

/** The cases by name, the same as those of the other AWS SDKs. */
final class Cases {
    interface Case {
        /** Returns a note for the CASE line, which begins with "none" for what the client cannot do. */
        String run(World world) throws Exception;
    }

    static final Map<String, Case> ALL = new LinkedHashMap<>();

    static {
        ALL.put("streams", Cases::streams);
        ALL.put("records", Cases::records);
        ALL.put("positions", Cases::positions);
        ALL.put("batches", Cases::batches);
        ALL.put("reshards", Cases::reshards);
        ALL.put("shards", Cases::shards);
        ALL.put("retention", Cases::retention);
        ALL.put("tags", Cases::tags);
        ALL.put("consumers", Cases::consumers);
        ALL.put("fanout", Cases::fanout);
        ALL.put("takeover", Cases::takeover);
        ALL.put("encryption", Cases::encryption);
        ALL.put("metrics", Cases::metrics);
        ALL.put("policies", Cases::policies);
        ALL.put("capacity", Cases::capacity);
        ALL.put("account", Cases::account);
        ALL.put("realms", Cases::realms);
        ALL.put("refusals", Cases::refusals);
        ALL.put("limits", Cases::limits);
        ALL.put("cloudwatch", Cases::cloudwatch);
        ALL.put("restart", Cases::restart);
        ALL.put("protocol", Cases::protocol);
        ALL.put("every_operation", Cases::everyOperation);
    }

    private static final BigInteger HALF = BigInteger.ONE.shiftLeft(127);

    private Cases() {}

    private static String streams(World world) {
        List<String> names = Stream.generate(() -> world.stream(1)).limit(3).sorted().toList();
        StreamDescription described = world.describe(names.get(0));
        Check.equal(described.streamStatus(), StreamStatus.ACTIVE, "status");
        Check.equal(described.streamARN(), "arn:aws:kinesis:us-east-1:" + World.ACCOUNT + ":stream/" + names.get(0), "ARN");
        near(described.streamCreationTimestamp(), Instant.now(), "creation");
        List<String> found = new ArrayList<>();
        for (ListStreamsResponse page : world.kinesis.listStreamsPaginator(l -> l.limit(1))) {
            Check.equal(page.streamNames().size(), 1, "names on a page");
            Check.equal(page.streamSummaries().stream().map(StreamSummary::streamName).toList(), page.streamNames(), "summaries");
            found.addAll(page.streamNames());
        }
        Check.equal(found, found.stream().sorted().toList(), "order");
        Check.that(found.containsAll(names), names + " are not all among " + found);
        if (world.async != null) {
            List<String> published = Collections.synchronizedList(new ArrayList<>());
            world.async.listStreamsPaginator(l -> l.limit(2)).streamNames().subscribe(published::add).join();
            Check.equal(published, found, "what the asynchronous paginator finds");
        }
        StreamDescriptionSummary summary = world.kinesis.describeStreamSummary(d -> d.streamARN(described.streamARN()))
                .streamDescriptionSummary();
        Check.equal(List.of(summary.openShardCount(), summary.consumerCount()), List.of(1, 0), "shards and consumers");
        for (String name : names) {
            world.kinesis.deleteStream(d -> d.streamName(name));
            world.isGone(name);
        }
        DescribeLimitsResponse limits = world.kinesis.describeLimits(l -> {});
        Check.that(limits.shardLimit() >= limits.openShardCount(), limits.toString());
        return "";
    }

    private static String records(World world) {
        String stream = world.stream(1);
        String token = world.iterator(stream, "0");
        byte[] every = new byte[256];
        for (int n = 0; n < every.length; n++) {
            every[n] = (byte) n;
        }
        SdkBytes data = SdkBytes.fromByteArray(every);
        Instant before = Instant.now();
        PutRecordResponse put = world.kinesis.putRecord(p -> p.streamName(stream).partitionKey("clé").data(data));
        Check.equal(put.shardId(), "shardId-000000000000", "shard");
        Check.equal(put.sequenceNumber().length(), 56, "digits of the sequence number");
        Check.equal(put.encryptionType(), null, "encryption");
        GetRecordsResponse first = world.get(token);
        Record record = first.records().get(0);
        Check.equal(List.of(record.data(), record.partitionKey(), record.sequenceNumber()),
                List.of(data, "clé", put.sequenceNumber()), "record");
        near(record.approximateArrivalTimestamp(), before, "arrival");
        Check.equal(first.millisBehindLatest(), 0L, "behind");
        Check.equal(world.get(token).records(), first.records(), "an iterator used again");
        GetRecordsResponse empty = world.get(first.nextShardIterator());
        Check.equal(List.of(empty.records().size(), empty.hasChildShards()), List.of(0, false), "nothing more");
        Check.that(!empty.nextShardIterator().equals(first.nextShardIterator()), "the iterator is not a fresh one");
        world.put(stream, "");
        Check.equal(world.get(token).records().get(1).data(), SdkBytes.fromUtf8String(""), "an empty record");
        return "";
    }

    private static String positions(World world) {
        String stream = world.stream(1);
        String latest = world.iterator(stream, "0", g -> g.shardIteratorType(ShardIteratorType.LATEST));
        List<String> numbers = world.put(stream, "0", "1");
        // Arrivals have milliseconds; this moment shares its own with none of them.
        Check.pause(5);
        Instant between = Instant.now();
        Check.pause(5);
        world.put(stream, "2");
        Check.equal(World.values(world.get(latest).records()), List.of("0", "1", "2"), "LATEST");
        at(world, stream, ShardIteratorType.AT_SEQUENCE_NUMBER, numbers.get(1), null, "1", "2");
        at(world, stream, ShardIteratorType.AFTER_SEQUENCE_NUMBER, numbers.get(1), null, "2");
        at(world, stream, ShardIteratorType.AT_TIMESTAMP, null, between, "2");
        at(world, stream, ShardIteratorType.AT_TIMESTAMP, null, Instant.ofEpochSecond(1), "0", "1", "2");
        // To the millisecond: where CBOR has those, JSON has seconds with a fraction.
        Record last = world.get(world.iterator(stream, "0")).records().get(2);
        at(world, stream, ShardIteratorType.AT_TIMESTAMP, null, last.approximateArrivalTimestamp(), "2");
        for (String name : List.of("shardId-000000000000", "shardId-0", "shardId--00000000", "0")) {
            Check.equal(world.get(world.iterator(stream, name)).records().size(), 3, name);
        }
        return "";
    }

    private static void at(
            World world, String stream, ShardIteratorType kind, String number, Instant moment, String... expected) {
        String token = world.iterator(
                stream, "0", g -> g.shardIteratorType(kind).startingSequenceNumber(number).timestamp(moment));
        Check.equal(World.values(world.get(token).records()), List.of(expected), kind.toString());
    }

    private static String batches(World world) {
        String stream = world.stream(4);
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int n = 0; n < 500; n++) {
            entries.add(PutRecordsRequestEntry.builder().partitionKey("key" + n).data(SdkBytes.fromUtf8String("" + n)).build());
        }
        PutRecordsResponse put = world.kinesis.putRecords(p -> p.streamName(stream).records(entries));
        Check.equal(List.of(put.failedRecordCount(), put.records().size()), List.of(0, 500), "failed and put");
        Map<String, List<String>> found = new HashMap<>();
        for (int shard = 0; shard < 4; shard++) {
            String id = "shardId-%012d".formatted(shard);
            String token = world.iterator(stream, id);
            GetRecordsResponse page;
            do {
                String next = token;
                page = world.kinesis.getRecords(g -> g.shardIterator(next).limit(37));
                for (Record record : page.records()) {
                    found.put(record.data().asUtf8String(), List.of(id, record.sequenceNumber(), record.partitionKey()));
                }
                token = page.nextShardIterator();
            } while (page.millisBehindLatest() > 0 || !page.records().isEmpty());
        }
        for (int n = 0; n < 500; n++) {
            PutRecordsResultEntry result = put.records().get(n);
            Check.equal(found.get("" + n), List.of(result.shardId(), result.sequenceNumber(), "key" + n), "entry " + n);
        }
        String wide = world.stream(1);
        PutRecordsRequestEntry large = PutRecordsRequestEntry.builder()
                .partitionKey("a").explicitHashKey("0").data(SdkBytes.fromByteArray(new byte[(1 << 20) - 1])).build();
        Check.equal(world.kinesis.putRecords(p -> p.streamName(wide).records(Collections.nCopies(9, large))).failedRecordCount(), 0,
                "failed of 9 MiB");
        return "";
    }

    private static String reshards(World world) {
        String stream = world.stream(1);
        world.put(stream, "parent");
        String token = world.iterator(stream, "0");
        world.kinesis.splitShard(
                s -> s.streamName(stream).shardToSplit("shardId-000000000000").newStartingHashKey(HALF.toString()));
        world.exists(stream);
        GetRecordsResponse end = world.get(token);
        Check.equal(World.values(end.records()), List.of("parent"), "records of the parent");
        Check.equal(end.nextShardIterator(), null, "an iterator after the end of the shard");
        Check.equal(end.childShards().stream().map(child -> child.shardId() + " of " + child.parentShards()).toList(),
                List.of("shardId-000000000001 of [shardId-000000000000]", "shardId-000000000002 of [shardId-000000000000]"),
                "children");
        Check.equal(end.childShards().get(1).hashKeyRange().startingHashKey(), HALF.toString(), "the second child begins");
        world.kinesis.mergeShards(m -> m.streamName(stream)
                .shardToMerge("shardId-000000000001").adjacentShardToMerge("shardId-000000000002"));
        world.exists(stream);
        end = world.get(world.iterator(stream, "2", g -> g.shardIteratorType(ShardIteratorType.LATEST)));
        Check.equal(end.childShards().stream().map(child -> child.shardId() + " of " + child.parentShards()).toList(),
                List.of("shardId-000000000003 of [shardId-000000000001, shardId-000000000002]"), "the child of two");
        UpdateShardCountResponse updated = world.kinesis.updateShardCount(
                u -> u.streamName(stream).targetShardCount(2).scalingType(ScalingType.UNIFORM_SCALING));
        Check.equal(List.of(updated.currentShardCount(), updated.targetShardCount(), updated.streamName(), updated.streamARN()),
                List.of(1, 2, stream, world.arn(stream)), "shards before and after, name, ARN");
        return "";
    }

    private static String shards(World world) {
        String many = world.stream(120);
        StreamDescription described = world.describe(many);
        Check.equal(List.of(described.shards().size(), described.hasMoreShards()), List.of(100, true), "a page of DescribeStream");
        String last = described.shards().get(99).shardId();
        described = world.kinesis.describeStream(d -> d.streamName(many).exclusiveStartShardId(last)).streamDescription();
        Check.equal(List.of(described.shards().size(), described.hasMoreShards()), List.of(20, false), "the rest");
        ListShardsResponse page = world.kinesis.listShards(l -> l.streamName(many).maxResults(50));
        List<Integer> sizes = new ArrayList<>(List.of(page.shards().size()));
        while (page.nextToken() != null) {
            String next = page.nextToken();
            page = world.kinesis.listShards(l -> l.nextToken(next).maxResults(50));
            sizes.add(page.shards().size());
        }
        Check.equal(sizes, List.of(50, 50, 20), "shards on the pages of ListShards");
        String stream = world.stream(2);
        world.kinesis.mergeShards(m -> m.streamName(stream).shardToMerge("0").adjacentShardToMerge("1"));
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.AT_LATEST), 2);
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.AT_TRIM_HORIZON), 0, 1);
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.FROM_TRIM_HORIZON), 0, 1, 2);
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.AFTER_SHARD_ID).shardId("shardId-000000000000"), 1, 2);
        Instant early = Instant.ofEpochSecond(1);
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.FROM_TIMESTAMP).timestamp(early), 0, 1, 2);
        listed(world, stream, ShardFilter.builder().type(ShardFilterType.AT_TIMESTAMP).timestamp(early), 0, 1);
        return "";
    }

    private static void listed(World world, String stream, ShardFilter.Builder filter, int... expected) {
        List<Shard> found = world.kinesis.listShards(l -> l.streamName(stream).shardFilter(filter.build())).shards();
        Check.equal(found.stream().map(Shard::shardId).toList(),
                IntStream.of(expected).mapToObj("shardId-%012d"::formatted).toList(), filter.build().toString());
    }

    private static String retention(World world) {
        String stream = world.stream(1);
        world.kinesis.increaseStreamRetentionPeriod(i -> i.streamName(stream).retentionPeriodHours(168));
        Check.equal(world.describe(stream).retentionPeriodHours(), 168, "hours");
        world.kinesis.decreaseStreamRetentionPeriod(d -> d.streamName(stream).retentionPeriodHours(24));
        Check.equal(world.describe(stream).retentionPeriodHours(), 24, "hours");
        world.kinesis.increaseStreamRetentionPeriod(i -> i.streamName(stream).retentionPeriodHours(24));
        return "";
    }

    private static String tags(World world) {
        String stream = world.stream(1);
        String arn = world.arn(stream);
        world.kinesis.addTagsToStream(a -> a.streamName(stream).tags(Map.of("a", "1", "b", "")));
        world.kinesis.tagResource(t -> t.resourceARN(arn).tags(Map.of("c", "3")));
        ListTagsForStreamResponse listed = world.kinesis.listTagsForStream(l -> l.streamName(stream).limit(2));
        Check.equal(listed.tags(), List.of(tag("a", "1"), tag("b", "")), "tags");
        Check.equal(listed.hasMoreTags(), true, "more tags");
        world.kinesis.removeTagsFromStream(r -> r.streamName(stream).tagKeys("a"));
        world.kinesis.untagResource(u -> u.resourceARN(arn).tagKeys("b"));
        Check.equal(world.kinesis.listTagsForResource(l -> l.resourceARN(arn)).tags(), List.of(tag("c", "3")), "tags left");
        return "";
    }

    private static Tag tag(String key, String value) {
        return Tag.builder().key(key).value(value).build();
    }

    private static String consumers(World world) {
        String stream = world.stream(1);
        String arn = world.arn(stream);
        List<String> registered = Stream.of("a", "b", "c").map(name -> world.registered(stream, name)).toList();
        List<Consumer> found = new ArrayList<>();
        world.kinesis.listStreamConsumersPaginator(l -> l.streamARN(arn).maxResults(1))
                .forEach(page -> found.addAll(page.consumers()));
        Check.equal(found.stream().map(Consumer::consumerARN).toList(), registered, "consumers");
        near(found.get(0).consumerCreationTimestamp(), Instant.now(), "creation");
        ConsumerDescription described = world.kinesis.describeStreamConsumer(d -> d.streamARN(arn).consumerName("b"))
                .consumerDescription();
        Check.equal(List.of(described.consumerARN(), described.streamARN()), List.of(registered.get(1), arn), "description");
        Check.refused(ResourceInUseException.class,
                () -> world.kinesis.registerStreamConsumer(r -> r.streamARN(arn).consumerName("a")));
        Check.refused(ResourceInUseException.class, () -> world.kinesis.deleteStream(d -> d.streamName(stream)));
        world.kinesis.deregisterStreamConsumer(d -> d.consumerARN(registered.get(0)));
        world.kinesis.deleteStream(d -> d.streamName(stream).enforceConsumerDeletion(true));
        return "";
    }

    private static final String NO_FANOUT = "none the synchronous client has no SubscribeToShard";

    private static String fanout(World world) throws Exception {
        if (world.async == null) {
            return NO_FANOUT;
        }
        String stream = world.stream(1);
        String consumer = world.registered(stream, "consumer");
        world.put(stream, "0", "1");
        Subscription subscription = new Subscription(world, consumer, s -> s.type(ShardIteratorType.TRIM_HORIZON));
        SubscribeToShardEvent event = subscription.next();
        Check.equal(World.values(event.records()), List.of("0", "1"), "what was there");
        Check.equal(event.millisBehindLatest(), 0L, "behind");
        near(event.records().get(0).approximateArrivalTimestamp(), Instant.now(), "arrival");
        String number = world.put(stream, "2").get(0);
        event = subscription.next();
        Check.equal(World.values(event.records()), List.of("2"), "what comes");
        Check.equal(event.continuationSequenceNumber(), number, "where to go on");
        long began = System.nanoTime();
        event = subscription.next();
        double silent = (System.nanoTime() - began) / 1e9;
        Check.equal(event.records(), List.of(), "records of a heartbeat");
        world.kinesis.updateShardCount(
                u -> u.streamName(stream).targetShardCount(2).scalingType(ScalingType.UNIFORM_SCALING));
        event = subscription.next();
        Check.equal(event.childShards().stream().map(child -> child.shardId() + " of " + child.parentShards()).toList(),
                List.of("shardId-000000000001 of [shardId-000000000000]", "shardId-000000000002 of [shardId-000000000000]"),
                "children");
        Check.equal(event.continuationSequenceNumber(), null, "where to go on after the end of the shard");
        subscription.ends();
        return "silent for %.1f s".formatted(silent);
    }

    /** Within 5 s of a subscription another one is refused; later it takes over, and the first one ends. */
    private static String takeover(World world) throws Exception {
        if (world.async == null) {
            return NO_FANOUT;
        }
        String stream = world.stream(1);
        String consumer = world.registered(stream, "consumer");
        List<String> numbers = world.put(stream, "0", "1", "2");
        long began = System.nanoTime();
        Subscription first = new Subscription(world, consumer, s -> s.type(ShardIteratorType.TRIM_HORIZON));
        Check.equal(World.values(first.next().records()), List.of("0", "1", "2"), "what the first one gets");
        Throwable early = new Subscription(world, consumer, s -> s.type(ShardIteratorType.LATEST)).failure();
        Check.that(early instanceof ResourceInUseException, "an early second subscription ends with " + early);
        Subscription second;
        while (true) {
            second = new Subscription(
                    world, consumer, s -> s.type(ShardIteratorType.AFTER_SEQUENCE_NUMBER).sequenceNumber(numbers.get(0)));
            SubscribeToShardEvent event = second.nextOrNull();
            if (event != null) {
                Check.equal(World.values(event.records()), List.of("1", "2"), "what the second one gets");
                break;
            }
            Check.that(second.failure() instanceof ResourceInUseException, "a second subscription ends with " + second.failure());
            Check.pause(200);
        }
        double after = (System.nanoTime() - began) / 1e9;
        Throwable end = first.failure();
        Check.that(end == null || end instanceof ResourceInUseException, "the first subscription ends with " + end);
        second.cancel();
        return "after %.1f s".formatted(after);
    }

    private static String encryption(World world) {
        String stream = world.stream(1);
        String key = "alias/aws/kinesis";
        world.kinesis.startStreamEncryption(s -> s.streamName(stream).encryptionType(EncryptionType.KMS).keyId(key));
        StreamDescription described = world.describe(stream);
        Check.equal(List.of(described.encryptionType(), described.keyId()), List.of(EncryptionType.KMS, key), "encryption");
        world.put(stream, "x");
        Check.equal(world.get(world.iterator(stream, "0")).records().get(0).encryptionType(), EncryptionType.KMS,
                "encryption of a record");
        world.kinesis.stopStreamEncryption(s -> s.streamName(stream).encryptionType(EncryptionType.KMS).keyId(key));
        Check.equal(world.describe(stream).encryptionType(), EncryptionType.NONE, "encryption after its end");
        return "";
    }

    private static String metrics(World world) {
        String stream = world.stream(1);
        var on = world.kinesis.enableEnhancedMonitoring(e -> e.streamName(stream).shardLevelMetrics(MetricsName.ALL));
        Check.equal(List.of(on.currentShardLevelMetrics().size(), on.desiredShardLevelMetrics().size()), List.of(0, 7), "on");
        var off = world.kinesis.disableEnhancedMonitoring(d -> d.streamName(stream).shardLevelMetrics(MetricsName.ALL));
        Check.equal(List.of(off.currentShardLevelMetrics().size(), off.desiredShardLevelMetrics().size()), List.of(7, 0), "off");
        return "";
    }

    private static String policies(World world) {
        String arn = world.arn(world.stream(1));
        String policy = "{\"Version\":\"2012-10-17\",\"Statement\":[]}";
        Check.equal(world.kinesis.getResourcePolicy(g -> g.resourceARN(arn)).policy(), "{}", "no policy");
        world.kinesis.putResourcePolicy(p -> p.resourceARN(arn).policy(policy));
        Check.equal(world.kinesis.getResourcePolicy(g -> g.resourceARN(arn)).policy(), policy, "policy");
        world.kinesis.deleteResourcePolicy(d -> d.resourceARN(arn));
        Check.equal(world.kinesis.getResourcePolicy(g -> g.resourceARN(arn)).policy(), "{}", "no policy any more");
        return "";
    }

    private static String capacity(World world) {
        String stream = World.unique();
        world.kinesis.createStream(c -> c.streamName(stream).streamModeDetails(m -> m.streamMode(StreamMode.ON_DEMAND)));
        world.exists(stream);
        StreamDescriptionSummary summary = world.summary(stream);
        String arn = summary.streamARN();
        Check.equal(summary.openShardCount(), 4, "shards on demand");
        world.kinesis.updateStreamMode(u -> u.streamARN(arn).streamModeDetails(m -> m.streamMode(StreamMode.PROVISIONED)));
        world.kinesis.updateStreamMode(u -> u.streamARN(arn).streamModeDetails(m -> m.streamMode(StreamMode.ON_DEMAND))
                .warmThroughputMiBps(5));
        Check.equal(world.kinesis.updateStreamWarmThroughput(u -> u.streamARN(arn).warmThroughputMiBps(10))
                .warmThroughput().targetMiBps(), 10, "warm throughput");
        world.kinesis.updateMaxRecordSize(u -> u.streamARN(arn).maxRecordSizeInKiB(10240));
        Check.equal(world.summary(stream).maxRecordSizeInKiB(), 10240, "largest record");
        SdkBytes data = SdkBytes.fromByteArray(new byte[(10 << 20) - 1]);
        String shard = world.kinesis.putRecord(p -> p.streamName(stream).partitionKey("a").data(data)).shardId();
        Check.equal(world.get(world.iterator(stream, shard)).records().get(0).data().asByteArray().length, (10 << 20) - 1,
                "size of the largest record");
        return "";
    }

    private static String account(World world) {
        Check.equal(commit(world, MinimumThroughputBillingCommitmentInputStatus.ENABLED).status(),
                MinimumThroughputBillingCommitmentOutputStatus.ENABLED, "commitment");
        commit(world, MinimumThroughputBillingCommitmentInputStatus.DISABLED);
        MinimumThroughputBillingCommitmentOutput found =
                world.kinesis.describeAccountSettings(d -> {}).minimumThroughputBillingCommitment();
        Check.equal(found.status(), MinimumThroughputBillingCommitmentOutputStatus.ENABLED_UNTIL_EARLIEST_ALLOWED_END, "its end");
        Check.equal(Duration.between(found.startedAt(), found.earliestAllowedEndAt()), Duration.ofDays(1), "the shortest one");
        return "";
    }

    private static MinimumThroughputBillingCommitmentOutput commit(
            World world, MinimumThroughputBillingCommitmentInputStatus status) {
        return world.kinesis.updateAccountSettings(u -> u.minimumThroughputBillingCommitment(m -> m.status(status)))
                .minimumThroughputBillingCommitment();
    }

    /** Streams of one name in two accounts and regions are two. */
    private static String realms(World world) throws Exception {
        String stream = world.stream(1);
        World abroad = world.abroad("eu-west-1", "123456789012");
        abroad.kinesis.createStream(c -> c.streamName(stream).shardCount(2));
        abroad.exists(stream);
        String arn = abroad.arn(stream);
        Check.equal(arn, "arn:aws:kinesis:eu-west-1:123456789012:stream/" + stream, "ARN");
        Check.equal(abroad.kinesis.listStreams(l -> {}).streamNames(), List.of(stream), "streams abroad");
        world.put(stream, "home");
        SdkBytes data = SdkBytes.fromUtf8String("abroad");
        world.kinesis.putRecord(p -> p.streamARN(arn).partitionKey("a").explicitHashKey("0").data(data));
        Check.equal(World.values(abroad.get(abroad.iterator(stream, "0")).records()), List.of("abroad"), "records abroad");
        abroad.kinesis.deleteStream(d -> d.streamName(stream));
        abroad.isGone(stream);
        Check.equal(abroad.kinesis.listStreams(l -> {}).streamNames(), List.of(), "streams abroad after the end");
        Check.equal(World.values(world.get(world.iterator(stream, "0")).records()), List.of("home"), "records at home");
        return "";
    }

    private static String refusals(World world) {
        KinesisClient kinesis = world.kinesis;
        String stream = world.stream(1);
        SdkBytes data = SdkBytes.fromUtf8String("x");
        AwsServiceException unknown = Check.refused(ResourceNotFoundException.class,
                () -> kinesis.putRecord(p -> p.streamName("none").partitionKey("a").data(data)));
        Check.equal(unknown.awsErrorDetails().errorMessage(),
                "Stream none under account " + World.ACCOUNT + " not found.", "message");
        Check.equal(List.of(unknown.awsErrorDetails().errorCode(), unknown.statusCode(), unknown.requestId().length()),
                List.of("ResourceNotFoundException", 400, 36), "code, status and length of the request id");
        Check.refused(ResourceNotFoundException.class, () -> kinesis.describeStream(d -> d.streamName("none")));
        Check.refused(ResourceInUseException.class, () -> kinesis.createStream(c -> c.streamName(stream).shardCount(1)));
        Check.refused(InvalidArgumentException.class, () -> kinesis.getRecords(g -> g.shardIterator("x")));
        Check.refused(ValidationException.class, () -> kinesis.createStream(c -> c.streamName("provisioned")));
        AwsServiceException constraint = Check.refused(
                ValidationException.class, () -> kinesis.describeStream(d -> d.streamName("not/a/name")));
        Check.that(constraint.awsErrorDetails().errorMessage().startsWith("1 validation error detected: Value 'not/a/name' at"),
                constraint.toString());
        return "";
    }

    private static String limits(World world) throws Exception {
        World limited = new World(world.server.startLimited("limited-" + world.transport.name), world.transport);
        try {
            limited.connect();
            String stream = limited.stream(1);
            SdkBytes large = SdkBytes.fromByteArray(new byte[700 << 10]);
            PutRecordsRequestEntry entry = PutRecordsRequestEntry.builder().partitionKey("a").data(large).build();
            PutRecordsResponse put = limited.kinesis.putRecords(p -> p.streamName(stream).records(entry, entry));
            Check.equal(put.failedRecordCount(), 1, "entries over the limit");
            PutRecordsResultEntry over = put.records().get(1);
            String rate = "Rate exceeded for shard shardId-000000000000 in stream %s under account %s."
                    .formatted(stream, World.ACCOUNT);
            Check.equal(Arrays.asList(over.errorCode(), over.errorMessage(), over.sequenceNumber(), over.shardId()),
                    Arrays.asList("ProvisionedThroughputExceededException", rate, null, null), "the entry over the limit");
            Check.refused(ProvisionedThroughputExceededException.class, () -> {
                // The first of these may find the second to be over.
                for (int n = 0; n < 10; n++) {
                    limited.kinesis.putRecord(p -> p.streamName(stream).partitionKey("a").data(large));
                }
            });
            String token = limited.iterator(stream, "0");
            Check.refused(ProvisionedThroughputExceededException.class, () -> {
                for (int n = 0; n < 20; n++) {
                    limited.get(token);
                }
            });
        } finally {
            limited.server.kill();
        }
        return "";
    }

    /** Puts to the stream whose metrics `cloudwatch` asks for. */
    static void measure(World world) {
        world.measured = world.stream(2);
        world.put(world.measured, "12", "3456");
    }

    /** What is not over yet has no metrics: this waits for the end of the minute in which `measure` ran. */
    private static String cloudwatch(World world) {
        Dimension of = Dimension.builder().name("StreamName").value(world.measured).build();
        Instant now = Instant.now();
        Instant from = now.minusSeconds(600);
        Instant to = now.plusSeconds(600);
        List<Datapoint> points = new ArrayList<>();
        Check.until(() -> {
            points.clear();
            points.addAll(world.watch.getMetricStatistics(g -> g.namespace("AWS/Kinesis").metricName("IncomingBytes")
                    .dimensions(of).startTime(from).endTime(to).period(60)
                    .statistics(Statistic.SUM, Statistic.SAMPLE_COUNT, Statistic.MAXIMUM)).datapoints());
            // A minute may have ended between the two puts.
            return points.stream().mapToDouble(Datapoint::sampleCount).sum() == 2;
        });
        Duration waited = Duration.between(now, Instant.now());
        // Bytes are those of data and of the key "a".
        Check.equal(points.stream().mapToDouble(Datapoint::sum).sum(), 8.0, "sum");
        Check.equal(points.stream().mapToDouble(Datapoint::maximum).max().orElse(0), 5.0, "maximum");
        for (Datapoint point : points) {
            Check.equal(point.unit(), StandardUnit.BYTES, "unit");
            Check.that(Duration.between(point.timestamp(), now).abs().toMinutes() < 5, "a point of " + point.timestamp());
        }
        Metric metric = Metric.builder().namespace("AWS/Kinesis").metricName("IncomingBytes").dimensions(of).build();
        MetricDataQuery query = MetricDataQuery.builder()
                .id("bytes").metricStat(s -> s.metric(metric).period(60).stat("Sum")).build();
        List<MetricDataResult> results = new ArrayList<>();
        world.watch.getMetricDataPaginator(g -> g.startTime(from).endTime(to).metricDataQueries(query))
                .metricDataResults().forEach(results::add);
        Check.equal(results.size(), 1, "results");
        MetricDataResult result = results.get(0);
        Check.equal(List.of(result.id(), result.statusCode(), result.timestamps().size()),
                List.of("bytes", StatusCode.COMPLETE, result.values().size()), "result");
        Check.equal(result.values().stream().mapToDouble(Double::doubleValue).sum(), 8.0, "sum of the values");
        long listed = world.watch.listMetricsPaginator(l -> l.namespace("AWS/Kinesis").metricName("IncomingBytes")
                .dimensions(DimensionFilter.builder().name(of.name()).value(of.value()).build())).metrics().stream().count();
        Check.equal(listed, 2L, "the stream and the shard that was put to");
        MetricDatum datum = MetricDatum.builder().metricName("a").value(1.5).timestamp(now).build();
        world.watch.putMetricData(p -> p.namespace("KCL").metricData(datum));
        Check.refused(InvalidParameterValueException.class, () -> world.watch.getMetricStatistics(
                g -> g.namespace("AWS/Kinesis").metricName("IncomingBytes").startTime(to).endTime(from).period(60)
                        .statistics(Statistic.SUM)));
        return "after %d s".formatted(waited.toSeconds());
    }

    private static String restart(World world) throws Exception {
        // The case of another client may have moved the server.
        world.connect();
        String stream = world.stream(1);
        world.put(stream, "0");
        String token = world.iterator(stream, "0");
        world.server.kill();
        world.server.resume();
        world.connect();
        Check.equal(World.values(world.get(token).records()), List.of("0"), "records");
        return "";
    }

    /** The client spoke what its transport says, and nothing else. */
    private static String protocol(World world) {
        String common = world.transport.isCbor ? "application/x-amz-cbor-1.1" : "application/x-amz-json-1.1";
        Set<String> expected = new TreeSet<>(Set.of(common));
        if (world.async != null) {
            expected.add("SubscribeToShard application/x-amz-json-1.1");
        }
        Check.equal(new TreeSet<>(world.media.keySet()), expected, "content types");
        String http = world.transport.httpClient + (world.transport.isHttp2 ? " HTTP/2" : " HTTP/1.1");
        Check.equal(world.protocols.keySet(), Set.of(http), "HTTP");
        return "%d requests in %s, %s".formatted(world.media.get(common), common, http);
    }

    /** Holds the calls of all cases against the operations of the SDK's client. */
    private static String everyOperation(World world) {
        Class<?> face = world.async == null ? KinesisClient.class : world.async.getClass();
        Set<String> known = Stream.of(face.getMethods())
                .flatMap(method -> Stream.of(method.getParameterTypes()).limit(1))
                .map(Class::getSimpleName)
                .filter(input -> input.endsWith("Request"))
                .map(input -> input.replaceAll("Request$", ""))
                .collect(toSet());
        Set<String> missing = new TreeSet<>(known);
        missing.addAll(List.of("GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"));
        missing.removeAll(world.called);
        Check.equal(missing, Set.of(), "operations that no case calls");
        return known.size() + " operations";
    }

    private static void near(Instant found, Instant expected, String what) {
        Check.that(Duration.between(found, expected).abs().toSeconds() < 60, what + " at " + found);
    }
}
