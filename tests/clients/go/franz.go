package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type franz struct {
	bootstrap string
	adm       *kadm.Client
	protocol  []kgo.Opt // of groups
}

func connectFranz(bootstrap string) (client, error) {
	f := &franz{bootstrap: bootstrap}
	cl, err := f.open()
	if err != nil {
		return nil, err
	}
	f.adm = kadm.NewClient(cl)
	return f, nil
}

func (f *franz) open(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(f.bootstrap))...)
}

func (f *franz) close() { f.adm.Close() }

func (f *franz) inConsumerProtocol() (client, error) {
	return &franz{f.bootstrap, f.adm, []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}}, nil
}

func (f *franz) createTopic(ctx context.Context, topic string, partitions int32) error {
	if _, err := f.adm.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return err
	}
	return wait(ctx, func() error {
		listed, err := f.adm.ListEndOffsets(ctx, topic)
		if err := errors.Join(err, listed.Error()); err != nil {
			return err
		}
		if len(listed[topic]) != int(partitions) {
			return fmt.Errorf("%s has %d partitions", topic, len(listed[topic]))
		}
		return nil
	})
}

// In the order of the batch attributes' codec bits.
func (f *franz) codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

func (f *franz) codec(name string) kgo.CompressionCodec {
	return []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	}[slices.Index(f.codecs(), name)]
}

type franzProducer struct{ cl *kgo.Client }

func (f *franz) producer(s settings) (producer, error) {
	acks := map[int16]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck(), -1: kgo.AllISRAcks()}[s.acks]
	opts := []kgo.Opt{
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(f.codec(s.codec)),
		kgo.RequiredAcks(acks),
	}
	if s.idempotent {
		// Several batches in flight, so that the sequence numbers matter.
		opts = append(opts, kgo.MaxBufferedRecords(1000), kgo.ProducerBatchMaxBytes(8<<10), kgo.ProducerLinger(0))
	} else {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	cl, err := f.open(opts...)
	return franzProducer{cl}, err
}

func (p franzProducer) send(ctx context.Context, topic string, records []record) error {
	var out []*kgo.Record
	for _, r := range records {
		k := &kgo.Record{Topic: topic, Partition: r.partition, Key: r.key, Value: r.value, Timestamp: r.time}
		for _, h := range r.headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.name, Value: h.value})
		}
		out = append(out, k)
	}
	return p.cl.ProduceSync(ctx, out...).FirstErr()
}

func (p franzProducer) close() error {
	p.cl.Close()
	return nil
}

func (f *franz) fromWire(k *kgo.Record) record {
	r := record{
		partition: k.Partition, offset: k.Offset, key: k.Key, value: k.Value, time: k.Timestamp,
		batch: &batch{codec: f.codecs()[k.Attrs.CompressionType()], idempotent: k.ProducerID >= 0},
	}
	for _, h := range k.Headers {
		r.headers = append(r.headers, header{h.Key, h.Value})
	}
	return r
}

func (f *franz) read(ctx context.Context, topic string, from int64, n int) ([]record, error) {
	return f.readFrom(ctx, topic, from, n)
}

func (f *franz) readFrom(ctx context.Context, topic string, from int64, n int, opts ...kgo.Opt) ([]record, error) {
	start := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(from)}}
	cl, err := f.open(append(opts, kgo.ConsumePartitions(start))...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var got []record
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return got, fmt.Errorf("after %d of %d records: %w", len(got), n, err)
		}
		fetches.EachRecord(func(k *kgo.Record) { got = append(got, f.fromWire(k)) })
	}
	return got, nil
}

func (f *franz) endOffset(ctx context.Context, topic string) (int64, error) {
	return only(f.adm.ListEndOffsets(ctx, topic))
}

func (f *franz) offsetAt(ctx context.Context, topic string, at time.Time) (int64, error) {
	return only(f.adm.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic))
}

// only is the offset of the first partition of the only topic.
func only(listed kadm.ListedOffsets, err error) (int64, error) {
	if err := errors.Join(err, listed.Error()); err != nil {
		return 0, err
	}
	for _, partitions := range listed {
		return partitions[0].Offset, nil
	}
	return 0, errors.New("no offset listed")
}

func (f *franz) committed(ctx context.Context, group, topic string, partitions int32) (map[int32]int64, error) {
	responses, err := f.adm.FetchOffsetsForTopics(ctx, group, topic)
	if err := errors.Join(err, responses.Error()); err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	responses.Each(func(r kadm.OffsetResponse) { offsets[r.Partition] = r.At })
	return offsets, nil
}

type franzMember struct {
	cl     *kgo.Client
	mu     sync.Mutex
	owned  map[int32]bool
	finish func() error
}

