package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	sharedShards   = 3
	sharedProducer = 900 // puts to the topic that both doors write to and read
	movingProducer = 901 // puts to the stream whose shards are split and merged
	openMax        = 5
	putPause       = 20 * time.Millisecond
	reshardPause   = 700 * time.Millisecond
)

// stream is what the Kinesis door is held against. The parts of its topic are shards: those of a stream
// that is never resharded are the partitions too, so that both doors enter the same ledger.
type stream struct {
	sync.Mutex
	*topic
	last map[int]string // by shard: the sequence number up to which the checks have read
	over map[int]bool   // closed shards that were read to their end
}

func newStream(t *topic) *stream {
	return &stream{topic: t, last: map[int]string{}, over: map[int]bool{}}
}

// shard gives a new shard its part.
func (s *stream) shard(n int) *part {
	s.Lock()
	defer s.Unlock()
	for len(s.parts) <= n {
		s.parts = append(s.parts, &part{last: map[uint64]uint64{}})
	}
	return s.parts[n]
}

// aws is a client for the server as it is now: its port changes with every start. The load makes one attempt,
// because it is to know what became of every request; who reads makes as many as are usual, which is 0.
func (l *load) aws(attempts int) (*kinesis.Client, error) {
	var ports struct{ Kinesis string }
	text, err := os.ReadFile(filepath.Join(l.server, "ports.json"))
	if err == nil {
		err = json.Unmarshal(text, &ports)
	}
	if err != nil {
		return nil, err
	}
	return kinesis.New(kinesis.Options{
		BaseEndpoint: aws.String("http://" + ports.Kinesis), Region: "us-east-1", RetryMaxAttempts: attempts,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}), nil
}

// hasKinesis tells whether the server has that door.
func (l *load) hasKinesis() bool {
	_, err := os.Stat(filepath.Join(l.server, "ports.json"))
	return err == nil
}

func shardNumber(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "shardId-"))
	return n
}

// offsetOf reads the offset out of a sequence number: 63 bits from bit 80 on are the offset and one more.
func offsetOf(number string) int64 {
	n, ok := new(big.Int).SetString(number, 10)
	if !ok {
		return -1
	}
	n.Rsh(n, 80).And(n, big.NewInt(1<<63-1))
	return n.Int64() - 1
}

// each calls what with a client until the load ends; an error is counted and is no acknowledgement.
func (l *load) each(ctx context.Context, what string, pause time.Duration, do func(*kinesis.Client) error) {
	beat := time.NewTicker(pause)
	defer beat.Stop()
	for ctx.Err() == nil {
		<-beat.C
		client, err := l.aws(1)
		for err == nil && ctx.Err() == nil {
			err = do(client)
			<-beat.C
		}
		if ctx.Err() == nil {
			l.errors.add(what, shortened(err))
		}
	}
}

// shortened is the error without what differs from one time to the next.
func shortened(err error) error {
	var named interface{ ErrorCode() string }
	if errors.As(err, &named) {
		return errors.New(named.ErrorCode())
	}
	return errors.New("no answer")
}

func (l *load) put(ctx context.Context, s *stream, producer uint64) {
	rng, count := l.rng(producer), uint64(0)
	l.each(ctx, "PutRecords", putPause, func(client *kinesis.Client) error {
		var entries []types.PutRecordsRequestEntry
		var ids []uint64
		for range 1 + rng.IntN(10) {
			count++
			ids = append(ids, makeID(producer, count))
			entries = append(entries, types.PutRecordsRequestEntry{
				PartitionKey: aws.String(fmt.Sprint(rng.IntN(1000))), Data: seal(makeID(producer, count), rng.IntN(2000), rng)})
		}
		answer, err := client.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: &s.name, Records: entries})
		if err != nil {
			return err
		}
		for i, result := range answer.Records {
			if result.ErrorCode != nil {
				l.errors.add("a record of PutRecords", errors.New(*result.ErrorCode))
				continue
			}
			n := shardNumber(*result.ShardId)
			s.shard(n)
			s.acked(l.faults, int32(n), offsetOf(*result.SequenceNumber), ids[i], l.now())
			l.puts.Add(1)
		}
		return nil
	})
}

