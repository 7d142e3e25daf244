import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.Consumer;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;
import software.amazon.kinesis.retrieval.RetrievalConfig;

/**
 * Applications of the KCL read one stream: two of three workers each, while a shard is split and two are merged, and two of
 * one worker that come when that is over. The arguments are the gateway's address, DynamoDB's, and the file of KCL's log.
 */
public final class Main {
    private static final String STREAM = "events";
    private static final int FIRST_SHARDS = 4;
    private static final String SPLIT = shard(0);
    private static final String UNTOUCHED = shard(1);
    private static final List<String> MERGED = List.of(shard(2), shard(3));
    /** For a step of KCL's; it takes a few seconds where the machine does nothing else. */
    private static final int STEP_SECONDS = 120;
    /** A line of the log that tells of a fault: any error, and what else goes wrong with Kinesis or CloudWatch. */
    private static final Pattern FAULT = Pattern.compile(" ERROR | WARN software\\.amazon\\.kinesis\\.metrics\\."
            + "| WARN (software\\.amazon\\.kinesis\\.(retrieval|lifecycle)\\.|\\S*Shard).*Exception");
    /** A worker that gets a shard within five seconds of another's subscription is refused for the rest of them, as by AWS. */
    private static final Pattern EXPECTED = Pattern.compile("Another active subscription exists for this consumer");

    private final KinesisAsyncClient kinesis;
    private final Load load;
    private final List<Application> live;
    private final List<Application> late;
    /** Why a case failed. */
    private final Map<String, Throwable> failures = new HashMap<>();

    private interface Step {
        void take(Application application) throws Exception;
    }

    private Main(Services services) {
        kinesis = services.kinesis();
        load = new Load(kinesis, STREAM);
        live = List.of(
                new Application("polling", Application.Retrieval.POLLING, services, STREAM),
                new Application("fan-out", Application.Retrieval.FAN_OUT, services, STREAM));
        late = List.of(
                new Application("late-polling", Application.Retrieval.POLLING, services, STREAM),
                new Application("late-fan-out", Application.Retrieval.FAN_OUT, services, STREAM));
    }

    public static void main(String[] arguments) throws Exception {
        Main suite = new Main(Services.at(URI.create(arguments[0]), URI.create(arguments[1])));
        List<Application> applications = new ArrayList<>(suite.live);
        applications.addAll(suite.late);
        try {
            suite.run();
        } catch (Exception | AssertionError thrown) {
            applications.forEach(application -> suite.failures.putIfAbsent(application.name, thrown));
        }
        try {
            checkLog(Path.of(arguments[2]));
        } catch (Exception | AssertionError thrown) {
            suite.failures.put("log", thrown);
        }
        for (Application application : applications) {
            suite.report(application.name, application.history.records() + " records");
        }
        suite.report("log", "");
        // Threads of what failed must not keep the process.
        System.exit(0);
    }

    private void report(String name, String note) {
        Throwable failure = failures.get(name);
        if (failure != null) {
            failure.printStackTrace();
        }
        String outcome = failure == null ? "ok " + note : "fail " + failure.toString().replaceAll("\\s+", " ");
        System.out.println(
                String.join(" ", "CASE kcl", RetrievalConfig.KINESIS_CLIENT_LIB_USER_AGENT_VERSION, name, outcome).strip());
    }

    private void run() throws Exception {
        kinesis.createStream(create -> create.streamName(STREAM).shardCount(FIRST_SHARDS)).join();
        active();
        load.start();
        each(live, application -> application.start(3));
        each(live, application -> application.history.await("three workers read all shards", STEP_SECONDS,
                history -> history.shards().size() == FIRST_SHARDS && Set.copyOf(history.owners().values()).size() == 3));
        leave();
        reshard();
        each(late, application -> application.start(1));
        Set<String> shards = ids(shards());
        each(live, application -> application.history.await("what came of the resharding is read", STEP_SECONDS,
                history -> history.shards().keySet().equals(shards)));
        load.stop();
        List<Application> all = new ArrayList<>(live);
        all.addAll(late);
        each(all, this::finish);
    }

    /** What an application fails in is the outcome of its case; the others go on. */
    private void each(List<Application> applications, Step step) {
        for (Application application : applications) {
            if (failures.containsKey(application.name)) {
                continue;
            }
            try {
                step.take(application);
            } catch (Exception | AssertionError thrown) {
                failures.put(application.name, thrown);
            }
        }
    }

    private void reshard() throws InterruptedException {
        Shard split = shards().stream().filter(shard -> shard.shardId().equals(SPLIT)).findFirst().orElseThrow();
        BigInteger from = new BigInteger(split.hashKeyRange().startingHashKey());
        BigInteger to = new BigInteger(split.hashKeyRange().endingHashKey());
        kinesis.splitShard(request -> request.streamName(STREAM)
                        .shardToSplit(SPLIT)
                        .newStartingHashKey(from.add(to).shiftRight(1).toString()))
                .join();
        active();
        kinesis.mergeShards(request -> request.streamName(STREAM)
                        .shardToMerge(MERGED.get(0))
                        .adjacentShardToMerge(MERGED.get(1)))
                .join();
        active();
    }