func (f *franz) join(group, topic string, handle func(record) bool) (member, error) {
	m := &franzMember{owned: map[int32]bool{}}
	note := func(mine bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, moved map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, p := range moved[topic] {
				if mine {
					m.owned[p] = true
				} else {
					delete(m.owned, p)
				}
			}
		}
	}
	cl, err := f.open(append(f.protocol,
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)), kgo.OnPartitionsLost(note(false)),
		// Members learn of a rebalance by their heartbeat.
		kgo.HeartbeatInterval(200*time.Millisecond), kgo.SessionTimeout(10*time.Second),
	)...)
	if err != nil {
		return nil, err
	}
	m.cl = cl
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.consume(ctx, f, handle) }()
	m.finish = sync.OnceValue(func() error {
		stop()
		err := <-ended
		cl.CloseAllowingRebalance()
		return err
	})
	return m, nil
}

func (m *franzMember) consume(ctx context.Context, f *franz, handle func(record) bool) error {
	for {
		fetches := m.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		var done []*kgo.Record
		all := fetches.Records()
		for _, k := range all {
			if !handle(f.fromWire(k)) {
				break
			}
			done = append(done, k)
		}
		if err := m.cl.CommitRecords(context.Background(), done...); err != nil {
			return err
		}
		m.cl.AllowRebalance()
		if len(done) < len(all) {
			return nil
		}
	}
}

func (m *franzMember) assigned() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var owned []int32
	for p := range m.owned {
		owned = append(owned, p)
	}
	return owned
}

func (m *franzMember) leave() error { return m.finish() }

func (f *franz) admin(ctx context.Context, t *trial) error {
	topic, retention := t.name, "172800000" // two days
	configs := map[string]*string{"retention.ms": &retention, "message.timestamp.type": kadm.StringPtr("CreateTime")}
	if _, err := f.adm.ValidateCreateTopics(ctx, 3, 1, configs, topic); err != nil {
		return fmt.Errorf("validate topic: %w", err)
	}
	if err := f.wantPartitions(ctx, topic, 0); err != nil {
		return fmt.Errorf("after validation only: %w", err)
	}
	created, err := f.adm.CreateTopic(ctx, 3, 1, configs, topic)
	if err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	if created.NumPartitions != 3 || created.ID == (kadm.TopicID{}) {
		return fmt.Errorf("create topic: %+v", created)
	}
	if _, err := f.adm.CreateTopic(ctx, 3, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic again: %v", err)
	}
	if err := wait(ctx, func() error { return f.wantPartitions(ctx, topic, 3) }); err != nil {
		return err
	}
	metadata, err := f.adm.Metadata(ctx)
	if err != nil {
		return err
	}
	if metadata.Topics[topic].ID != created.ID || len(metadata.Brokers) != 1 || metadata.Cluster == "" {
		return fmt.Errorf("metadata: %+v, topic created with id %v", metadata, created.ID)
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, string) error
	}{
		{"configs", f.adminConfigs}, {"partitions", f.adminPartitions}, {"offsets", f.adminOffsets}, {"groups", f.adminGroups},
	} {
		if err := step.run(ctx, topic); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if _, err := f.adm.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete topic: %w", err)
	}
	if err := wait(ctx, func() error { return f.wantPartitions(ctx, topic, 0) }); err != nil {
		return fmt.Errorf("the topic is not gone: %w", err)
	}
	if _, err := f.adm.DeleteTopic(ctx, topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic again: %v", err)
	}
	return nil
}

// wantPartitions takes 0 for a topic that must not exist.
func (f *franz) wantPartitions(ctx context.Context, topic string, n int) error {
	topics, err := f.adm.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	d := topics[topic]
	if n == 0 {
		if !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("%s exists: %+v", topic, d)
		}
		return nil
	}
	if d.Err != nil || len(d.Partitions) != n {
		return fmt.Errorf("%s has %d partitions instead of %d (%v)", topic, len(d.Partitions), n, d.Err)
	}
	for _, p := range d.Partitions {
		if p.Err != nil || p.Leader < 0 || len(p.ISR) == 0 {
			return fmt.Errorf("%s/%d: %+v", topic, p.Partition, p)
		}
	}
	return nil
}

func (f *franz) topicConfig(ctx context.Context, topic, key string) (kadm.Config, error) {
	described, err := f.adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return kadm.Config{}, err
	}
	resource, err := described.On(topic, nil)
	if err := errors.Join(err, resource.Err); err != nil {
		return kadm.Config{}, err
	}
	for _, c := range resource.Configs {
		if c.Key == key {
			return c, nil
		}
	}
	return kadm.Config{}, fmt.Errorf("no %s among %d configs", key, len(resource.Configs))
}

