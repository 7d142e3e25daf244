package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// teller carries transfers out until it is told to go. One that fails for good is followed by another with the same
// transactional id, as a process that is started again.
func (b *bank) teller(ctx context.Context, number int, rng *rand.Rand) {
	for ctx.Err() == nil {
		if err := b.shift(ctx, number, rng); err != nil && ctx.Err() == nil {
			log.Printf("teller %d begins anew: %v", number, err)
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// shift is one teller's life.
func (b *bank) shift(ctx context.Context, number int, rng *rand.Rand) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(b.bootstrap),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.TransactionalID(fmt.Sprintf("teller-%d", number)),
		kgo.TransactionTimeout(timeout),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup("tellers"),
		kgo.ConsumeTopics(transfers),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RequireStableFetchOffsets(),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	for {
		fetches := session.PollRecords(ctx, 1+rng.IntN(12))
		if ctx.Err() != nil {
			return nil
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		failed := false
		fetches.EachRecord(func(record *kgo.Record) {
			var id, from, to, amount int
			if _, err := fmt.Sscanf(string(record.Value), "%d %d %d %d", &id, &from, &to, &amount); err != nil {
				panic(err)
			}
			session.Produce(ctx, posting(debits, id, from, -amount), func(_ *kgo.Record, err error) { failed = failed || err != nil })
			session.Produce(ctx, posting(credits, id, to, amount), func(_ *kgo.Record, err error) { failed = failed || err != nil })
		})
		// Now and then a teller changes its mind.
		wish := kgo.TransactionEndTry(rng.IntN(6) != 0)
		if err := session.Client().Flush(ctx); err != nil {
			return nil
		}
		if failed {
			wish = kgo.TryAbort
		}
		committed, err := session.End(ctx, wish)
		if err != nil {
			return fmt.Errorf("end: %w", err)
		}
		if committed {
			b.committed.Add(1)
		} else {
			b.aborted.Add(1)
		}
	}
}

func posting(topic string, id, account, amount int) *kgo.Record {
	value := fmt.Sprintf("%d %d %d", id, account, amount)
	return &kgo.Record{Topic: topic, Partition: int32(account % partitions), Value: []byte(value)}
}
