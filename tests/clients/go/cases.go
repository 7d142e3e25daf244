package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// client is what the cases need of a Kafka client. Reading and single offsets are those of
// partition 0. `admin` has no common shape: every client runs its own.
type client interface {
	admin(ctx context.Context, t *trial) error
	// createTopic returns when every partition serves: Kafka acknowledges a topic some time before,
	// and what is sent with acks 0 in between is lost.
	createTopic(ctx context.Context, topic string, partitions int32) error
	codecs() []string
	producer(settings) (producer, error)
	read(ctx context.Context, topic string, from int64, n int) ([]record, error)
	endOffset(ctx context.Context, topic string) (int64, error)
	offsetAt(ctx context.Context, topic string, at time.Time) (int64, error)
	join(group, topic string, handle func(record) bool) (member, error)
	committed(ctx context.Context, group, topic string, partitions int32) (map[int32]int64, error)
	// transaction writes the records in one transaction of a producer of its own, and commits or aborts it.
	transaction(ctx context.Context, id, topic string, records []record, commit bool) error
	readCommitted(ctx context.Context, topic string, n int) ([]record, error)
	// copyOnce copies n committed records exactly once, in transactions that commit what was read with what was written.
	copyOnce(ctx context.Context, id, from, to string, n int) error
	// inConsumerProtocol is this client with groups of the consumer protocol (KIP-848).
	inConsumerProtocol() (client, error)
	close()
}

// lacks is why a client cannot have a case.
type lacks string

func (l lacks) Error() string { return string(l) }

type settings struct {
	codec      string
	acks       int16 // 0, 1 or -1, as on the wire
	idempotent bool
}

type producer interface {
	// send returns when every record has been acknowledged, or written where acks is 0.
	send(ctx context.Context, topic string, records []record) error
	close() error
}

// member is a consumer in a group. It hands each record to its handler and commits those for which
// the handler said true; it hands out none after a false.
type member interface {
	assigned() []int32
	leave() error // a second call only tells the same
}

type header struct {
	name  string
	value []byte
}

type record struct {
	partition  int32
	offset     int64
	key, value []byte // nil is null
	headers    []header
	time       time.Time // zero: the client's own clock
	batch      *batch    // where the client shows it
}

// batch is how a record travelled.
type batch struct {
	codec      string
	idempotent bool
}

type trial struct {
	server
	client
	name string
}

var cases = []struct {
	name string
	run  func(context.Context, *trial) (note string, err error)
}{
	{"admin", plain(func(ctx context.Context, t *trial) error { return t.admin(ctx, t) })},
	{"produce", produceCase},
	{"idempotence", plain(idempotenceCase)},
	{"group", plain(groupCase)},
	{"restart", plain(restartCase)},
	{"seek", plain(seekCase)},
	{"edges", edgesCase},
	{"transactions", plain(transactionsCase)},
	{"consumer", plain(consumerCase)},
}

func plain(run func(context.Context, *trial) error) func(context.Context, *trial) (string, error) {
	return func(ctx context.Context, t *trial) (string, error) { return "", run(ctx, t) }
}

func produceCase(ctx context.Context, t *trial) (string, error) {
	for _, codec := range t.codecs() {
		for _, acks := range []int16{0, 1, -1} {
			topic := fmt.Sprintf("%s-%s-%d", t.name, codec, acks+1)
			batches, err := t.roundTrip(ctx, topic, settings{codec: codec, acks: acks}, numbered(0, 100))
			if err != nil {
				return "", fmt.Errorf("%s, acks %d: %w", codec, acks, err)
			}
			for _, b := range batches {
				if b.codec != codec {
					return "", fmt.Errorf("%s, acks %d: stored with codec %s", codec, acks, b.codec)
				}
			}
		}
	}
	return "codecs " + strings.Join(t.codecs(), " "), nil
}

