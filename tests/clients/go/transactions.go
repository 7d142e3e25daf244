package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionsCase: readers of what is committed see whole transactions or nothing of them, and a copier that gives up a part of
// its transactions copies each record once.
func transactionsCase(ctx context.Context, t *trial) error {
	source, target := t.name, t.name+"-copy"
	for _, topic := range []string{source, target} {
		if err := t.createTopic(ctx, topic, 1); err != nil {
			return err
		}
	}
	first, second, third := numbered(0, 10), numbered(10, 10), numbered(20, 10)
	for _, part := range []struct {
		records []record
		commit  bool
	}{{first, true}, {second, false}, {third, true}} {
		if err := t.transaction(ctx, t.name, source, part.records, part.commit); err != nil {
			return fmt.Errorf("transaction: %w", err)
		}
	}
	committed := append(numbered(0, 10), third...)
	if err := wantValues(committed, func() ([]record, error) { return t.readCommitted(ctx, source, 20) }); err != nil {
		return fmt.Errorf("committed records: %w", err)
	}
	all := append(append(numbered(0, 10), second...), third...)
	if err := wantValues(all, func() ([]record, error) { return t.read(ctx, source, 0, 30) }); err != nil {
		return fmt.Errorf("all records: %w", err)
	}
	if err := t.copyOnce(ctx, t.name+"-copier", source, target, len(committed)); err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	// One more than there should be would be read before it.
	last := numbered(99, 1)
	if err := t.transaction(ctx, t.name, target, last, true); err != nil {
		return err
	}
	copied := append(committed, last...)
	if err := wantValues(copied, func() ([]record, error) { return t.readCommitted(ctx, target, len(copied)) }); err != nil {
		return fmt.Errorf("copied records: %w", err)
	}
	return nil
}

func wantValues(want []record, read func() ([]record, error)) error {
	got, err := read()
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d records instead of %d", len(got), len(want))
	}
	for i := range want {
		if !same(got[i].value, want[i].value) {
			return fmt.Errorf("record %d is %s instead of %s", i, show(got[i].value), show(want[i].value))
		}
	}
	return nil
}

// copiedAtOnce is how many records a copier copies in one transaction; it gives up every third of its transactions.
const copiedAtOnce = 5

func (f *franz) transaction(ctx context.Context, id, topic string, records []record, commit bool) error {
	cl, err := f.open(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := (franzProducer{cl}).send(ctx, topic, records); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func (f *franz) readCommitted(ctx context.Context, topic string, n int) ([]record, error) {
	return f.readFrom(ctx, topic, 0, n, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
}

func (f *franz) copyOnce(ctx context.Context, id, from, to string, n int) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(f.bootstrap), kgo.TransactionalID(id), kgo.ConsumerGroup(id), kgo.ConsumeTopics(from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	for done, transactions := 0, 0; done < n; transactions++ {
		fetches := session.PollRecords(ctx, copiedAtOnce)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", done, n, err)
		}
		if err := session.Begin(); err != nil {
			return err
		}
		var out []*kgo.Record
		fetches.EachRecord(func(k *kgo.Record) { out = append(out, &kgo.Record{Topic: to, Key: k.Key, Value: k.Value}) })
		if err := session.ProduceSync(ctx, out...).FirstErr(); err != nil {
			return err
		}
		committed, err := session.End(ctx, kgo.TransactionEndTry(transactions%3 != 0))
		if err != nil {
			return err
		}
		if committed {
			done += len(out)
		}
	}
	return nil
}

func (s *saramaClient) transactional(id string) (sarama.SyncProducer, error) {
	c := saramaConfig()
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Idempotent = true
	c.Producer.Transaction.ID = id
	c.Net.MaxOpenRequests = 1
	return sarama.NewSyncProducer([]string{s.bootstrap}, c)
}

func (s *saramaClient) transaction(ctx context.Context, id, topic string, records []record, commit bool) error {
	p, err := s.transactional(id)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.BeginTxn(); err != nil {
		return err
	}
	if err := (saramaProducer{p}).send(ctx, topic, records); err != nil {
		return err
	}
	if commit {
		return p.CommitTxn()
	}
	return p.AbortTxn()
}

func (s *saramaClient) readCommitted(ctx context.Context, topic string, n int) ([]record, error) {
	return s.readFrom(ctx, topic, 0, n, sarama.ReadCommitted)
}

func (s *saramaClient) copyOnce(ctx context.Context, id, from, to string, n int) error {
	p, err := s.transactional(id)
	if err != nil {
		return err
	}
	defer p.Close()
	config := saramaConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	g, err := sarama.NewConsumerGroup([]string{s.bootstrap}, id, config)
	if err != nil {
		return err
	}
	defer g.Close()
	c := &saramaCopier{id: id, to: to, left: n, producer: p}
	for c.left > 0 && c.err == nil && ctx.Err() == nil {
		if err := g.Consume(ctx, []string{from}, c); err != nil {
			return err
		}
	}
	return errors.Join(c.err, ctx.Err())
}

type saramaCopier struct {
	id, to       string
	left         int
	transactions int
	producer     sarama.SyncProducer
	err          error
}

func (c *saramaCopier) Setup(sarama.ConsumerGroupSession) error { return nil }

func (c *saramaCopier) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim returns when all is copied, and after a transaction that it gave up: its records come again.
func (c *saramaCopier) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for c.left > 0 {
		var part []*sarama.ConsumerMessage
		for late := time.After(time.Second); len(part) < min(copiedAtOnce, c.left); {
			select {
			case m, open := <-claim.Messages():
				if !open {
					return nil
				}
				part = append(part, m)
			case <-late:
				return nil
			case <-session.Context().Done():
				return nil
			}
		}
		givenUp := c.transactions%3 == 0
		c.transactions++
		if c.err = c.copy(part, givenUp); c.err != nil || givenUp {
			return nil
		}
		c.left -= len(part)
	}
	return nil
}

func (c *saramaCopier) copy(part []*sarama.ConsumerMessage, givenUp bool) error {
	if err := c.producer.BeginTxn(); err != nil {
		return err
	}
	for _, m := range part {
		out := &sarama.ProducerMessage{Topic: c.to, Key: bytesOrNull(m.Key), Value: bytesOrNull(m.Value)}
		if _, _, err := c.producer.SendMessage(out); err != nil {
			return err
		}
		if err := c.producer.AddMessageToTxn(m, c.id, nil); err != nil {
			return err
		}
	}
	if givenUp {
		return c.producer.AbortTxn()
	}
	return c.producer.CommitTxn()
}
