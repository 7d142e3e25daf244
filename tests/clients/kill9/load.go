package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// spec is one producer of the load; its number in the ids is its index plus 1. Two producers always
// have a window full of records under way; the others send a burst every hundredth of a second, so
// that some hundred cycles do not fill the disk.
type spec struct {
	idempotent bool
	codec      kgo.CompressionCodec
	topics     []int
	min, max   int // size of the values; small ones are more frequent
	window     int // how many records wait for their acknowledgement at a time
	burst      int // 0: as fast as the window allows
}

var specs = []spec{
	{true, kgo.NoCompression(), []int{0}, 10, 200, 500, 40},
	{true, kgo.ZstdCompression(), []int{0, 1}, 100, 2000, 200, 10},
	{true, kgo.Lz4Compression(), []int{2}, 20, 500, 20, 0},
	{true, kgo.SnappyCompression(), []int{1, 2}, 1000, 60_000, 10, 1},
	{true, kgo.NoCompression(), []int{0, 2}, 10, 400_000, 1, 1},
	{false, kgo.GzipCompression(), []int{0}, 100, 1000, 100, 20},
	{false, kgo.NoCompression(), []int{0, 1, 2}, 10, 2000, 4, 0},
	{false, kgo.Lz4Compression(), []int{1}, 10, 100, 100, 40},
	{true, kgo.SnappyCompression(), []int{3}, 10, 2000, 10, 1},
}

var mainTopics = []struct {
	name       string
	partitions int
}{{"kill9-a", 6}, {"kill9-b", 3}, {"kill9-c", 1}, {"kill9-d", sharedShards}, {"kill9-t", 2}}

const (
	committers     = 2
	churnProducers = 1000 // the numbers of the producers of the short-lived topics start here
)

func idempotent(producer uint64) bool {
	return producer >= 1 && producer <= uint64(len(specs)) && specs[producer-1].idempotent
}

type place struct {
	topic     string
	partition int32
}

// group is what one consumer group has committed; values only grow.
type group struct {
	sync.Mutex
	name         string
	tried, acked map[place]int64
	shown        map[place]int64 // what the last check got
	history      []attempt       // if the load is timed
}

// attempt is a commit that was tried, or acknowledged.
type attempt struct {
	place
	offset int64
	acked  bool
	when   int64
}

type load struct {
	bootstrap string
	server    string // the folder of the running server
	seed      uint64
	faults    *faults
	cycle     atomic.Int64 // the number of kills so far

	// The clock of the ledger: the number of kills, or if the load is timed, of writes that have reached the disk.
	now   func() int64
	timed bool

	topics []*topic // the lasting ones
	groups []*group

	transactions *transactions
	streams      []*stream // of the Kinesis door; none if the server has no such door

	churning sync.Mutex // held during each creation, deletion and write of a short-lived topic
	short    []*topic
	deleted  map[string]int64 // name of a deleted topic → when it was
	past     []*topic         // of a timed load: those that are deleted, or may be

	acked                                 []atomic.Int64 // by producer
	commits, created, deletes, successors atomic.Int64
	ackedShort, observed                  atomic.Int64
	transacted, puts, gets, reshards      atomic.Int64
	streamsDeleted                        atomic.Int64
	errors                                errorCount

	running sync.WaitGroup
	stop    context.CancelFunc
}

type errorCount struct {
	sync.Mutex
	count map[string]int
}

func (e *errorCount) add(what string, err error) {
	var known *kerr.Error
	text := err.Error()
	if errors.As(err, &known) {
		text = known.Message
	}
	e.Lock()
	e.count[what+": "+text]++
	e.Unlock()
}

// client reconnects quickly, because a restart takes the server less time than clients usually wait.
func (l *load) client(opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(opts,
		kgo.SeedBrokers(l.bootstrap),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.RetryTimeout(time.Minute),
		kgo.RequestRetries(3000),
		kgo.MetadataMinAge(20*time.Millisecond),
		kgo.UnknownTopicRetries(-1),
		// A connection that is closed before its first answer looks like a TLS mistake; here it is a kill.
		kgo.AlwaysRetryEOF(),
	)...)
	if err != nil {
		panic(err) // only for options that contradict each other
	}
	return client
}

func (l *load) rng(worker uint64) *rand.Rand { return rand.New(rand.NewPCG(l.seed, worker)) }

