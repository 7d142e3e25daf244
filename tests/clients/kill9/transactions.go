package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	transactionalProducer = 950
	recordBits            = 6 // of the count in an id; the rest is the number of the transaction
	transactionPause      = 5 * time.Millisecond
)

type outcome int

const (
	unknown outcome = iota
	committed
	aborted
)

// transactions is what is known of the transactions of the one producer that writes to a topic.
type transactions struct {
	sync.Mutex
	*topic
	outcome map[uint64]outcome
	size    map[uint64]int             // how many records were sent in it
	seen    map[uint64]map[uint64]bool // the ids that a reader of committed records was given
}

func newTransactions(t *topic) *transactions {
	return &transactions{topic: t, outcome: map[uint64]outcome{}, size: map[uint64]int{}, seen: map[uint64]map[uint64]bool{}}
}

// transact writes in one transaction after another and ends each at random. After an error nobody knows
// how a transaction ended, and a new client makes sure that it has.
func (l *load) transact(ctx context.Context) {
	rng, number := l.rng(transactionalProducer), uint64(0)
	for ctx.Err() == nil {
		client := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("kill9-x"),
			kgo.TransactionTimeout(10*time.Second))
		for ctx.Err() == nil {
			time.Sleep(transactionPause)
			number++
			var recs []*kgo.Record
			for i := range 1 + rng.IntN(20) {
				id := makeID(transactionalProducer, number<<recordBits|uint64(i))
				recs = append(recs, &kgo.Record{Topic: l.transactions.name, Partition: int32(rng.IntN(len(l.transactions.parts))),
					Value: seal(id, rng.IntN(1000), rng)})
			}
			if err := l.transaction(client, number, recs, rng.IntN(3) > 0); err != nil {
				l.errors.add("transaction", err)
				break
			}
		}
		client.Close()
	}
}

func (l *load) transaction(client *kgo.Client, number uint64, recs []*kgo.Record, commit bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	l.transactions.Lock()
	l.transactions.size[number] = len(recs)
	l.transactions.Unlock()
	if err := client.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return err
	}
	if err := client.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	l.transactions.Lock()
	defer l.transactions.Unlock()
	if !commit {
		l.transactions.outcome[number] = aborted
		return nil
	}
	l.transactions.outcome[number] = committed
	for _, rec := range recs {
		id, _ := open(rec.Value)
		l.transactions.acked(l.faults, rec.Partition, rec.Offset, id, l.now())
	}
	l.transacted.Add(1)
	return nil
}

// saw enters a record that a reader of committed records was given.
func (x *transactions) saw(f *faults, id uint64) {
	x.Lock()
	defer x.Unlock()
	number := id & (1<<countBits - 1) >> recordBits
	if x.outcome[number] == aborted {
		f.add(dirty, "%s: %x of transaction %d", x.name, id, number)
	}
	if x.seen[number] == nil {
		x.seen[number] = map[uint64]bool{}
	}
	x.seen[number][id] = true
}

// whole holds what was seen of each transaction against its size, when all was read.
func (x *transactions) whole(f *faults) {
	x.Lock()
	defer x.Unlock()
	for number, seen := range x.seen {
		if len(seen) != x.size[number] {
			f.add(inPart, "%s: %d of %d records of transaction %d", x.name, len(seen), x.size[number], number)
		}
	}
}