func idempotenceCase(ctx context.Context, t *trial) error {
	batches, err := t.roundTrip(ctx, t.name, settings{codec: "none", acks: -1, idempotent: true}, numbered(0, 1000))
	for _, b := range batches {
		if !b.idempotent {
			return errors.New("stored without a producer id")
		}
	}
	return err
}

func consumerCase(ctx context.Context, t *trial) error {
	c, err := t.inConsumerProtocol()
	if err != nil {
		return err
	}
	return groupCase(ctx, &trial{t.server, c, t.name})
}

func groupCase(ctx context.Context, t *trial) (err error) {
	const partitions, wave = 4, 40
	if err := t.createTopic(ctx, t.name, partitions); err != nil {
		return err
	}
	p, err := t.producer(settings{codec: "none", acks: -1})
	if err != nil {
		return err
	}
	defer p.close()
	next := 0
	sendWave := func() error {
		records := numbered(next, wave)
		for i := range records {
			records[i].partition = int32(i % partitions)
		}
		next += wave
		return p.send(ctx, t.name, records)
	}

	var staying, leaving tally
	first, err := t.join(t.name, t.name, staying.add)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.leave()) }()
	if err := sendWave(); err != nil {
		return err
	}
	committed := func() bool {
		return t.wantCommitted(ctx, t.name, map[int32]int64{0: 10, 1: 10, 2: 10, 3: 10}) == nil
	}
	if err := eventually(ctx, "the first member to commit the first wave", committed); err != nil {
		return fmt.Errorf("%w: it read %d records", err, staying.total())
	}
	second, err := t.join(t.name, t.name, leaving.add)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.leave()) }()
	shared := func() bool {
		a, b := first.assigned(), second.assigned()
		both := append(slices.Clone(a), b...)
		slices.Sort(both)
		return len(a) == 2 && len(b) == 2 && slices.Equal(both, []int32{0, 1, 2, 3})
	}
	if err := eventually(ctx, "two members to share the partitions", shared); err != nil {
		return fmt.Errorf("%w: %v and %v", err, first.assigned(), second.assigned())
	}
	if err := sendWave(); err != nil {
		return err
	}
	both := func() bool { return union(&staying, &leaving) == 2*wave }
	if err := eventually(ctx, "both members to read the second wave", both); err != nil {
		return fmt.Errorf("%w: %d of %d", err, union(&staying, &leaving), 2*wave)
	}
	if n := union(&leaving); n != wave/2 {
		return fmt.Errorf("the second member read %d records instead of %d", n, wave/2)
	}
	if err := second.leave(); err != nil {
		return err
	}
	if err := eventually(ctx, "the first member to take over", func() bool { return len(first.assigned()) == partitions }); err != nil {
		return err
	}
	if err := sendWave(); err != nil {
		return err
	}
	if err := eventually(ctx, "the first member to read the third wave", func() bool { return union(&staying, &leaving) == 3*wave }); err != nil {
		return err
	}
	if err := first.leave(); err != nil {
		return err
	}
	// All was committed before each rebalance, so nobody has read anything twice.
	if n := staying.total() + leaving.total(); n != 3*wave {
		return fmt.Errorf("%d records read, %d sent", n, 3*wave)
	}
	return t.wantCommitted(ctx, t.name, map[int32]int64{0: 30, 1: 30, 2: 30, 3: 30})
}

