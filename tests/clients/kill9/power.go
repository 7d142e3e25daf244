package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	roundCuts     = 25 // of the power in one load
	forgetfulCuts = 20
	enoughFaulty  = 3 // images of a server that forgets to sync
	longestLoad   = 20 * time.Second
	laterProducer = 960
	later         = 1 << 30 // counts of what is written to an image start here
)

// power cuts the power of a disk instead of killing the server: one load on a disk that logs what reaches it, and from the log
// the images that a power cut at some moment may have left, each of which is mounted, served and checked.
type power struct {
	control
	shelf      *shelf
	shim       string // what is preloaded into the server under load
	mounted    string
	filesystem string
	rng        *rand.Rand
	seed       uint64
	keep       string // where images with faults go
	faults     *faults
	enough     int64 // bytes that a load writes

	rounds, images, second, faulty int
	writes, flushes                int
	unflushed, most                int // images with unflushed writes, and the most of them
	written                        int64
	records, commits, transactions int64
	starts                         []time.Duration
	count                          uint64 // of what was written to images
}

// run proves on a server that forgets fifteen of sixteen syncs that a loss is found, and then makes n cuts.
func (p *power) run(n int) (ok bool) {
	fmt.Printf("%d power cuts on %s with POWER_SEED=%d\n", n, p.filesystem, p.seed)
	p.rng = rand.New(rand.NewPCG(p.seed, 0))
	p.mounted = filepath.Join(p.server, "data")
	disks := filepath.Join(p.server, "disks")
	err := errors.Join(os.Mkdir(p.mounted, 0o700), os.Mkdir(disks, 0o700))
	if err == nil {
		p.shelf, err = newShelf(disks)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer unmount(disks)

	var tally tally
	ctx := context.Background()
	start := time.Now()
	forgetful := *p
	forgetful.faults, forgetful.enough = newFaults(true), 20<<20
	err = forgetful.round(ctx, forgetfulCuts)
	tally.check(err == nil && len(forgetful.faults.counts()) > 0, fmt.Sprintf("self-check: with fifteen of sixteen syncs forgotten, %d of %d images have faults: %v%s",
		forgetful.faulty, forgetful.images, forgetful.faults.counts(), why(err)))

	p.shim, p.faults = "", newFaults(false)
	for left := n; left > 0 && err == nil; left -= roundCuts {
		// In half of them, if the machine is quick enough, the store begins a second segment.
		p.enough = 10<<20 + p.rng.Int64N(140<<20)
		err = p.round(ctx, min(left, roundCuts))
		fmt.Printf("%d images, %.0f s\n", p.images, time.Since(start).Seconds())
	}
	tally.check(err == nil, fmt.Sprintf("%d images: %d of a first cut, %d of them with up to %d unflushed writes, and %d of a second%s",
		p.images, p.images-p.second, p.unflushed, p.most, p.second, why(err)))
	counts := p.faults.counts()
	for _, kind := range kinds {
		tally.check(counts[kind] == 0, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	fmt.Printf("%d loads: %d writes (%d MiB) and %d flushes reached the disk; %d records, %d commits and %d transactions acknowledged\n",
		p.rounds, p.writes, p.written>>20, p.flushes, p.records, p.commits, p.transactions)
	if n := len(p.starts); n > 0 {
		slices.Sort(p.starts)
		fmt.Printf("started on an image in %v (median), %v (longest)\n",
			p.starts[n/2].Round(time.Millisecond), p.starts[n-1].Round(time.Millisecond))
	}
	fmt.Printf("%.1f s in all\n%d passed, %d failed, 0 skipped\n", time.Since(start).Seconds(), tally.passed, tally.failed)
	return tally.failed == 0
}

// round makes n cuts in one load.
func (p *power) round(ctx context.Context, n int) error {
	p.rounds++
	live := p.shelf.add(nil)
	defer p.shelf.remove(live)
	if err := p.shelf.mount(live, p.mounted, p.filesystem, true); err != nil {
		return err
	}
	defer unmount(p.mounted) // after an error
	if err := os.Remove(filepath.Join(p.server, "bootstrap")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	under := p.control
	if p.shim != "" {
		under.env = append(os.Environ(), "LD_PRELOAD="+p.shim)
	}
	if err := under.call("start"); err != nil {
		return err
	}
	defer p.call("kill")
	bootstrap, err := os.ReadFile(filepath.Join(p.server, "bootstrap"))
	if err != nil {
		return err
	}
	l := &load{bootstrap: string(bytes.TrimSpace(bootstrap)), server: p.server, seed: p.rng.Uint64(), faults: p.faults,
		now: live.length.Load, timed: true}
	if err := l.start(ctx); err != nil {
		return err
	}
	defer l.stop()
	first := live.length.Load()
	if err := p.watch(l, live); err != nil {
		return err
	}
	last := live.length.Load()
	l.stop()
	l.running.Wait()
	// With this the ledger knows every record, acknowledged or not.
	if err := l.check(ctx, true); err != nil {
		return fmt.Errorf("before any cut: %w", err)
	}
	if len(l.faults.counts()) > 0 {
		return errors.New("there are faults before any cut")
	}
	if err := p.end(); err != nil {
		return err
	}
	p.records += l.total() + l.ackedShort.Load() + l.puts.Load()
	p.commits += l.commits.Load()
	p.transactions += l.transacted.Load()
	writes := live.until(last)
	p.tally(writes)

	if p.shim != "" {
		first += (last - first) / 2 // it forgets nothing at first
	}
	var cuts []int64
	for range n {
		at := first + p.rng.Int64N(last-first+1)
		// Half of them where most is at stake: right before a flush.
		if p.rng.IntN(2) == 0 {
			for at < last && writes[at].data != nil {
				at++
			}
		}
		cuts = append(cuts, at)
	}
	slices.Sort(cuts)
	base, applied := over(nil), 0
	for _, at := range cuts {
		flushed := settled(writes[:at])
		base.apply(writes[applied:flushed])
		applied = flushed
		v, what := l.before(at), fmt.Sprintf("load %d, cut behind %d of %d writes and flushes", p.rounds, at, last)
		if n := int(at) - flushed; n > 0 {
			p.unflushed++
			p.most = max(p.most, n)
		}
		m, how := cut(base, writes[flushed:at], p.rng)
		what += ", " + how
		more, err := p.examine(ctx, v, m, what)
		if err == nil && p.rng.IntN(3) == 0 {
			p.second++
			at := p.rng.IntN(len(more) + 1)
			flushed := settled(more[:at])
			again := over(m)
			again.apply(more[:flushed])
			again, how := cut(again, more[flushed:at], p.rng)
			_, err = p.examine(ctx, v.before(int64(at)), again, fmt.Sprintf("%s; cut again behind %d of %d, %s", what, at, len(more), how))
		}
		if err != nil {
			p.faulty++
			if !p.faults.quiet {
				return err
			}
			if p.faulty == enoughFaulty {
				return nil
			}
		}
	}
	return nil
}

// watch waits until every part of the load has come through, and until enough was written or the load has taken long enough.
func (p *power) watch(l *load, live *disk) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for start := time.Now(); ; <-poll.C {
		// Nobody reads at the Kinesis door before the checks do.
		idle := slices.DeleteFunc(l.idle(), func(name string) bool { return name == "gets" })
		if len(idle) == 0 && (live.written() >= p.enough || time.Since(start) > longestLoad) {
			return nil
		}
		if time.Since(start) > patience {
			return fmt.Errorf("parts of the load never came through: %q", idle)
		}
	}
}

func (p *power) tally(writes []entry) {
	for _, e := range writes {
		if e.data == nil {
			p.flushes++
		} else {
			p.writes++
			p.written += int64(len(e.data))
		}
	}
}

// end kills the server and unmounts its disk.
func (p *power) end() error {
	return errors.Join(p.call("kill"), unmount(p.mounted))
}

// examine serves an image, holds it against what must be there and writes to it. It returns what reached the disk meanwhile; there is
// an error if anything was not as it should be.
func (p *power) examine(ctx context.Context, v *load, m *image, what string) (writes []entry, err error) {
	p.images++
	v.faults = newFaults(p.faults.quiet)
	d := p.shelf.add(m)
	defer p.shelf.remove(d)
	v.now = d.length.Load
	defer func() {
		p.faults.join(v.faults)
		if err == nil && len(v.faults.counts()) > 0 {
			err = errors.New("there are faults")
		}
		if err != nil && !p.faults.quiet {
			name := filepath.Join(p.keep, fmt.Sprintf("power-%d.img", p.seed))
			err = errors.Join(fmt.Errorf("stopped at the first fault, in the image of %s; it is in %s: %w", what, name, err), m.save(name))
		}
	}()
	if err := p.shelf.mount(d, p.mounted, p.filesystem, false); err != nil {
		return nil, err
	}
	defer unmount(p.mounted) // after an error
	start := time.Now()
	if err := p.call("resume"); err != nil {
		return nil, err
	}
	defer p.call("kill")
	p.starts = append(p.starts, time.Since(start))
	if err := v.check(ctx, true); err != nil || len(v.faults.counts()) > 0 {
		return nil, err
	}
	v.settle()
	if err := v.more(ctx, &p.count); err != nil {
		return nil, fmt.Errorf("writing on: %w", err)
	}
	writes = d.until(d.length.Load())
	return writes, p.end()
}

// before is what a disk must and may hold of the load if n writes had reached it. What was seen to be
// acknowledged when there were more may be there or not.
func (l *load) before(n int64) *load {
	v := &load{bootstrap: l.bootstrap, server: l.server, seed: l.seed, faults: l.faults, timed: true, deleted: map[string]int64{}}
	v.errors.count = map[string]int{}
	copies := map[*topic]*topic{}
	for _, t := range l.topics {
		copies[t] = t.before(n)
		v.topics = append(v.topics, copies[t])
	}
	x := newTransactions(copies[l.transactions.topic])
	x.size = maps.Clone(l.transactions.size)
	for number, ended := range l.transactions.outcome {
		if ended == aborted {
			x.outcome[number] = aborted
		}
	}
	v.transactions = x
	for _, s := range l.streams {
		t := copies[s.topic]
		if t == nil {
			t = s.topic.before(n)
		}
		v.streams = append(v.streams, newStream(t))
	}
	for _, g := range l.groups {
		h := &group{name: g.name, tried: map[place]int64{}, acked: map[place]int64{}}
		for _, a := range g.history {
			if a.acked && a.when <= n {
				h.acked[a.place] = a.offset
			} else if !a.acked && a.when < n {
				h.tried[a.place] = a.offset
			}
		}
		v.groups = append(v.groups, h)
	}
	newest := map[string]*topic{} // that may be there
	for _, t := range slices.Concat(l.past, l.short) {
		if older := newest[t.name]; t.begun < n && (older == nil || older.begun < t.begun) {
			newest[t.name] = t
		}
	}
	for name, t := range newest {
		if t.ended <= n {
			v.deleted[name] = -1
			v.past = append(v.past, &topic{name: name, begun: -1, ended: -1})
		} else if t.born <= n && t.ending >= n {
			v.short = append(v.short, t.before(n))
		}
	}
	return v
}

func (t *topic) before(n int64) *topic {
	c := newTopic(t.name, len(t.parts), t.owner, -1)
	c.complete = true
	for i, p := range t.parts {
		q := c.parts[i]
		q.ids, q.when = slices.Clone(p.ids), slices.Clone(p.when)
		for offset, when := range p.when {
			if when > n {
				q.ids[offset] &^= ackedBit
			} else {
				q.when[offset] = -1
				q.end = int64(offset) + 1
			}
		}
	}
	return c
}

// settle makes what the checks have found all that there is, and all of it must stay.
func (l *load) settle() {
	topics := slices.Concat(l.topics, l.short)
	for _, s := range l.streams {
		topics = append(topics, s.topic)
	}
	for _, t := range topics {
		for _, p := range t.parts {
			p.end = min(max(p.read, p.got), int64(len(p.ids)))
			p.ids, p.when = p.ids[:p.end], p.when[:p.end]
			for offset, id := range p.ids {
				if id != 0 {
					p.ids[offset], p.when[offset] = id|ackedBit, -1
				}
			}
		}
	}
	for _, g := range l.groups {
		for at, offset := range g.shown {
			g.history = append(g.history, attempt{at, g.tried[at], false, -1}, attempt{at, offset, true, -1})
		}
	}
}

// more writes to everything once more: each topic and stream, a transaction, the groups; a topic is created and one deleted.
func (l *load) more(ctx context.Context, count *uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rng := l.rng(*count)
	client := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer client.Close()
	admin := kadm.NewClient(client)

	fresh := newTopic(fmt.Sprintf("kill9-l%d", *count), 2, laterProducer, never)
	fresh.complete, fresh.begun = true, l.now()
	l.short = append(l.short, fresh)
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, fresh.name); err != nil {
		return err
	}
	fresh.born = l.now()
	topics := map[string]*topic{}
	var recs []*kgo.Record
	for _, t := range slices.Concat(l.topics, l.short) {
		if t == l.transactions.topic {
			continue
		}
		topics[t.name] = t
		for i := range t.parts {
			*count++
			producer := t.owner
			if producer == 0 {
				producer = laterProducer
			}
			recs = append(recs, &kgo.Record{Topic: t.name, Partition: int32(i), Value: seal(makeID(producer, later+*count), rng.IntN(2000), rng)})
		}
	}
	for _, result := range client.ProduceSync(ctx, recs...) {
		if result.Err != nil {
			return result.Err
		}
		id, _ := open(result.Record.Value)
		topics[result.Record.Topic].acked(l.faults, result.Record.Partition, result.Record.Offset, id, l.now())
	}

	for _, g := range l.groups {
		var offsets kadm.Offsets
		for at := range g.shown {
			g.tried[at]++
			offsets.Add(kadm.Offset{Topic: at.topic, Partition: at.partition, At: g.tried[at], LeaderEpoch: -1, Metadata: note(g.tried[at])})
			g.history = append(g.history, attempt{at, g.tried[at], false, l.now()})
		}
		answers, err := admin.CommitOffsets(ctx, g.name, offsets)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			return err
		}
		for at := range g.shown {
			g.history = append(g.history, attempt{at, g.tried[at], true, l.now()})
		}
	}

	transactional := l.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("kill9-x"))
	defer transactional.Close()
	*count++
	recs = nil
	for i := range l.transactions.parts {
		recs = append(recs, &kgo.Record{Topic: l.transactions.name, Partition: int32(i),
			Value: seal(makeID(transactionalProducer, (later+*count)<<recordBits|uint64(i)), rng.IntN(1000), rng)})
	}
	if err := l.transaction(transactional, later+*count, recs, true); err != nil {
		return err
	}

	if err := l.putMore(ctx, count); err != nil {
		return err
	}
	if len(l.short) > 1 {
		t := l.short[0]
		l.short = l.short[1:]
		t.ending = l.now()
		if _, err := admin.DeleteTopic(ctx, t.name); err != nil {
			return err
		}
		t.ended = l.now()
		l.past = append(l.past, t)
	}
	return nil
}

func (l *load) putMore(ctx context.Context, count *uint64) error {
	client, err := l.aws(0)
	if err != nil {
		return err
	}
	for _, s := range l.streams {
		*count++
		producer := s.owner
		if producer == 0 {
			producer = laterProducer
		}
		id := makeID(producer, later+*count)
		answer, err := client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s.name, Records: []types.PutRecordsRequestEntry{
			{PartitionKey: aws.String(fmt.Sprint(*count)), Data: seal(id, 100, l.rng(*count))}}})
		if err != nil {
			return err
		}
		result := answer.Records[0]
		if result.ErrorCode != nil {
			return errors.New(*result.ErrorCode)
		}
		n := shardNumber(*result.ShardId)
		s.shard(n)
		s.acked(l.faults, int32(n), offsetOf(*result.SequenceNumber), id, l.now())
	}
	return nil
}