func (l *load) start(ctx context.Context) error {
	l.acked = make([]atomic.Int64, len(specs))
	l.deleted = map[string]int64{}
	l.errors.count = map[string]int{}
	client := l.client()
	admin := kadm.NewClient(client)
	defer client.Close()
	var names []string
	for _, t := range mainTopics {
		if _, err := admin.CreateTopic(ctx, int32(t.partitions), 1, nil, t.name); err != nil {
			return err
		}
		l.topics = append(l.topics, newTopic(t.name, t.partitions, 0, 0))
		names = append(names, t.name)
	}
	// Only for readers of committed records.
	names = names[:len(names)-1]
	l.transactions = newTransactions(l.topics[len(l.topics)-1])
	l.transactions.owner = transactionalProducer
	if l.hasKinesis() {
		if err := l.startKinesis(ctx); err != nil {
			return err
		}
	}
	for i := range 2 * committers {
		l.groups = append(l.groups, &group{name: fmt.Sprintf("kill9-g%d", i), tried: map[place]int64{}, acked: map[place]int64{}})
	}
	ctx, l.stop = context.WithCancel(ctx)
	for i := range specs {
		l.running.Go(func() { l.produce(ctx, i) })
	}
	for i := range committers {
		l.running.Go(func() { l.commit(ctx, i) })
	}
	l.running.Go(func() { l.churn(ctx) })
	l.running.Go(func() { l.transact(ctx) })
	if l.streams != nil {
		l.runKinesis(ctx)
	}
	l.running.Go(func() { l.observe(ctx, names) })
	return nil
}

func (l *load) total() (n int64) {
	for i := range l.acked {
		n += l.acked[i].Load()
	}
	return n
}

// produce keeps a window of records under way. A record that was not acknowledged is of no concern to
// the checks, whether it arrived or not.
func (l *load) produce(ctx context.Context, index int) {
	s, rng, producer := specs[index], l.rng(uint64(index)), uint64(index+1)
	opts := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(s.codec),
		kgo.ProducerLinger(time.Duration(index%3) * 2 * time.Millisecond),
	}
	if !s.idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	client := l.client(opts...)
	defer client.Close()
	window := make(chan struct{}, s.window)
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for count := uint64(1); ctx.Err() == nil; count++ {
		if s.burst > 0 && count%uint64(s.burst) == 0 {
			<-beat.C
		}
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		t := l.topics[s.topics[rng.IntN(len(s.topics))]]
		id := makeID(producer, count)
		size := s.min + int(float64(s.max-s.min)*math.Pow(rng.Float64(), 3))
		rec := &kgo.Record{Topic: t.name, Partition: int32(rng.IntN(len(t.parts))), Value: seal(id, size, rng)}
		client.Produce(context.Background(), rec, func(rec *kgo.Record, err error) {
			if err != nil {
				l.errors.add("produce", err)
			} else {
				t.acked(l.faults, rec.Partition, rec.Offset, id, l.now())
				l.acked[index].Add(1)
			}
			<-window
		})
	}
	flushing, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := client.Flush(flushing); err != nil {
		l.faults.add(stuck, "producer %d has %d records without an answer", producer, client.BufferedProduceRecords())
	}
}

// commit moves random partitions of its two groups forward. The offsets are not those of any record;
// they only have to be kept. While the server is gone kadm gives UNKNOWN_TOPIC_OR_PARTITION by itself,
// because it cannot look up the id of the topic.
func (l *load) commit(ctx context.Context, index int) {
	rng := l.rng(uint64(100 + index))
	client := l.client()
	defer client.Close()
	admin := kadm.NewClient(client)
	for ctx.Err() == nil {
		g := l.groups[2*index+rng.IntN(2)]
		var offsets kadm.Offsets
		g.Lock()
		for _, t := range l.topics {
			for p := range t.parts {
				if at := (place{t.name, int32(p)}); rng.IntN(2) == 0 {
					g.tried[at] += 1 + rng.Int64N(1000)
					if l.timed {
						g.history = append(g.history, attempt{at, g.tried[at], false, l.now()})
					}
					offsets.Add(kadm.Offset{Topic: t.name, Partition: int32(p), At: g.tried[at], LeaderEpoch: -1, Metadata: note(g.tried[at])})
				}
			}
		}
		g.Unlock()
		answers, err := admin.CommitOffsets(ctx, g.name, offsets)
		if err != nil {
			if ctx.Err() == nil {
				l.errors.add("commit", err)
			}
			continue
		}
		g.Lock()
		answers.Each(func(o kadm.OffsetResponse) {
			if o.Err != nil {
				l.errors.add("commit", o.Err)
				return
			}
			at := place{o.Topic, o.Partition}
			g.acked[at] = o.At
			if l.timed {
				g.history = append(g.history, attempt{at, o.At, true, l.now()})
			}
			l.commits.Add(1)
		})
		g.Unlock()
	}
}

