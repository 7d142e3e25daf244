package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
)

// Every record carries an id: the number of its producer and a count. Acknowledged ones are entered
// in the ledger at their offset, and so are those that a reader has seen; the two must agree for ever.
const (
	countBits = 40
	ackedBit  = 1 << 63
)

func makeID(producer, count uint64) uint64 { return producer<<countBits | count }
func producerOf(id uint64) uint64          { return id >> countBits }

// The kinds of fault, worded for the summary.
const (
	lost      = "acknowledged records lost"
	reused    = "offsets with two different records"
	behind    = "end offsets behind an acknowledged record"
	damaged   = "damaged records"
	twice     = "records of idempotent producers twice or out of order"
	back      = "deleted topics back"
	gone      = "created topics missing"
	foreign   = "records of a deleted topic in its successor"
	uncommits = "committed offsets behind an acknowledged commit, or never committed"
	dirty     = "records of aborted transactions"
	inPart    = "transactions seen in part"
	invented  = "records that nobody wrote"
	stuck     = "parts of the load stuck for ever"
)

var kinds = []string{lost, reused, behind, damaged, twice, back, gone, foreign, uncommits, dirty, inPart, invented, stuck}

type faults struct {
	sync.Mutex
	count map[string]int
	quiet bool
}

func newFaults(quiet bool) *faults { return &faults{count: map[string]int{}, quiet: quiet} }

func (f *faults) add(kind, format string, args ...any) {
	f.Lock()
	defer f.Unlock()
	f.count[kind]++
	if !f.quiet && f.count[kind] <= 5 {
		fmt.Printf("FAULT (%s) %s\n", kind, fmt.Sprintf(format, args...))
	}
}

// join takes over what others have counted.
func (f *faults) join(others *faults) {
	f.Lock()
	defer f.Unlock()
	for kind, n := range others.counts() {
		f.count[kind] += n
	}
}

func (f *faults) counts() map[string]int {
	f.Lock()
	defer f.Unlock()
	return maps.Clone(f.count)
}

// part is what is known of one partition.
type part struct {
	sync.Mutex
	ids  []uint64          // by offset: 0 where nothing is known, ackedBit for an acknowledged one
	when []int64           // by offset: when it was acknowledged
	end  int64             // one more than the highest acknowledged offset
	read int64             // the checks have read up to here
	got  int64             // and at the Kinesis door
	last map[uint64]uint64 // the highest id of each idempotent producer in the current pass of checks
}

// topic is one topic from its creation to its deletion; a successor of the same name is another.
type topic struct {
	name  string
	owner uint64 // the only producer that writes to it, 0 for any
	parts []*part

	// When its creation was asked for and acknowledged, and its deletion.
	begun, born, ending, ended int64

	complete bool // the ledger knows every record that may be there
}

// never is when what did not happen happened.
const never = math.MaxInt64

func newTopic(name string, partitions int, owner uint64, born int64) *topic {
	t := &topic{name: name, owner: owner, begun: born, born: born, ending: never, ended: never}
	for range partitions {
		t.parts = append(t.parts, &part{last: map[uint64]uint64{}})
	}
	return t
}

func (p *part) at(offset int64) *uint64 {
	for int64(len(p.ids)) <= offset {
		p.ids = append(p.ids, 0)
		p.when = append(p.when, never)
	}
	return &p.ids[offset]
}

func (t *topic) acked(f *faults, partition int32, offset int64, id uint64, now int64) {
	p := t.parts[partition]
	p.Lock()
	defer p.Unlock()
	if offset < 0 {
		f.add(lost, "%s/%d: %x acknowledged without an offset", t.name, partition, id)
		return
	}
	known := p.at(offset)
	switch {
	case *known&^ackedBit == id:
	case *known&ackedBit != 0:
		f.add(lost, "%s/%d at %d: %x acknowledged, but so was %x", t.name, partition, offset, id, *known&^ackedBit)
	case *known != 0:
		f.add(reused, "%s/%d at %d: %x acknowledged, %x was seen there", t.name, partition, offset, id, *known)
	case offset < p.read:
		f.add(lost, "%s/%d at %d: %x acknowledged, nothing was read there", t.name, partition, offset, id)
	}
	*known = id | ackedBit
	p.when[offset] = min(p.when[offset], now)
	p.end = max(p.end, offset+1)
}

// seen enters what a reader got at an offset.
func (t *topic) seen(f *faults, partition int32, offset int64, value []byte) {
	p := t.parts[partition]
	p.Lock()
	defer p.Unlock()
	t.seenLocked(f, partition, offset, value)
}

func (t *topic) seenLocked(f *faults, partition int32, offset int64, value []byte) (id uint64) {
	id, ok := open(value)
	if !ok {
		f.add(damaged, "%s/%d at %d: %d bytes", t.name, partition, offset, len(value))
		return 0
	}
	if t.owner != 0 && producerOf(id) != t.owner {
		f.add(foreign, "%s/%d at %d: %x", t.name, partition, offset, id)
	}
	known := t.parts[partition].at(offset)
	switch {
	case *known == 0:
		*known = id
		if t.complete {
			f.add(invented, "%s/%d at %d: %x", t.name, partition, offset, id)
		}
	case *known&^ackedBit == id:
	case *known&ackedBit != 0:
		f.add(lost, "%s/%d at %d: %x is there instead of %x", t.name, partition, offset, id, *known&^ackedBit)
	default:
		f.add(reused, "%s/%d at %d: %x, before it was %x", t.name, partition, offset, id, *known)
	}
	return id
}

// verify enters what the checks got at an offset. They read without a gap, so that an acknowledged
// offset they have passed over is lost.
func (t *topic) verify(f *faults, partition int32, offset int64, value []byte) {
	p := t.parts[partition]
	p.Lock()
	defer p.Unlock()
	for ; p.read < offset; p.read++ {
		if known := *p.at(p.read); known&ackedBit != 0 {
			f.add(lost, "%s/%d at %d: %x is not there", t.name, partition, p.read, known&^ackedBit)
		}
	}
	id := t.seenLocked(f, partition, offset, value)
	if producer := producerOf(id); idempotent(producer) {
		if id <= p.last[producer] {
			f.add(twice, "%s/%d at %d: %x after %x", t.name, partition, offset, id, p.last[producer])
		}
		p.last[producer] = id
	}
	p.read = max(p.read, offset+1)
}

// A value is the id, a checksum over everything else, and a piece of the filler, which is text in one
// half and noise in the other, so that the codecs have something to do and not always succeed.
var filler = func() []byte {
	b := make([]byte, 1<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for i := range len(b) / 2 {
		b[i] = "kill nine "[i%10]
	}
	return b
}()

const valueHead = 12

func sum(value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(value[:8], table), table, value[valueHead:])
}

func seal(id uint64, size int, rng *rand.Rand) []byte {
	value := make([]byte, valueHead+size)
	binary.BigEndian.PutUint64(value, id)
	copy(value[valueHead:], filler[rng.IntN(len(filler)-size):])
	binary.BigEndian.PutUint32(value[8:], sum(value))
	return value
}

func open(value []byte) (id uint64, ok bool) {
	if len(value) < valueHead {
		return 0, false
	}
	return binary.BigEndian.Uint64(value), binary.BigEndian.Uint32(value[8:]) == sum(value)
}
