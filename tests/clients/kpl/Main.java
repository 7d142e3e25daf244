import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.producer.Attempt;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** The cases of the KPL. The arguments are the gateway's address, a directory for KPL's files, and the file of its log. */
public final class Main {
    private static final int SHARDS = 4;
    private static final int ANSWER_SECONDS = 60;
    private static final BigInteger HASHES = BigInteger.ONE.shiftLeft(128);

    private final URI gateway;
    private final KinesisAsyncClient kinesis;
    private final KinesisProducer producer;
    private final Relay relay;
    private final Path log;

    private interface Case {
        /** Returns a note for the CASE line. */
        String run() throws Exception;
    }

    private Main(URI gateway, Path dir, Path log) throws IOException {
        this.gateway = gateway;
        StaticCredentialsProvider credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("local", "local"));
        kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder()
                .endpointOverride(gateway)
                .region(Region.US_EAST_1)
                .credentialsProvider(credentials));
        relay = new Relay(gateway.getHost(), gateway.getPort());
        producer = new KinesisProducer(new KinesisProducerConfiguration()
                .setRegion("us-east-1")
                .setKinesisEndpoint(gateway.getHost())
                .setKinesisPort(gateway.getPort())
                .setCloudwatchEndpoint("127.0.0.1")
                .setCloudwatchPort(relay.port())
                .setVerifyCertificate(false)
                .setCredentialsProvider(credentials)
                .setMetricsUploadDelay(1000)
                // A slow machine is not a fault.
                .setRecordTtl(ANSWER_SECONDS * 1000)
                .setRequestTimeout(ANSWER_SECONDS * 1000)
                .setTempDirectory(dir.toString()));
        this.log = log;
    }

    public static void main(String[] arguments) throws Exception {
        Main suite = new Main(URI.create(arguments[0]), Path.of(arguments[1]), Path.of(arguments[2]));
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("order", suite::order);
        cases.put("burst", suite::burst);
        cases.put("throttled", suite::throttled);
        cases.put("reshard", suite::reshard);
        cases.put("spread", suite::spread);
        cases.put("metrics", suite::metrics);
        cases.put("log", suite::log);
        String version = version();
        for (Map.Entry<String, Case> each : cases.entrySet()) {
            String outcome;
            try {
                outcome = "ok " + each.getValue().run();
            } catch (Exception | AssertionError thrown) {
                thrown.printStackTrace();
                outcome = "fail " + thrown.toString().replaceAll("\\s+", " ");
            }
            System.out.println(String.join(" ", "CASE kpl", version, each.getKey(), outcome).strip());
        }
        suite.producer.destroy();
        System.exit(0);
    }

    /** Records of one key, each sent when the one before is answered, come in this order. Every other key has a hash key. */
    private String order() throws Exception {
        String stream = stream("order");
        List<Sent> sent = warm(stream);
        send(stream, sent, 40);
        Found found = check(stream, sent, true);
        Map<String, Integer> numbers = new HashMap<>();
        for (Sent each : found.sent()) {
            Integer before = numbers.put(each.key(), each.number());
            equal(true, before == null || before < each.number(), each.name() + " comes after " + before);
        }
        return found.toString();
    }

    /** Many at once, of every size: what is too large for an aggregate goes alone. */
    private String burst() throws Exception {
        String stream = stream("burst");
        List<Sent> sent = warm(stream);
        for (int number = 0; number < 5000; number++) {
            int size = number % 1000 == 999 ? 200_000 : number % 100;
            sent.add(Sent.to(producer, stream, "key-" + number % 300, number / 300, null, size));
        }
        producer.flush(stream);
        answers(sent);
        return check(stream, sent, true).toString();
    }

    /** KPL sends half as much again as the shards take, and again what they refuse. */
    private String throttled() throws Exception {
        String stream = stream("throttled");
        List<Sent> sent = new ArrayList<>();
        for (int number = 0; number < 300; number++) {
            sent.add(Sent.to(producer, stream, "key-" + number, 0, null, 40_000));
        }
        producer.flush(stream);
        Set<String> errors = new HashSet<>();
        for (UserRecordResult answer : answers(sent)) {
            answer.getAttempts().stream()
                    .filter(attempt -> !attempt.isSuccessful())
                    .map(Attempt::getErrorCode)
                    .forEach(errors::add);
        }
        equal(Set.of("ProvisionedThroughputExceededException"), errors, "errors that were tried again");
        return check(stream, sent, true).toString();
    }

    /** KPL sees by the shards in the answers that its map is old, and sends again what an aggregate took to the wrong shard. */
    private String reshard() throws Exception {
        String stream = stream("reshard");
        List<Shard> first = shards(stream);
        List<Sent> sent = warm(stream);
        send(stream, sent, 10);
        // While the next are on their way.
        CompletableFuture<?> reshard = kinesis.splitShard(split -> split.streamName(stream)
                        .shardToSplit(first.get(0).shardId())
                        .newStartingHashKey(HASHES.shiftRight(3).toString()))
                .thenCompose(done -> kinesis.mergeShards(merge -> merge.streamName(stream)
                        .shardToMerge(first.get(2).shardId())
                        .adjacentShardToMerge(first.get(3).shardId())));
        do {
            send(stream, sent, 1);
        } while (!reshard.isDone());
        reshard.get();
        send(stream, sent, 10);
        Set<String> open = new HashSet<>();
        for (Shard shard : shards(stream)) {
            if (shard.sequenceNumberRange().endingSequenceNumber() == null) {
                open.add(shard.shardId());
            }
        }
        Set<String> last = new HashSet<>();
        long again = 0;
        for (Sent each : sent) {
            if (each.number() == sent.get(sent.size() - 1).number()) {
                last.add(each.answer().get().getShardId());
            }
            again += isMisplaced(each.answer().get()) ? 1 : 0;
        }
        equal(open, last, "shards of the last round");
        equal(true, again > 0, "KPL sends again");
        return check(stream, sent, true) + ", " + again + " of them sent again";
    }

    /** The stream wants no keys: KPL sees that, packs nothing and leaves the shard to the gateway. */
    private String spread() throws Exception {
        createSpread();
        List<Sent> sent = new ArrayList<>();
        for (String key : Arrays.asList("key", null)) {
            List<Sent> round = new ArrayList<>();
            for (int number = 0; number < 100; number++) {
                round.add(Sent.to(producer, "spread", key, number, null, 0));
            }
            producer.flush("spread");
            answers(round);
            sent.addAll(round);
        }
        Found found = check("spread", sent, false);
        equal(sent.size(), found.packed(), "records of Kinesis");
        Set<String> used = new HashSet<>();
        for (Sent each : sent) {
            used.add(each.answer().get().getShardId());
        }
        equal(SHARDS, used.size(), "shards with records");
        return found.toString();
    }

    /** By hand, because the SDK for Java has no word for it yet. */
    private void createSpread() throws Exception {
        HttpRequest request = HttpRequest.newBuilder(gateway)
                .header("Content-Type", "application/x-amz-json-1.1")
                .header("X-Amz-Target", "Kinesis_20131202.CreateStream")
                .header("X-Amz-Date", "20261124T000000Z")
                .header("Authorization", "AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/kinesis/aws4_request, "
                        + "SignedHeaders=host;x-amz-date, Signature=00")
                .POST(HttpRequest.BodyPublishers.ofString("""
                        {"StreamName": "spread", "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
                        "RecordDistributionStrategy": "AUTO"}"""))
                .build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        equal(200, answer.statusCode(), "status of " + answer.body());
        active("spread");
    }

    /** Rounds of one record for each of a hundred keys; each is answered before the next. */
    private void send(String stream, List<Sent> sent, int rounds) throws Exception {
        for (int round = 0; round < rounds; round++) {
            int number = sent.get(sent.size() - 1).number() + 1;
            List<Sent> next = new ArrayList<>();
            for (int key = 0; key < 100; key++) {
                String hashKey = key % 2 == 0 ? null : HASHES.multiply(BigInteger.valueOf(key)).shiftRight(7).toString();
                next.add(Sent.to(producer, stream, "key-" + key, number, hashKey, 0));
            }
            producer.flush(stream);
            answers(next);
            sent.addAll(next);
        }
    }

    /** Whether KPL did not know the shard that took the record, and sent it again. */
    private static boolean isMisplaced(UserRecordResult answer) {
        return answer.getAttempts().stream().anyMatch(attempt -> "Wrong Shard".equals(attempt.getErrorCode()));
    }

    /** KPL tells CloudWatch of itself; what it is answered must not be a refusal, which the next case sees. */
    private String metrics() throws Exception {
        // An upload has some 4 kB, a TLS handshake less than one.
        long uploads = relay.sentBytes() + 12_000;
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_SECONDS);
        while (relay.sentBytes() < uploads) {
            equal(true, System.nanoTime() < deadline, "within " + ANSWER_SECONDS + " s three more uploads");
            Thread.sleep(20);
        }
        return relay.sentBytes() + " bytes sent, " + relay.answeredBytes() + " answered";
    }

    private String log() throws IOException {
        List<String> lines = Files.readAllLines(log);
        equal(true, lines.stream().anyMatch(line -> line.contains("Entering join")), "KPL writes its log");
        // That it sees a shard which it did not expect is what the case of resharding is for.
        List<String> faults = lines.stream()
                .filter(line -> line.matches(".* (WARN|ERROR) .*") && !line.contains(" instead of the predicted shard "))
                .toList();
        equal(0, faults.size(), "lines of fault" + (faults.isEmpty() ? "" : ", the first: " + faults.get(0)));
        return "";
    }

    private String stream(String name) {
        kinesis.createStream(create -> create.streamName(name).shardCount(SHARDS)).join();
        active(name);
        return name;
    }

    private void active(String stream) {
        kinesis.waiter().waitUntilStreamExists(describe -> describe.streamName(stream)).join();
    }

    private List<Shard> shards(String stream) {
        return kinesis.listShards(list -> list.streamName(stream)).join().shards();
    }

    private static List<UserRecordResult> answers(List<Sent> sent) throws Exception {
        List<UserRecordResult> answers = new ArrayList<>();
        for (Sent each : sent) {
            UserRecordResult answer = each.answer().get(ANSWER_SECONDS, TimeUnit.SECONDS);
            equal(true, answer.isSuccessful(), "success of " + each.name());
            answers.add(answer);
        }
        return answers;
    }

    /** Sends until KPL knows the shards: before that it packs nothing, and leaves the hash keys out. */
    private List<Sent> warm(String stream) throws Exception {
        List<Sent> sent = new ArrayList<>();
        Set<String> sequenceNumbers;
        do {
            Sent one = Sent.to(producer, stream, "warm", sent.size(), null, 0);
            Sent other = Sent.to(producer, stream, "warm", sent.size() + 1, null, 0);
            producer.flush(stream);
            sent.addAll(List.of(one, other));
            sequenceNumbers = answers(List.of(one, other)).stream()
                    .map(UserRecordResult::getSequenceNumber)
                    .collect(Collectors.toSet());
        } while (sequenceNumbers.size() > 1);
        return sent;
    }

    /** What was sent, in the order in which it was found, shard by shard, and how many records of Kinesis it was packed into. */
    private record Found(List<Sent> sent, int packed) {
        @Override
        public String toString() {
            return sent.size() + " user records in " + packed;
        }
    }

    /**
     * Each record is where KPL was told that it is, whole, and nowhere else, but for those that KPL itself sent again because it
     * did not know the shard that had taken them.
     */
    private Found check(String stream, List<Sent> sent, boolean byHash) throws Exception {
        Map<String, Sent> names = new HashMap<>();
        sent.forEach(each -> names.put(each.name(), each));
        equal(sent.size(), names.size(), "names");
        List<Sent> found = new ArrayList<>();
        int packed = 0;
        for (Shard shard : shards(stream)) {
            BigInteger from = new BigInteger(shard.hashKeyRange().startingHashKey());
            BigInteger to = new BigInteger(shard.hashKeyRange().endingHashKey());
            List<KinesisClientRecord> records = read(stream, shard.shardId());
            packed += records.size();
            for (KinesisClientRecord record : new AggregatorUtil().deaggregate(records, from, to)) {
                byte[] data = new byte[record.data().remaining()];
                record.data().get(data);
                Sent due = names.get(Sent.nameOf(data));
                String where = Sent.nameOf(data) + " in " + shard.shardId() + " at " + record.sequenceNumber();
                equal(true, due != null && Arrays.equals(due.data(), data), "this is what was sent: " + where);
                equal(due.key(), record.partitionKey(), "partition key of " + where);
                if (record.aggregated()) {
                    equal(due.hashKey(), record.explicitHashKey(), "hash key of " + where);
                }
                if (byHash) {
                    equal(true, from.compareTo(due.hash()) <= 0 && due.hash().compareTo(to) <= 0, "in the range: " + where);
                }
                UserRecordResult answer = due.answer().get();
                if (answer.getShardId().equals(shard.shardId()) && answer.getSequenceNumber().equals(record.sequenceNumber())) {
                    found.add(due);
                } else if (!isMisplaced(answer)) {
                    throw new AssertionError("KPL was told nothing of " + where);
                }
            }
        }
        Set<String> once = found.stream().map(Sent::name).collect(Collectors.toSet());
        equal(once.size(), found.size(), "found once");
        equal(names.keySet(), once, "found");
        return new Found(found, packed);
    }

    /** All records of a shard. */
    private List<KinesisClientRecord> read(String stream, String shard) throws Exception {
        List<KinesisClientRecord> records = new ArrayList<>();
        String iterator = kinesis.getShardIterator(get -> get.streamName(stream)
                        .shardId(shard)
                        .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
                .join()
                .shardIterator();
        while (iterator != null) {
            String at = iterator;
            GetRecordsResponse page = kinesis.getRecords(get -> get.shardIterator(at)).join();
            for (Record record : page.records()) {
                records.add(KinesisClientRecord.fromRecord(record));
            }
            iterator = page.millisBehindLatest() == 0 && page.records().isEmpty() ? null : page.nextShardIterator();
        }
        return records;
    }

    /** As the jar tells it of itself. */
    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream in = Main.class.getResourceAsStream(
                "/META-INF/maven/software.amazon.kinesis/amazon-kinesis-producer/pom.properties")) {
            properties.load(in);
        }
        return properties.getProperty("version");
    }

    private static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }
}