func (f *franz) wantSetConfig(ctx context.Context, topic, key, value string) error {
	c, err := f.topicConfig(ctx, topic, key)
	if err != nil {
		return err
	}
	if c.MaybeValue() != value || c.Source != kmsg.ConfigSourceDynamicTopicConfig || len(c.Synonyms) == 0 {
		return fmt.Errorf("%s: %+v instead of %s", key, c, value)
	}
	if set := c.Synonyms[0]; set.Source != kmsg.ConfigSourceDynamicTopicConfig || *set.Value != value {
		return fmt.Errorf("%s has synonyms %+v", key, c.Synonyms)
	}
	return nil
}

func (f *franz) adminConfigs(ctx context.Context, topic string) error {
	if err := f.wantSetConfig(ctx, topic, "retention.ms", "172800000"); err != nil {
		return err
	}
	alter := func(op kadm.IncrementalOp, value *string) error {
		responses, err := f.adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: op, Name: "retention.ms", Value: value}}, topic)
		if err != nil {
			return err
		}
		r, err := responses.On(topic, nil)
		return errors.Join(err, r.Err)
	}
	if err := alter(kadm.SetConfig, kadm.StringPtr("259200000")); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return f.wantSetConfig(ctx, topic, "retention.ms", "259200000") }); err != nil {
		return err
	}
	if err := alter(kadm.SetConfig, kadm.StringPtr("soon")); !errors.Is(err, kerr.InvalidConfig) {
		return fmt.Errorf("retention.ms=soon: %v", err)
	}
	if err := alter(kadm.DeleteConfig, nil); err != nil {
		return err
	}
	unset := func() error {
		c, err := f.topicConfig(ctx, topic, "retention.ms")
		if err == nil && (c.Source == kmsg.ConfigSourceDynamicTopicConfig || c.MaybeValue() == "") {
			err = fmt.Errorf("after unsetting: %+v", c)
		}
		return err
	}
	if err := wait(ctx, unset); err != nil {
		return err
	}
	// An incremental change leaves the rest alone.
	if err := f.wantSetConfig(ctx, topic, "message.timestamp.type", "CreateTime"); err != nil {
		return err
	}
	c, err := f.topicConfig(ctx, topic, "message.timestamp.type")
	if err != nil {
		return err
	}
	if last := c.Synonyms[len(c.Synonyms)-1]; last.Source != kmsg.ConfigSourceDefaultConfig {
		return fmt.Errorf("no default among the synonyms %+v", c.Synonyms)
	}
	brokers, err := f.adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	described, err := f.adm.DescribeBrokerConfigs(ctx, brokers.NodeIDs()...)
	if err != nil {
		return err
	}
	if len(described) != 1 || described[0].Err != nil || len(described[0].Configs) == 0 {
		return fmt.Errorf("broker configs: %+v", described)
	}
	return nil
}

func (f *franz) adminPartitions(ctx context.Context, topic string) error {
	responses, err := f.adm.ValidateUpdatePartitions(ctx, 5, topic)
	if err := errors.Join(err, responses.Error()); err != nil {
		return err
	}
	if err := f.wantPartitions(ctx, topic, 3); err != nil {
		return fmt.Errorf("after validation only: %w", err)
	}
	responses, err = f.adm.UpdatePartitions(ctx, 5, topic)
	if err := errors.Join(err, responses.Error()); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return f.wantPartitions(ctx, topic, 5) }); err != nil {
		return err
	}
	responses, err = f.adm.UpdatePartitions(ctx, 4, topic)
	if err := errors.Join(err, responses.Error()); !errors.Is(err, kerr.InvalidPartitions) {
		return fmt.Errorf("fewer partitions: %v", err)
	}
	return nil
}

