import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/** What the workers of one application saw, in the order in which they saw it. */
final class History {
    private final Map<String, List<Load.Record>> shards = new TreeMap<>();
    private final Map<String, String> owners = new TreeMap<>();
    private final Map<String, Integer> counts = new HashMap<>();
    private final List<String> steps = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();
    private final Set<Processor> reading = new HashSet<>();
    private int records;

    ShardRecordProcessor processor(String worker) {
        return new Processor(worker);
    }

    /** Waits until the condition holds. */
    synchronized void await(String what, int seconds, Predicate<History> condition) throws InterruptedException {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        while (!condition.test(this)) {
            checkFaults();
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                throw new AssertionError(what + ": not within " + seconds + " s; " + this);
            }
            wait(left);
        }
    }

    /** By shard, in the order in which they came. */
    synchronized Map<String, List<Load.Record>> shards() {
        return new TreeMap<>(shards);
    }

    /** The worker that was the last to start reading, by shard. */
    synchronized Map<String, String> owners() {
        return new TreeMap<>(owners);
    }

    /** "start SHARD", whenever a worker begins with it or goes on with it, and "end SHARD", as they happened. */
    synchronized List<String> steps() {
        return List.copyOf(steps);
    }

    /** Whether each processor that began has heard that its shard ended or that its lease is lost. */
    synchronized boolean isOver() {
        return reading.isEmpty();
    }

    synchronized int records() {
        return records;
    }

    synchronized void checkFaults() {
        if (!faults.isEmpty()) {
            throw new AssertionError(faults.size() + " faults, the first: " + faults.get(0));
        }
    }

    @Override
    public synchronized String toString() {
        return records + " records, read by " + owners + ", " + steps;
    }

    private synchronized void start(Processor processor) {
        owners.put(processor.shard, processor.worker);
        steps.add("start " + processor.shard);
        reading.add(processor);
        notifyAll();
    }

    private synchronized void receive(String shard, List<KinesisClientRecord> received) {
        for (KinesisClientRecord each : received) {
            String text = StandardCharsets.UTF_8.decode(each.data()).toString();
            String[] parts = text.split(":");
            int due = counts.merge(parts[0], 1, Integer::sum) - 1;
            if (!each.partitionKey().equals(parts[0]) || Integer.parseInt(parts[1]) != due) {
                faults.add("from " + shard + " came " + text + " of key " + each.partitionKey() + ", due was number " + due);
            }
            shards.computeIfAbsent(shard, name -> new ArrayList<>()).add(new Load.Record(each.sequenceNumber(), text));
            records++;
        }
        notifyAll();
    }

    private synchronized void end(Processor processor) {
        steps.add("end " + processor.shard);
        reading.remove(processor);
        notifyAll();
    }

    private synchronized void lose(Processor processor) {
        reading.remove(processor);
        notifyAll();
    }

    private synchronized void fault(String text) {
        faults.add(text);
        notifyAll();
    }

    /** Checkpoints whatever it is given, so that whoever goes on with the shard goes on after it. */
    private final class Processor implements ShardRecordProcessor {
        private final String worker;
        private String shard;

        Processor(String worker) {
            this.worker = worker;
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            start(this);
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            receive(shard, input.records());
            checkpoint(input.checkpointer());
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            lose(this);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            end(this);
            checkpoint(input.checkpointer());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(input.checkpointer());
        }

        private void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (InvalidStateException | ShutdownException | RuntimeException thrown) {
                fault(worker + " could not write its checkpoint of " + shard + ": " + thrown);
            }
        }
    }
}