func restartCase(ctx context.Context, t *trial) error {
	if err := t.createTopic(ctx, t.name, 1); err != nil {
		return err
	}
	p, err := t.producer(settings{codec: "none", acks: -1, idempotent: true})
	if without := lacks(""); errors.As(err, &without) {
		p, err = t.producer(settings{codec: "none", acks: -1})
	}
	if err != nil {
		return err
	}
	defer p.close()
	sent := numbered(0, 100)
	if err := p.send(ctx, t.name, sent); err != nil {
		return err
	}
	var before tally
	m, err := t.join(t.name, t.name, func(r record) bool { return before.total() < 50 && before.add(r) })
	if err != nil {
		return err
	}
	err = eventually(ctx, "half of the records", func() bool { return before.total() == 50 })
	if err := errors.Join(err, m.leave()); err != nil {
		return err
	}
	if err := t.wantCommitted(ctx, t.name, map[int32]int64{0: 50}); err != nil {
		return err
	}

	if err := t.call("kill"); err != nil {
		return err
	}
	if err := t.call("resume"); err != nil {
		return err
	}

	// Kafka needs a moment to load its commits, and not every client waits for that.
	if err := wait(ctx, func() error { return t.wantCommitted(ctx, t.name, map[int32]int64{0: 50}) }); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	more := numbered(100, 50)
	if err := p.send(ctx, t.name, more); err != nil {
		return fmt.Errorf("the producer after the restart: %w", err)
	}
	sent = append(sent, more...)
	var after tally
	m, err = t.join(t.name, t.name, after.add)
	if err != nil {
		return err
	}
	err = eventually(ctx, "the other half and what came after the restart", func() bool { return after.total() >= 100 })
	if err := errors.Join(err, m.leave()); err != nil {
		return err
	}
	if err := compare(after.list(), sent[50:], 50); err != nil {
		return fmt.Errorf("the resumed group: %w", err)
	}
	return t.wantContent(ctx, t.name, 0, sent)
}

func seekCase(ctx context.Context, t *trial) error {
	// The log's times are the producer's, a second apart, so that a server which answers with its
	// own clock or with whole batches is found out.
	start := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond)
	records := numbered(0, 100)
	for i := range records {
		records[i].time = start.Add(time.Duration(i) * time.Second)
	}
	if _, err := t.roundTrip(ctx, t.name, settings{codec: "none", acks: -1}, records); err != nil {
		return err
	}
	for _, at := range []struct {
		time time.Time
		want int64
	}{
		{records[60].time, 60},
		{records[60].time.Add(-time.Millisecond), 60},
		{records[60].time.Add(time.Millisecond), 61},
	} {
		offset, err := t.offsetAt(ctx, t.name, at.time)
		if err != nil {
			return err
		}
		if offset != at.want {
			return fmt.Errorf("%v after the first record: offset %d instead of %d", at.time.Sub(start), offset, at.want)
		}
		if err := t.wantContent(ctx, t.name, offset, records[offset:]); err != nil {
			return err
		}
	}
	return nil
}

func edgesCase(ctx context.Context, t *trial) (string, error) {
	large := make([]byte, 900<<10)
	noise := rand.NewChaCha8([32]byte{1})
	for i := 0; i < len(large); i += 8 {
		binary.LittleEndian.PutUint64(large[i:], noise.Uint64())
	}
	v := []byte("value")
	records := []record{
		{key: nil, value: v},
		{key: []byte{}, value: v},
		{key: []byte("null value"), value: nil},
		{key: []byte("empty value"), value: []byte{}},
		{key: []byte("large value"), value: large},
		{key: []byte("headers"), value: v, headers: []header{
			{"twice", []byte("first")}, {"twice", []byte("second")}, {"twice", []byte("first")},
			{"null", nil}, {"empty", []byte{}}, {"", []byte("no name")}, {"bytes", []byte{0, 0xff, 0xfe}},
		}},
		{key: []byte{0xff, 0xfe, 0, 0xc3, 0x28}, value: v},
		{key: nil, value: nil},
	}
	note := ""
	if b, ok := t.client.(interface{ blursEmpty() string }); ok {
		note = b.blursEmpty()
		records = slices.DeleteFunc(records, func(r record) bool {
			return r.key != nil && len(r.key) == 0 || r.value != nil && len(r.value) == 0
		})
		for i := range records {
			records[i].headers = slices.DeleteFunc(records[i].headers, func(h header) bool { return len(h.value) == 0 })
		}
	}
	_, err := t.roundTrip(ctx, t.name, settings{codec: "none", acks: -1}, records)
	return note, err
}

