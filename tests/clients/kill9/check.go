package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience is how long the checks wait for an answer or for one more record.
const patience = time.Minute

// check asks the server, after a restart, for everything that was acknowledged before. It reads what
// has come since the last check, or with all set, everything.
func (l *load) check(ctx context.Context, all bool) error {
	client := l.client()
	defer client.Close()
	admin := kadm.NewClient(client)
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	l.churning.Lock()
	defer l.churning.Unlock()
	topics, err := l.checkTopics(asking, admin)
	if err != nil {
		return fmt.Errorf("topics: %w", err)
	}
	ends, err := l.checkEnds(asking, admin, topics)
	if err != nil {
		return fmt.Errorf("end offsets: %w", err)
	}
	for _, g := range l.groups {
		if err := l.checkCommits(asking, admin, g); err != nil {
			return fmt.Errorf("commits: %w", err)
		}
	}
	if i := slices.Index(topics, l.transactions.topic); i >= 0 {
		topics = slices.Delete(topics, i, i+1)
		stable, err := l.stableEnds(asking, admin)
		if err != nil {
			return fmt.Errorf("last stable offsets: %w", err)
		}
		// Control records are kept, because one may be the last that there is to be read.
		committedOnly := []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords()}
		if err := l.read(ctx, []*topic{l.transactions.topic}, stable, all, committedOnly...); err != nil {
			return err
		}
	}
	if err := l.read(ctx, topics, ends, all); err != nil {
		return err
	}
	if all {
		l.transactions.whole(l.faults)
	}
	for _, s := range l.streams {
		if err := l.checkStream(ctx, s, all); err != nil {
			return fmt.Errorf("stream: %w", err)
		}
	}
	return nil
}

func (l *load) stableEnds(ctx context.Context, admin *kadm.Client) (kadm.ListedOffsets, error) {
	ends, err := admin.ListCommittedOffsets(ctx, l.transactions.name)
	if err == nil {
		err = ends.Error()
	}
	return ends, err
}

// checkTopics compares the list of topics with what was created and deleted before the last restart;
// a server may take a moment to show what it did just now. It returns those that can be read.
func (l *load) checkTopics(ctx context.Context, admin *kadm.Client) (readable []*topic, err error) {
	there, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	for name, when := range l.deleted {
		if when < l.now() && there.Has(name) {
			l.faults.add(back, "%s, deleted at %d", name, when)
		}
	}
	for _, t := range append(l.topics[:len(l.topics):len(l.topics)], l.short...) {
		if t.born >= l.now() {
			continue
		}
		if n := len(there[t.name].Partitions); n != len(t.parts) {
			l.faults.add(gone, "%s, created at %d with %d partitions, has %d", t.name, t.born, len(t.parts), n)
			continue
		}
		readable = append(readable, t)
	}
	return readable, nil
}

func (l *load) checkEnds(ctx context.Context, admin *kadm.Client, topics []*topic) (kadm.ListedOffsets, error) {
	acked := map[*part]int64{}
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
		for _, p := range t.parts {
			p.Lock()
			acked[p] = p.end
			p.Unlock()
		}
	}
	ends, err := admin.ListEndOffsets(ctx, names...)
	if err == nil {
		err = ends.Error()
	}
	for _, t := range topics {
		for i, p := range t.parts {
			if end, ok := ends.Lookup(t.name, int32(i)); ok && end.Offset < acked[p] {
				l.faults.add(behind, "%s/%d ends at %d, %d was acknowledged", t.name, i, end.Offset, acked[p]-1)
			}
		}
	}
	return ends, err
}

func (l *load) checkCommits(ctx context.Context, admin *kadm.Client, g *group) error {
	g.Lock()
	acked := maps.Clone(g.acked)
	g.Unlock()
	commits, err := admin.FetchOffsets(ctx, g.name)
	if err != nil {
		return err
	}
	g.Lock()
	defer g.Unlock()
	g.shown = map[place]int64{}
	for at, offset := range acked {
		got, ok := commits.Lookup(at.topic, at.partition)
		g.shown[at] = got.At
		if !ok || got.Err != nil || got.At < offset || got.At > g.tried[at] || got.Metadata != note(got.At) {
			l.faults.add(uncommits, "%s on %s/%d: %d %q (%v), acknowledged %d, last tried %d",
				g.name, at.topic, at.partition, got.At, got.Metadata, got.Err, offset, g.tried[at])
		}
	}
	return nil
}

