import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** A subscription to shard 0 and the events that have come. */
final class Subscription {
    private static final int WAIT_SECONDS = 20;

    private final BlockingQueue<SubscribeToShardEvent> events = new LinkedBlockingQueue<>();
    private final CompletableFuture<Void> end;

    Subscription(World world, String consumer, Consumer<StartingPosition.Builder> position) {
        SubscribeToShardResponseHandler.Visitor visitor = SubscribeToShardResponseHandler.Visitor.builder()
                .onSubscribeToShardEvent(events::add)
                .onDefault(other -> {
                    throw new AssertionError("an event of an unknown kind: " + other);
                })
                .build();
        end = world.async.subscribeToShard(
                s -> s.consumerARN(consumer).shardId("shardId-000000000000").startingPosition(position),
                SubscribeToShardResponseHandler.builder().subscriber(visitor).build());
    }

    SubscribeToShardEvent next() throws Exception {
        SubscribeToShardEvent event = nextOrNull();
        Check.that(event != null, "no event came; the subscription has ended with " + (end.isDone() ? failure() : "nothing yet"));
        return event;
    }

    /** Null if the subscription has ended. */
    SubscribeToShardEvent nextOrNull() throws Exception {
        for (int waited = 0; waited < WAIT_SECONDS * 10; waited++) {
            SubscribeToShardEvent event = events.poll(100, TimeUnit.MILLISECONDS);
            if (event != null || end.isDone() && events.isEmpty()) {
                return event;
            }
        }
        throw new AssertionError("neither an event nor the end came in " + WAIT_SECONDS + " s");
    }

    /** What the subscription ends with; null for a clean end. */
    Throwable failure() throws Exception {
        try {
            end.get(WAIT_SECONDS, TimeUnit.SECONDS);
            return null;
        } catch (ExecutionException failed) {
            return failed.getCause();
        } catch (TimeoutException late) {
            throw new AssertionError("the subscription has not ended in " + WAIT_SECONDS + " s", late);
        }
    }

    /** Asserts a clean end without further events. */
    void ends() throws Exception {
        Check.equal(failure(), null, "what the subscription ends with");
        Check.equal(events.size(), 0, "events after the last one");
    }

    void cancel() {
        end.cancel(true);
    }
}