func note(at int64) string { return fmt.Sprintf("at %d", at) }

// churn creates short-lived topics, writes to them and deletes them. A third of the names has been
// used before: what the predecessor had must not show up again.
func (l *load) churn(ctx context.Context) {
	rng := l.rng(200)
	client := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableIdempotentWrite())
	defer client.Close()
	admin := kadm.NewClient(client)
	// Repeats a request until its outcome is certain; done is the error that an earlier try causes.
	certain := func(what string, done error, request func() error) bool {
		for start := time.Now(); ; {
			err := request()
			if err == nil || errors.Is(err, done) {
				return true
			}
			if ctx.Err() != nil {
				return false
			}
			l.errors.add(what, err)
			if time.Since(start) > patience {
				l.faults.add(stuck, "%s: %v", what, err)
				return false
			}
		}
	}
	for producer, count := uint64(churnProducers), uint64(0); ctx.Err() == nil; {
		l.churning.Lock()
		choice := rng.IntN(10)
		if l.ackedShort.Load() == 0 { // a short run, too, has at least one write and one deletion
			choice = 9
		} else if l.deletes.Load() == 0 {
			choice = 3
		}
		switch {
		case len(l.short) < 2 || choice < 2 && len(l.short) < 8:
			producer++
			name := fmt.Sprintf("kill9-t%d", producer)
			if names := slices.Sorted(maps.Keys(l.deleted)); len(names) > 0 && rng.IntN(3) == 0 {
				name = names[rng.IntN(len(names))]
				delete(l.deleted, name)
				l.successors.Add(1)
			}
			t := newTopic(name, 1+rng.IntN(4), producer, never)
			t.begun = l.now()
			if certain("create", kerr.TopicAlreadyExists, func() error {
				_, err := admin.CreateTopic(ctx, int32(len(t.parts)), 1, nil, name)
				return err
			}) {
				t.born = l.now()
				l.short = append(l.short, t)
				l.created.Add(1)
			} else if l.timed {
				l.past = append(l.past, t)
			}
		case choice < 4:
			i := rng.IntN(len(l.short))
			t := l.short[i]
			// Gone from the ledger whatever happens: a deletion without an answer may have been made or not.
			l.short = slices.Delete(l.short, i, i+1)
			client.PurgeTopicsFromProducing(t.name)
			t.ending = l.now()
			if l.timed {
				l.past = append(l.past, t)
			}
			if certain("delete", kerr.UnknownTopicOrPartition, func() error {
				_, err := admin.DeleteTopic(ctx, t.name)
				return err
			}) {
				t.ended = l.now()
				l.deleted[t.name] = t.ended
				l.deletes.Add(1)
			}
		default:
			t := l.short[rng.IntN(len(l.short))]
			var recs []*kgo.Record
			for range 1 + rng.IntN(20) {
				count++
				recs = append(recs, &kgo.Record{Topic: t.name, Partition: int32(rng.IntN(len(t.parts))),
					Value: seal(makeID(t.owner, count), rng.IntN(2000), rng)})
			}
			// Without a limit the client would wait for ever for a topic that the server has lost.
			writing, cancel := context.WithTimeout(ctx, patience)
			results := client.ProduceSync(writing, recs...)
			cancel()
			for _, result := range results {
				if result.Err != nil {
					if ctx.Err() == nil {
						l.errors.add("produce to a short-lived topic", result.Err)
					}
					continue
				}
				id, _ := open(result.Record.Value)
				t.acked(l.faults, result.Record.Partition, result.Record.Offset, id, l.now())
				l.ackedShort.Add(1)
			}
		}
		l.churning.Unlock()
	}
}

// observe reads along all the time: what a consumer has seen once, acknowledged or not, must never be
// another record later.
func (l *load) observe(ctx context.Context, names []string) {
	client := l.client(kgo.ConsumeTopics(names...), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond))
	defer client.Close()
	byName := map[string]*topic{}
	for _, t := range l.topics {
		byName[t.name] = t
	}
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			byName[rec.Topic].seen(l.faults, rec.Partition, rec.Offset, rec.Value)
			if id, ok := open(rec.Value); ok && l.timed {
				// A reader is given only what is on disk.
				byName[rec.Topic].acked(l.faults, rec.Partition, rec.Offset, id, l.now())
			}
			l.observed.Add(1)
		})
	}
}