// read goes from where the last check stopped (or from 0) to the ends.
func (l *load) read(ctx context.Context, topics []*topic, ends kadm.ListedOffsets, all bool, opts ...kgo.Opt) error {
	from := map[string]map[int32]kgo.Offset{}
	byName := map[string]*topic{}
	left := map[place]int64{}
	for _, t := range topics {
		byName[t.name] = t
		from[t.name] = map[int32]kgo.Offset{}
		for i, p := range t.parts {
			p.Lock()
			if all {
				p.read, p.last = 0, map[uint64]uint64{}
			}
			if end, _ := ends.Lookup(t.name, int32(i)); p.read < end.Offset {
				from[t.name][int32(i)] = kgo.NewOffset().At(p.read)
				left[place{t.name, int32(i)}] = end.Offset
			}
			p.Unlock()
		}
	}
	client := l.client(append(opts, kgo.ConsumePartitions(from), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100*time.Millisecond))...)
	defer client.Close()
	for len(left) > 0 {
		polling, cancel := context.WithTimeout(ctx, patience)
		fetches := client.PollFetches(polling)
		cancel()
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
			at := place{fetched.Topic, fetched.Partition}
			for _, rec := range fetched.Records {
				if rec.Offset < left[at] && !rec.Attrs.IsControl() {
					if at.topic == l.transactions.name {
						id, _ := open(rec.Value)
						l.transactions.saw(l.faults, id)
					}
					byName[at.topic].verify(l.faults, at.partition, rec.Offset, rec.Value)
				}
				if rec.Offset+1 >= left[at] {
					delete(left, at)
					// The load writes on; without this the reading would have no end.
					client.PauseFetchPartitions(map[string][]int32{at.topic: {at.partition}})
				}
			}
		})
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("reading, with %v left: %w", left, err)
		}
	}
	return nil
}

// selfCheck plants a fault of every kind and returns the kinds that were not found. It needs a server
// that has passed the checks and a load that has ended.
func (l *load) selfCheck(ctx context.Context) (missed []string, err error) {
	l.faults = newFaults(true)
	parts := l.topics[0].parts
	another := makeID(99, 1)
	again := func(p *part) *uint64 { // the last record of a partition, to be read once more
		p.read--
		p.last = map[uint64]uint64{}
		return &p.ids[p.read]
	}
	*again(parts[0]) = another | ackedBit                       // lost: another record was acknowledged there
	*again(parts[1]) = another                                  // reused: a reader had seen another one there
	parts[2].end++                                              // behind: one more was acknowledged
	l.deleted[l.topics[1].name] = 0                             // back
	l.short = append(l.short, newTopic("kill9-never", 1, 0, 0)) // gone
	l.topics[2].owner = 99                                      // foreign
	again(l.topics[2].parts[0])
	for number, ended := range l.transactions.outcome { // dirty: what was committed should have been aborted
		if ended == committed {
			l.transactions.outcome[number] = aborted
		}
	}
	for _, p := range l.transactions.parts {
		p.read = 0
	}
	g := l.groups[0]
	for at := range g.acked {
		g.acked[at] = g.tried[at] + 1 // uncommits
	}
	if err := l.check(ctx, false); err != nil {
		return nil, err
	}
	missed = slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
		return kind == stuck || l.faults.count[kind] > 0
	})

	// The server cannot be made to show these, so they are shown to the ledger alone: an
	// acknowledged offset is passed over, a record comes twice, a record is cut, one was never written, half a transaction is seen.
	l.faults = newFaults(true)
	t := newTopic("imagined", 1, 0, 0)
	value := seal(makeID(1, 1), 10, l.rng(0))
	t.acked(l.faults, 0, 0, another, 0)
	for offset := range 2 {
		t.verify(l.faults, 0, int64(offset+1), value)
	}
	t.verify(l.faults, 0, 3, value[:valueHead])
	t.complete = true
	t.verify(l.faults, 0, 4, seal(another, 10, l.rng(0)))
	x := newTransactions(t)
	x.size[1] = 2
	x.saw(l.faults, makeID(transactionalProducer, 1<<recordBits))
	x.whole(l.faults)
	return slices.DeleteFunc(missed, func(kind string) bool {
		return (kind == twice || kind == damaged || kind == inPart || kind == invented) && l.faults.count[kind] == 1
	}), nil
}
