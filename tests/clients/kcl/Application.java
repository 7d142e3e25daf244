import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException;
import software.amazon.awssdk.services.dynamodb.model.TableDescription;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** One application of the KCL: workers that read a stream from its horizon, with one lease table and one history. */
final class Application {
    enum Retrieval {
        POLLING,
        FAN_OUT
    }

    final String name;
    final Retrieval retrieval;
    final History history = new History();

    private final Services services;
    private final String stream;
    private final Map<String, Worker> workers = new HashMap<>();

    private record Worker(Scheduler scheduler, Thread thread) {}

    Application(String name, Retrieval retrieval, Services services, String stream) {
        this.name = name;
        this.retrieval = retrieval;
        this.services = services;
        this.stream = stream;
    }

    /** The first worker comes before the others: of several that begin a new application at once, KCL lets some fail for good. */
    void start(int count) throws Exception {
        work(name + "-1");
        if (count == 1) {
            return;
        }
        // The first makes the index after all that only one may make. Then it waits ten seconds, so that the others are there
        // before it deals out the shards.
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (!hasIndex()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("no lease table with an index within 60 s");
            }
            Thread.sleep(50);
        }
        for (int number = 2; number <= count; number++) {
            work(name + "-" + number);
        }
    }

    /** The worker gives its shards back, so that others may go on with them, and ends. */
    void leave(String worker) throws Exception {
        if (!workers.remove(worker).scheduler().startGracefulShutdown().get(60, TimeUnit.SECONDS)) {
            throw new AssertionError("a worker did not shut down in order");
        }
    }

    /**
     * The workers drop what they have, and end. Not in order: KCL then waits for ever for a shard that is closed if a worker was
     * done with it only a moment before, and it hands such shards around, to balance its workers, at any time.
     */
    void end() throws InterruptedException {
        workers.values().forEach(worker -> worker.scheduler().shutdown());
        for (Worker worker : workers.values()) {
            worker.thread().join(60_000);
            if (worker.thread().isAlive()) {
                throw new AssertionError(worker.thread().getName() + " does not end");
            }
        }
        if (!history.isOver()) {
            throw new AssertionError("workers ended without a word to their record processors: " + history);
        }
    }

    /** By shard, as they are in the lease table. */
    Map<String, String> checkpoints() {
        Map<String, String> checkpoints = new HashMap<>();
        // The leader's lock and the workers' figures are in the same table.
        for (Map<String, AttributeValue> row : services.dynamodb().scan(scan -> scan.tableName(name)).join().items()) {
            String key = row.get("leaseKey").s();
            if (key.startsWith("shardId-")) {
                checkpoints.put(key, row.get("checkpoint").s());
            }
        }
        return checkpoints;
    }

    private void work(String worker) {
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(
                        stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                name, services.kinesis(), services.dynamodb(), services.cloudwatch(), worker, () -> history.processor(worker));
        RetrievalSpecificConfig specific = switch (retrieval) {
            case POLLING -> new PollingConfig(stream, services.kinesis()).idleTimeBetweenReadsInMillis(200);
            case FAN_OUT -> new FanOutConfig(services.kinesis()).streamName(stream).applicationName(name);
        };
        // What is set here is only how often KCL looks; how long it trusts a worker is as it comes, for slow machines.
        LeaseManagementConfig leases = configs.leaseManagementConfig()
                .shardSyncIntervalMillis(1000)
                .leaseAssignmentIntervalMillis(1000L)
                .listShardsCacheAllowedAgeInSeconds(1);
        leases.workerUtilizationAwareAssignmentConfig().workerMetricsReporterFreqInMillis(1000);
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                configs.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(200),
                leases,
                configs.lifecycleConfig(),
                configs.metricsConfig(),
                configs.processorConfig(),
                configs.retrievalConfig().retrievalSpecificConfig(specific));
        Thread thread = new Thread(scheduler, worker);
        thread.setDaemon(true);
        workers.put(worker, new Worker(scheduler, thread));
        thread.start();
    }

    private boolean hasIndex() {
        try {
            TableDescription table = services.dynamodb().describeTable(describe -> describe.tableName(name)).join().table();
            return table.hasGlobalSecondaryIndexes();
        } catch (RuntimeException thrown) {
            if (thrown.getCause() instanceof ResourceNotFoundException) {
                return false;
            }
            throw thrown;
        }
    }
}