    /**
     * Of each application one worker leaves; the others go on with what it had. No shard is closed yet: Application.end tells what
     * would come of that.
     */
    private void leave() {
        Map<Application, String> leavers = new HashMap<>();
        each(live, application -> {
            leavers.put(application, application.history.owners().get(UNTOUCHED));
            application.leave(leavers.get(application));
        });
        each(live, application -> application.history.await("others read what the leaver had", STEP_SECONDS,
                history -> shards().stream().filter(Main::isOpen)
                        .noneMatch(shard -> leavers.get(application).equals(history.owners().get(shard.shardId())))));
    }

    private void finish(Application application) throws Exception {
        History history = application.history;
        history.await("all " + load.records() + " records", STEP_SECONDS, seen -> seen.records() >= load.records());
        List<Shard> closed = shards().stream().filter(shard -> !isOpen(shard)).toList();
        history.await("the end of " + ids(closed), STEP_SECONDS,
                seen -> closed.stream().allMatch(shard -> seen.steps().contains("end " + shard.shardId())));
        awaitCheckpoints(application);
        // Afterwards a checkpoint may fail: that of a worker which ends while it is about to hand a shard over.
        history.checkFaults();
        application.end();
        checkRecords(history);
        checkLineage(history);
        if (application.retrieval == Application.Retrieval.FAN_OUT) {
            checkConsumer(application.name);
        }
    }

    /** Each record once, from its shard, in the order of the sequence numbers. */
    private void checkRecords(History history) {
        Map<String, List<Load.Record>> put = load.shards();
        Map<String, List<Load.Record>> seen = history.shards();
        equal(put.keySet(), seen.keySet(), "shards with records");
        for (String shard : put.keySet()) {
            List<Load.Record> due = put.get(shard);
            List<Load.Record> came = seen.get(shard);
            for (int at = 0; at < Math.min(due.size(), came.size()); at++) {
                equal(due.get(at), came.get(at), "record " + at + " of " + shard);
            }
            equal(due.size(), came.size(), "records of " + shard);
        }
    }

    /** A closed shard ends once; no child starts before that. */
    private void checkLineage(History history) {
        List<String> steps = history.steps();
        for (Shard shard : shards()) {
            String end = "end " + shard.shardId();
            equal(isOpen(shard) ? 0L : 1L, steps.stream().filter(end::equals).count(), "times of " + end);
            int start = steps.indexOf("start " + shard.shardId());
            for (String parent : parents(shard)) {
                if (steps.indexOf("end " + parent) > start) {
                    throw new AssertionError(shard.shardId() + " started before " + parent + " ended");
                }
            }
        }
    }

    private void awaitCheckpoints(Application application) throws InterruptedException {
        Map<String, String> due = new TreeMap<>();
        Map<String, List<Load.Record>> put = load.shards();
        for (Shard shard : shards()) {
            List<Load.Record> records = put.get(shard.shardId());
            due.put(shard.shardId(), isOpen(shard) ? records.get(records.size() - 1).sequenceNumber() : "SHARD_END");
        }
        long deadline = System.nanoTime() + STEP_SECONDS * 1_000_000_000L;
        Map<String, String> written = new TreeMap<>(application.checkpoints());
        while (!written.equals(due) && System.nanoTime() < deadline) {
            Thread.sleep(50);
            written = new TreeMap<>(application.checkpoints());
        }
        equal(due, written, "checkpoints");
    }

    private void checkConsumer(String name) {
        String arn = summary().streamARN();
        List<Consumer> consumers = kinesis.listStreamConsumers(list -> list.streamARN(arn)).join().consumers().stream()
                .filter(consumer -> consumer.consumerName().equals(name))
                .toList();
        equal(List.of(ConsumerStatus.ACTIVE), consumers.stream().map(Consumer::consumerStatus).toList(), "consumer " + name);
    }

    private static void checkLog(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log);
        equal(true, lines.stream().anyMatch(line -> line.contains(" INFO ")), "KCL writes its log");
        List<String> faults = lines.stream()
                .filter(line -> FAULT.matcher(line).find() && !EXPECTED.matcher(line).find())
                .toList();
        if (!faults.isEmpty()) {
            throw new AssertionError(faults.size() + " lines tell of a fault, the first: " + faults.get(0));
        }
    }

    /** Waits until the change is over. The SDK's waiter looks every ten seconds only. */
    private void active() throws InterruptedException {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (summary().streamStatus() != StreamStatus.ACTIVE) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the stream is not ACTIVE within 60 s: " + summary());
            }
            Thread.sleep(50);
        }
    }

    private StreamDescriptionSummary summary() {
        return kinesis.describeStreamSummary(describe -> describe.streamName(STREAM)).join().streamDescriptionSummary();
    }

    private List<Shard> shards() {
        return kinesis.listShards(list -> list.streamName(STREAM)).join().shards();
    }

    private static String shard(int number) {
        return String.format("shardId-%012d", number);
    }

    private static Set<String> ids(List<Shard> shards) {
        return shards.stream().map(Shard::shardId).collect(Collectors.toCollection(TreeSet::new));
    }

    private static boolean isOpen(Shard shard) {
        return shard.sequenceNumberRange().endingSequenceNumber() == null;
    }

    private static List<String> parents(Shard shard) {
        List<String> parents = new ArrayList<>();
        if (shard.parentShardId() != null) {
            parents.add(shard.parentShardId());
        }
        if (shard.adjacentParentShardId() != null) {
            parents.add(shard.adjacentParentShardId());
        }
        return parents;
    }

    private static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }
}