// roundTrip sends to a new topic and wants to read the same, nothing more and nothing less.
func (t *trial) roundTrip(ctx context.Context, topic string, s settings, records []record) ([]batch, error) {
	if err := t.createTopic(ctx, topic, 1); err != nil {
		return nil, err
	}
	p, err := t.producer(s)
	if err != nil {
		return nil, err
	}
	if err := p.send(ctx, topic, records); err != nil {
		return nil, errors.Join(err, p.close())
	}
	got, err := t.read(ctx, topic, 0, len(records))
	// Closed only here: with acks 0 the records may still be on their way until they are read.
	if err := errors.Join(err, p.close()); err != nil {
		return nil, err
	}
	var batches []batch
	for _, r := range got {
		if r.batch != nil {
			batches = append(batches, *r.batch)
		}
	}
	return batches, errors.Join(compare(got, records, 0), t.wantEnd(ctx, topic, int64(len(records))))
}

func (t *trial) wantContent(ctx context.Context, topic string, from int64, want []record) error {
	got, err := t.read(ctx, topic, from, len(want))
	if err != nil {
		return err
	}
	return errors.Join(compare(got, want, from), t.wantEnd(ctx, topic, from+int64(len(want))))
}

func (t *trial) wantEnd(ctx context.Context, topic string, want int64) error {
	end, err := t.endOffset(ctx, topic)
	if err == nil && end != want {
		err = fmt.Errorf("%s ends at %d instead of %d", topic, end, want)
	}
	return err
}

func (t *trial) wantCommitted(ctx context.Context, group string, want map[int32]int64) error {
	got, err := t.committed(ctx, group, group, int32(len(want)))
	if err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		err = fmt.Errorf("%s has committed %v instead of %v", group, got, want)
	}
	return err
}

func compare(got, want []record, from int64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d records instead of %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		headers := slices.EqualFunc(g.headers, w.headers, func(a, b header) bool {
			return a.name == b.name && same(a.value, b.value)
		})
		switch {
		case g.offset != from+int64(i):
			return fmt.Errorf("record %d has offset %d instead of %d", i, g.offset, from+int64(i))
		case !same(g.key, w.key):
			return fmt.Errorf("record %d has key %s instead of %s", i, show(g.key), show(w.key))
		case !same(g.value, w.value):
			return fmt.Errorf("record %d has value %s instead of %s", i, show(g.value), show(w.value))
		case !headers:
			return fmt.Errorf("record %d has headers %q instead of %q", i, g.headers, w.headers)
		case !w.time.IsZero() && !g.time.Equal(w.time):
			return fmt.Errorf("record %d has time %v instead of %v", i, g.time, w.time)
		}
	}
	return nil
}

// same tells null from empty.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%.20q (%d bytes)", b, len(b))
}

// numbered makes records of 100 B that compress well, so that a codec is not skipped for gaining
// nothing.
func numbered(first, n int) []record {
	records := make([]record, n)
	for i := range records {
		id := fmt.Sprintf("%06d", first+i)
		records[i] = record{key: []byte("key-" + id), value: []byte(id + strings.Repeat("shardgate", 10))}
	}
	return records
}

// tally is what a member was handed.
type tally struct {
	mu   sync.Mutex
	seen []record
}

func (t *tally) add(r record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, r)
	return true
}

func (t *tally) list() []record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.seen)
}

func (t *tally) total() int { return len(t.list()) }

// union counts the different records.
func union(tallies ...*tally) int {
	keys := map[string]bool{}
	for _, t := range tallies {
		for _, r := range t.list() {
			keys[string(r.key)] = true
		}
	}
	return len(keys)
}

// eventually polls because clients tell of most changes only when asked.
func eventually(ctx context.Context, what string, holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("deadline passed waiting for %s", what)
		case <-tick.C:
		}
	}
	return nil
}

// wait is for what the server may show some time after it has acknowledged it.
func wait(ctx context.Context, check func() error) error {
	var err error
	if late := eventually(ctx, "", func() bool { err = check(); return err == nil }); late != nil {
		return err
	}
	return nil
}