// reshard splits and merges at random. A request without an answer may have been carried out or not.
func (l *load) reshard(ctx context.Context, s *stream) {
	rng := l.rng(movingProducer + 1)
	l.each(ctx, "reshard", reshardPause, func(client *kinesis.Client) error {
		shards, err := list(ctx, client, s.name)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(shards, func(shard types.Shard) bool { return shard.SequenceNumberRange.EndingSequenceNumber != nil })
		slices.SortFunc(open, func(a, b types.Shard) int {
			return key(a.HashKeyRange.StartingHashKey).Cmp(key(b.HashKeyRange.StartingHashKey))
		})
		if i := rng.IntN(len(open)); i+1 < len(open) && (len(open) >= openMax || rng.IntN(2) == 0) {
			_, err = client.MergeShards(ctx, &kinesis.MergeShardsInput{
				StreamName: &s.name, ShardToMerge: open[i].ShardId, AdjacentShardToMerge: open[i+1].ShardId})
		} else if len(open) < openMax {
			span := open[i].HashKeyRange
			middle := new(big.Int).Add(key(span.StartingHashKey), key(span.EndingHashKey))
			_, err = client.SplitShard(ctx, &kinesis.SplitShardInput{
				StreamName: &s.name, ShardToSplit: open[i].ShardId, NewStartingHashKey: aws.String(middle.Rsh(middle, 1).String())})
		}
		if err == nil {
			l.reshards.Add(1)
		}
		return err
	})
}

func key(decimal *string) *big.Int {
	n, _ := new(big.Int).SetString(*decimal, 10)
	return n
}

func list(ctx context.Context, client *kinesis.Client, name string) (shards []types.Shard, err error) {
	input := &kinesis.ListShardsInput{StreamName: &name}
	for {
		answer, err := client.ListShards(ctx, input)
		if err != nil {
			return nil, err
		}
		shards = append(shards, answer.Shards...)
		if answer.NextToken == nil {
			return shards, nil
		}
		input = &kinesis.ListShardsInput{NextToken: answer.NextToken}
	}
}

// acknowledged are the ends of the shards of which anything was.
func (s *stream) acknowledged() map[int]int64 {
	s.Lock()
	defer s.Unlock()
	ends := map[int]int64{}
	for n, p := range s.parts {
		p.Lock()
		if p.end > 0 {
			ends[n] = p.end
		}
		p.Unlock()
	}
	return ends
}

// checkStream reads what the Kinesis door has got since the last check, or with all set, everything.
func (l *load) checkStream(ctx context.Context, s *stream, all bool) error {
	client, err := l.aws(0)
	if err != nil {
		return err
	}
	must := s.acknowledged()
	shards, err := list(ctx, client, s.name)
	var none *types.ResourceNotFoundException
	if errors.As(err, &none) {
		l.faults.add(gone, "%s, for Kinesis", s.name)
		return nil
	}
	if err != nil {
		return err
	}
	if all {
		s.last, s.over = map[int]string{}, map[int]bool{}
	}
	for _, shard := range shards {
		delete(must, shardNumber(*shard.ShardId))
	}
	for n, end := range must {
		l.faults.add(lost, "%s shard %d, of which %d was acknowledged, is not there", s.name, n, end-1)
	}
	for _, shard := range shards {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		n := shardNumber(*shard.ShardId)
		if s.over[n] {
			continue
		}
		p := s.shard(n)
		p.Lock()
		end := p.end
		if all {
			p.got = 0
		}
		p.Unlock()
		if err := l.checkShard(ctx, client, s, n, shard.ShardId, end); err != nil {
			return fmt.Errorf("%s of %s: %w", *shard.ShardId, s.name, err)
		}
	}
	return nil
}