func (f *franz) adminOffsets(ctx context.Context, topic string) error {
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	records := numbered(0, 3)
	for i := range records {
		records[i].time = start.Add(time.Duration(i) * time.Second)
	}
	p, err := f.producer(settings{codec: "none", acks: -1})
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send(ctx, topic, records); err != nil {
		return err
	}
	after := func(d time.Duration) func(context.Context, ...string) (kadm.ListedOffsets, error) {
		return func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return f.adm.ListOffsetsAfterMilli(ctx, start.Add(d).UnixMilli(), topics...)
		}
	}
	for _, l := range []struct {
		name string
		list func(context.Context, ...string) (kadm.ListedOffsets, error)
		want int64
	}{
		{"start", f.adm.ListStartOffsets, 0},
		{"end", f.adm.ListEndOffsets, 3},
		{"last stable", f.adm.ListCommittedOffsets, 3},
		{"max timestamp", f.adm.ListMaxTimestampOffsets, 2},
		{"by time", after(500 * time.Millisecond), 1},
		{"after all", after(time.Minute), 3}, // kadm turns "none" into the end
	} {
		// The new partitions may not serve yet.
		if err := wait(ctx, func() error {
			listed, err := l.list(ctx, topic)
			if err := errors.Join(err, listed.Error()); err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			if got, ok := listed.Lookup(topic, 0); !ok || got.Offset != l.want || len(listed[topic]) != 5 {
				return fmt.Errorf("%s: %+v instead of %d", l.name, listed, l.want)
			}
			return nil
		}); err != nil {
			return err
		}
	}

	details, err := f.adm.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	epoch := details[topic].Partitions[0].LeaderEpoch
	ends, err := f.adm.OffsetForLeaderEpoch(ctx, kadm.OffsetForLeaderEpochRequest{topic: {0: epoch}})
	if err != nil {
		return err
	}
	if e := ends[topic][0]; e.Err != nil || e.LeaderEpoch != epoch || e.EndOffset != 3 {
		return fmt.Errorf("leader epoch %d ends at %+v", epoch, e)
	}

	dirs, err := f.adm.DescribeAllLogDirs(ctx, kadm.TopicsSet{topic: {0: {}, 1: {}}})
	if err != nil {
		return err
	}
	sizes := map[int32]int64{}
	dirs.Each(func(d kadm.DescribedLogDir) {
		err = errors.Join(err, d.Err)
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) { sizes[p.Partition] = p.Size })
	})
	if err != nil || len(sizes) != 2 || sizes[0] < 300 {
		return fmt.Errorf("log dirs: partition sizes %v (%v)", sizes, err)
	}
	return nil
}

func (f *franz) adminGroups(ctx context.Context, topic string) error {
	group := topic
	m, err := f.join(group, topic, func(record) bool { return true })
	if err != nil {
		return err
	}
	defer m.leave()
	if err := eventually(ctx, "a member with five partitions", func() bool { return len(m.assigned()) == 5 }); err != nil {
		return err
	}
	listed, err := f.adm.ListGroups(ctx)
	if err != nil {
		return err
	}
	if g, ok := listed[group]; !ok || g.ProtocolType != "consumer" {
		return fmt.Errorf("list: %+v", listed)
	}
	described := func(state string, members, partitions int) error {
		groups, err := f.adm.DescribeGroups(ctx, group)
		if err := errors.Join(err, groups.Error()); err != nil {
			return err
		}
		g := groups[group]
		if g.State != state || len(g.Members) != members || len(g.AssignedPartitions()[topic]) != partitions {
			return fmt.Errorf("describe: %+v", g)
		}
		return nil
	}
	if err := wait(ctx, func() error { return described("Stable", 1, 5) }); err != nil {
		return err
	}
	if err := wait(ctx, func() error {
		lags, err := f.adm.Lag(ctx, group)
		if err := errors.Join(err, lags.Error()); err != nil {
			return err
		}
		if lag := lags[group].Lag[topic][0]; lag.Commit.At != 3 || lag.Lag != 0 {
			return fmt.Errorf("lag: %+v", lag)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := m.leave(); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return described("Empty", 0, 0) }); err != nil {
		return err
	}

	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 1, LeaderEpoch: -1, Metadata: "a note"})
	offsets.Add(kadm.Offset{Topic: topic, Partition: 4, At: 0, LeaderEpoch: -1})
	if err := f.adm.CommitAllOffsets(ctx, group, offsets); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	fetched, err := f.adm.FetchOffsets(ctx, group)
	if err := errors.Join(err, fetched.Error()); err != nil {
		return err
	}
	if o := fetched[topic][0]; o.At != 1 || o.Metadata != "a note" || len(fetched[topic]) != 2 {
		return fmt.Errorf("fetched offsets: %+v", fetched)
	}
	deleted, err := f.adm.DeleteOffsets(ctx, group, kadm.TopicsSet{topic: {0: {}}})
	if err := errors.Join(err, deleted.Error()); err != nil {
		return fmt.Errorf("delete offsets: %w", err)
	}
	fetched, err = f.adm.FetchOffsets(ctx, group)
	if err := errors.Join(err, fetched.Error()); err != nil {
		return err
	}
	if _, ok := fetched.Lookup(topic, 4); !ok || len(fetched[topic]) != 1 {
		return fmt.Errorf("after deleting the offset of partition 0: %+v", fetched)
	}
	if _, err := f.adm.DeleteGroup(ctx, group); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	listed, err = f.adm.ListGroups(ctx)
	if _, ok := listed[group]; ok || err != nil {
		return fmt.Errorf("after deleting: %+v (%v)", listed, err)
	}
	// Up to version 5 of the request a group that is not there is dead, from version 6 on an error.
	if err := described("Dead", 0, 0); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return err
	}
	return nil
}