// checkShard reads a shard to its end, or to where nothing is left. All that was acknowledged before
// `end` has to be there.
func (l *load) checkShard(ctx context.Context, client *kinesis.Client, s *stream, n int, id *string, end int64) error {
	from := &kinesis.GetShardIteratorInput{StreamName: &s.name, ShardId: id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if last := s.last[n]; last != "" {
		from.ShardIteratorType, from.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &last
	}
	iterator, err := client.GetShardIterator(ctx, from)
	if err != nil {
		return err
	}
	for next := iterator.ShardIterator; ; {
		answer, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			return err
		}
		tried, _ := retry.GetAttemptResults(answer.ResultMetadata)
		for _, attempt := range tried.Results {
			if attempt.Err != nil {
				l.errors.add("GetRecords, which was repeated", attempt.Err)
			}
		}
		for _, record := range answer.Records {
			s.getGot(l.faults, n, offsetOf(*record.SequenceNumber), record.Data)
			s.last[n] = *record.SequenceNumber
			l.gets.Add(1)
		}
		next = answer.NextShardIterator
		s.over[n] = next == nil
		if next == nil || len(answer.Records) == 0 && *answer.MillisBehindLatest == 0 {
			s.passed(l.faults, n, end)
			return nil
		}
		// The load writes on; without this the reading would have no end.
		if p := s.shard(n); p.got >= end {
			return nil
		}
	}
}

// getGot enters a record that the Kinesis door showed. It reads without a gap, so that what it passes
// over is lost.
func (s *stream) getGot(f *faults, n int, offset int64, value []byte) {
	s.passed(f, n, offset)
	p := s.shard(n)
	p.Lock()
	defer p.Unlock()
	s.seenLocked(f, int32(n), offset, value)
	p.got = max(p.got, offset+1)
}

func (s *stream) passed(f *faults, n int, end int64) {
	p := s.shard(n)
	p.Lock()
	defer p.Unlock()
	for ; p.got < end; p.got++ {
		if known := *p.at(p.got); known&ackedBit != 0 {
			f.add(lost, "%s shard %d at %d: %x is not there for Kinesis", s.name, n, p.got, known&^ackedBit)
		}
	}
}

// startKinesis creates the streams of the Kinesis door and begins to write to them.
func (l *load) startKinesis(ctx context.Context) error {
	client, err := l.aws(1)
	if err != nil {
		return err
	}
	if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("kill9-r"), ShardCount: aws.Int32(2)}); err != nil {
		return err
	}
	shared := l.topics[slices.IndexFunc(l.topics, func(t *topic) bool { return t.name == "kill9-d" })]
	l.streams = []*stream{newStream(shared), newStream(newTopic("kill9-r", 2, movingProducer, 0))}
	return nil
}

// runKinesis is the load of the Kinesis door.
func (l *load) runKinesis(ctx context.Context) {
	l.running.Go(func() { l.put(ctx, l.streams[0], sharedProducer) })
	l.running.Go(func() { l.put(ctx, l.streams[1], movingProducer) })
	l.running.Go(func() { l.reshard(ctx, l.streams[1]) })
	l.running.Go(func() { l.churnStreams(ctx, l.rng(movingProducer+2)) })
}

// churnStreams creates streams, puts a record and deletes them; a name is never used again.
func (l *load) churnStreams(ctx context.Context, rng *rand.Rand) {
	count := 0
	l.each(ctx, "a short-lived stream", 5*putPause, func(client *kinesis.Client) error {
		count++
		name := fmt.Sprintf("kill9-s%d", count)
		if _, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(1)}); err != nil {
			return err
		}
		value := seal(makeID(sharedProducer, 1), rng.IntN(100), rng)
		if _, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: &name, Data: value}); err != nil {
			return err
		}
		if _, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}); err != nil {
			return err
		}
		l.churning.Lock()
		defer l.churning.Unlock()
		l.deleted[name] = l.now()
		if l.timed {
			t := newTopic(name, 0, 0, never)
			t.begun, t.ended = 0, l.deleted[name]
			l.past = append(l.past, t)
		}
		l.streamsDeleted.Add(1)
		return nil
	})
}
