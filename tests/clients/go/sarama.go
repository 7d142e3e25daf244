package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaClient struct {
	bootstrap string
	cl        sarama.Client
	adm       sarama.ClusterAdmin
}

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	// Sarama speaks the versions of the broker it is told of, not of the one it finds.
	c.Version = sarama.V4_3_1_0
	// Else a look at a deleted topic would bring it back.
	c.Metadata.AllowAutoTopicCreation = false
	return c
}

func connectSarama(bootstrap string) (client, error) {
	cl, err := sarama.NewClient([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	adm, err := sarama.NewClusterAdminFromClient(cl)
	if err != nil {
		return nil, errors.Join(err, cl.Close())
	}
	return &saramaClient{bootstrap, cl, adm}, nil
}

// close closes the client below it, too.
func (s *saramaClient) close() { s.adm.Close() }

func (s *saramaClient) createTopic(ctx context.Context, topic string, partitions int32) error {
	err := s.adm.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
	if err != nil {
		return err
	}
	return wait(ctx, func() error {
		for p := range partitions {
			if _, err := s.cl.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
				return err
			}
		}
		return nil
	})
}

// In the order of sarama's constants.
func (s *saramaClient) codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

type saramaProducer struct{ sarama.SyncProducer }

func (s *saramaClient) producer(set settings) (producer, error) {
	c := saramaConfig()
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Compression = sarama.CompressionCodec(slices.Index(s.codecs(), set.codec))
	c.Producer.RequiredAcks = sarama.RequiredAcks(set.acks)
	c.Producer.Return.Successes = true
	if set.idempotent {
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
		c.Producer.Flush.MaxMessages = 100
	}
	p, err := sarama.NewSyncProducer([]string{s.bootstrap}, c)
	return saramaProducer{p}, err
}

// bytesOrNull: only a missing encoder is null to sarama.
func bytesOrNull(b []byte) sarama.Encoder {
	if b == nil {
		return nil
	}
	return sarama.ByteEncoder(b)
}

func (p saramaProducer) send(_ context.Context, topic string, records []record) error {
	var out []*sarama.ProducerMessage
	for _, r := range records {
		m := &sarama.ProducerMessage{
			Topic: topic, Partition: r.partition, Key: bytesOrNull(r.key), Value: bytesOrNull(r.value), Timestamp: r.time,
		}
		for _, h := range r.headers {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.name), Value: h.value})
		}
		out = append(out, m)
	}
	return p.SendMessages(out)
}

func (p saramaProducer) close() error { return p.Close() }

func fromSarama(m *sarama.ConsumerMessage) record {
	r := record{partition: m.Partition, offset: m.Offset, key: m.Key, value: m.Value, time: m.Timestamp}
	for _, h := range m.Headers {
		r.headers = append(r.headers, header{string(h.Key), h.Value})
	}
	return r
}

func (s *saramaClient) inConsumerProtocol() (client, error) {
	return nil, lacks("sarama has the classic protocol only")
}

func (s *saramaClient) read(ctx context.Context, topic string, from int64, n int) ([]record, error) {
	return s.readFrom(ctx, topic, from, n, sarama.ReadUncommitted)
}

func (s *saramaClient) readFrom(
	ctx context.Context, topic string, from int64, n int, isolation sarama.IsolationLevel,
) ([]record, error) {
	config := saramaConfig()
	config.Consumer.IsolationLevel = isolation
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer([]string{s.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, from)
	if err != nil {
		return nil, err
	}
	defer partition.AsyncClose()
	var got []record
	for len(got) < n {
		select {
		case m := <-partition.Messages():
			got = append(got, fromSarama(m))
		case err := <-partition.Errors():
			return got, err
		case <-ctx.Done():
			return got, fmt.Errorf("deadline passed after %d of %d records", len(got), n)
		}
	}
	return got, nil
}

func (s *saramaClient) endOffset(_ context.Context, topic string) (int64, error) {
	return s.cl.GetOffset(topic, 0, sarama.OffsetNewest)
}

func (s *saramaClient) offsetAt(_ context.Context, topic string, at time.Time) (int64, error) {
	return s.cl.GetOffset(topic, 0, at.UnixMilli())
}

func (s *saramaClient) committed(_ context.Context, group, topic string, partitions int32) (map[int32]int64, error) {
	var all []int32
	for p := range partitions {
		all = append(all, p)
	}
	response, err := s.adm.ListConsumerGroupOffsets(group, map[string][]int32{topic: all})
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, p := range all {
		block := response.GetBlock(topic, p)
		if block == nil {
			return nil, fmt.Errorf("no answer for partition %d", p)
		}
		if block.Err != sarama.ErrNoError {
			return nil, block.Err
		}
		offsets[p] = block.Offset
	}
	return offsets, nil
}

type saramaMember struct {
	handle func(record) bool
	topic  string
	mu     sync.Mutex
	owned  []int32
	finish func() error
}

func (s *saramaClient) join(group, topic string, handle func(record) bool) (member, error) {
	config := saramaConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// A commit shares its connection with the fetch that waits for records, so one for each record
	// would cost half a second each.
	config.Consumer.Offsets.AutoCommit.Interval = 100 * time.Millisecond
	config.Consumer.Return.Errors = true
	// Members learn of a rebalance by their heartbeat.
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	g, err := sarama.NewConsumerGroup([]string{s.bootstrap}, group, config)
	if err != nil {
		return nil, err
	}
	m := &saramaMember{handle: handle, topic: topic}
	ctx, stop := context.WithCancel(context.Background())
	consumed := make(chan error, 1)
	go func() {
		// Consume returns at each rebalance.
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, m); err != nil && ctx.Err() == nil {
				consumed <- err
				return
			}
		}
		consumed <- nil
	}()
	reported := make(chan error, 1)
	go func() {
		var all error
		for err := range g.Errors() {
			all = errors.Join(all, err)
		}
		reported <- all
	}()
	m.finish = sync.OnceValue(func() error {
		stop()
		err := <-consumed
		return errors.Join(err, g.Close(), <-reported)
	})
	return m, nil
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.own(session.Claims()[m.topic])
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error {
	m.own(nil)
	return nil
}

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			if !m.handle(fromSarama(message)) {
				// To return would make the member join anew.
				<-session.Context().Done()
				return nil
			}
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *saramaMember) own(partitions []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned = partitions
}

func (m *saramaMember) assigned() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owned)
}

func (m *saramaMember) leave() error { return m.finish() }

func (s *saramaClient) admin(ctx context.Context, t *trial) error {
	topic, retention := t.name, "172800000" // two days
	detail := &sarama.TopicDetail{
		NumPartitions: 3, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention},
	}
	if err := s.adm.CreateTopic(topic, detail, true); err != nil {
		return fmt.Errorf("validate topic: %w", err)
	}
	if err := s.wantPartitions(topic, 0); err != nil {
		return fmt.Errorf("after validation only: %w", err)
	}
	if err := s.adm.CreateTopic(topic, detail, false); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	if err := s.adm.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("create topic again: %v", err)
	}
	if err := wait(ctx, func() error { return s.wantPartitions(topic, 3) }); err != nil {
		return err
	}
	brokers, controller, err := s.adm.DescribeCluster()
	if err != nil || len(brokers) != 1 || brokers[0].ID() != controller {
		return fmt.Errorf("describe cluster: %v, controller %d (%v)", brokers, controller, err)
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, string) error
	}{
		{"configs", s.adminConfigs}, {"partitions", s.adminPartitions}, {"groups", s.adminGroups}, {"log dirs", s.adminLogDirs},
	} {
		if err := step.run(ctx, topic); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	if err := s.adm.DeleteTopic(topic); err != nil {
		return fmt.Errorf("delete topic: %w", err)
	}
	if err := wait(ctx, func() error { return s.wantPartitions(topic, 0) }); err != nil {
		return fmt.Errorf("the topic is not gone: %w", err)
	}
	listed, err := s.adm.ListTopics()
	if _, ok := listed[topic]; ok || err != nil {
		return fmt.Errorf("the topic is still listed: %+v (%v)", listed, err)
	}
	return nil
}

// wantPartitions takes 0 for a topic that must not exist.
func (s *saramaClient) wantPartitions(topic string, n int) error {
	described, err := s.adm.DescribeTopics([]string{topic})
	if err != nil {
		return err
	}
	if len(described) != 1 || len(described[0].Partitions) != n {
		return fmt.Errorf("%s: %+v instead of %d partitions", topic, described, n)
	}
	if n == 0 {
		if described[0].Err != sarama.ErrUnknownTopicOrPartition {
			return fmt.Errorf("%s: %w", topic, described[0].Err)
		}
		return nil
	}
	if described[0].Err != sarama.ErrNoError {
		return described[0].Err
	}
	for _, p := range described[0].Partitions {
		if p.Err != sarama.ErrNoError || p.Leader < 0 {
			return fmt.Errorf("%s/%d: %+v", topic, p.ID, p)
		}
	}
	listed, err := s.adm.ListTopics()
	if err == nil && listed[topic].NumPartitions != int32(n) {
		err = fmt.Errorf("%s is listed with %d partitions instead of %d", topic, listed[topic].NumPartitions, n)
	}
	return err
}

func (s *saramaClient) adminConfigs(ctx context.Context, topic string) error {
	retention := func() (sarama.ConfigEntry, error) {
		results, err := s.adm.DescribeConfigs(
			[]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic}},
			sarama.DescribeConfigsOptions{IncludeSynonyms: true},
		)
		if err != nil {
			return sarama.ConfigEntry{}, err
		}
		if len(results) != 1 || results[0].ErrorCode != sarama.ErrNoError {
			return sarama.ConfigEntry{}, fmt.Errorf("%+v", results)
		}
		for _, e := range results[0].Configs {
			if e.Name == "retention.ms" {
				return e, nil
			}
		}
		return sarama.ConfigEntry{}, fmt.Errorf("no retention.ms among %d configs", len(results[0].Configs))
	}
	want := func(value string) error {
		e, err := retention()
		if err != nil {
			return err
		}
		if e.Value != value || e.Source != sarama.SourceTopic || e.Default || len(e.Synonyms) == 0 || e.Synonyms[0].ConfigValue != value {
			return fmt.Errorf("%+v instead of %s", e, value)
		}
		return nil
	}
	if err := want("172800000"); err != nil {
		return err
	}
	alter := func(op sarama.IncrementalAlterConfigsOperation, value *string) error {
		return s.adm.IncrementalAlterConfig(sarama.TopicResource, topic,
			map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: op, Value: value}}, false)
	}
	three, four := "259200000", "345600000"
	if err := alter(sarama.IncrementalAlterConfigsOperationSet, &three); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return want(three) }); err != nil {
		return err
	}
	if err := alter(sarama.IncrementalAlterConfigsOperationDelete, nil); err != nil {
		return err
	}
	if err := wait(ctx, func() error {
		e, err := retention()
		if err == nil && e.Source == sarama.SourceTopic {
			err = fmt.Errorf("after unsetting: %+v", e)
		}
		return err
	}); err != nil {
		return err
	}
	// The older request, which replaces all settings of the topic.
	if err := s.adm.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &four}, false); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return want(four) }); err != nil {
		return err
	}
	broker, err := s.adm.Controller()
	if err != nil {
		return err
	}
	entries, err := s.adm.DescribeConfig(sarama.ConfigResource{Type: sarama.BrokerResource, Name: fmt.Sprint(broker.ID())})
	if err != nil || len(entries) == 0 {
		return fmt.Errorf("broker configs: %v (%v)", entries, err)
	}
	return nil
}

func (s *saramaClient) adminPartitions(ctx context.Context, topic string) error {
	if err := s.adm.CreatePartitions(topic, 5, nil, true); err != nil {
		return err
	}
	if err := s.wantPartitions(topic, 3); err != nil {
		return fmt.Errorf("after validation only: %w", err)
	}
	if err := s.adm.CreatePartitions(topic, 5, nil, false); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return s.wantPartitions(topic, 5) }); err != nil {
		return err
	}
	if err := s.adm.CreatePartitions(topic, 4, nil, false); !errors.Is(err, sarama.ErrInvalidPartitions) {
		return fmt.Errorf("fewer partitions: %v", err)
	}
	return nil
}

func (s *saramaClient) adminGroups(ctx context.Context, topic string) error {
	group := topic
	p, err := s.producer(settings{codec: "none", acks: -1})
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send(ctx, topic, numbered(0, 3)); err != nil {
		return err
	}
	m, err := s.join(group, topic, func(record) bool { return true })
	if err != nil {
		return err
	}
	defer m.leave()
	want := func(state string, members int) error {
		groups, err := s.adm.DescribeConsumerGroups([]string{group})
		if err != nil {
			return err
		}
		if len(groups) != 1 || groups[0].Err != sarama.ErrNoError || groups[0].State != state || len(groups[0].Members) != members {
			return fmt.Errorf("describe: %+v", groups[0])
		}
		for _, member := range groups[0].Members {
			assignment, err := member.GetMemberAssignment()
			if err != nil || len(assignment.Topics[topic]) != 5 {
				return fmt.Errorf("describe: assignment %+v (%v)", assignment, err)
			}
		}
		return nil
	}
	if err := wait(ctx, func() error { return want("Stable", 1) }); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return s.wantOffset(group, topic, 3, "") }); err != nil {
		return err
	}
	groups, err := s.adm.ListConsumerGroups()
	if err != nil || groups[group] != "consumer" {
		return fmt.Errorf("list: %v (%v)", groups, err)
	}
	if err := m.leave(); err != nil {
		return err
	}
	if err := wait(ctx, func() error { return want("Empty", 0) }); err != nil {
		return err
	}
	committed, err := s.adm.AlterConsumerGroupOffsets(group,
		map[string]map[int32]sarama.OffsetAndMetadata{topic: {0: {Offset: 1, Metadata: "a note", LeaderEpoch: -1}}}, nil)
	if err != nil {
		return err
	}
	if code := committed.Errors[topic][0]; code != sarama.ErrNoError {
		return code
	}
	if err := s.wantOffset(group, topic, 1, "a note"); err != nil {
		return err
	}
	if err := s.adm.DeleteConsumerGroupOffset(group, topic, 0); err != nil {
		return err
	}
	if err := s.wantOffset(group, topic, -1, ""); err != nil {
		return err
	}
	if err := s.adm.DeleteConsumerGroup(group); err != nil {
		return err
	}
	groups, err = s.adm.ListConsumerGroups()
	if _, ok := groups[group]; ok || err != nil {
		return fmt.Errorf("after deleting: %v (%v)", groups, err)
	}
	return nil
}

func (s *saramaClient) wantOffset(group, topic string, offset int64, metadata string) error {
	response, err := s.adm.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
	if err != nil {
		return err
	}
	b := response.GetBlock(topic, 0)
	if b == nil || b.Err != sarama.ErrNoError || b.Offset != offset || b.Metadata != metadata {
		return fmt.Errorf("committed %+v instead of %d %q", b, offset, metadata)
	}
	return nil
}

func (s *saramaClient) adminLogDirs(_ context.Context, topic string) error {
	broker, err := s.adm.Controller()
	if err != nil {
		return err
	}
	dirs, err := s.adm.DescribeLogDirs([]int32{broker.ID()})
	if err != nil {
		return err
	}
	sizes := map[int32]int64{}
	for _, d := range dirs[broker.ID()] {
		if d.ErrorCode != sarama.ErrNoError {
			return d.ErrorCode
		}
		for _, found := range d.Topics {
			if found.Topic == topic {
				for _, p := range found.Partitions {
					sizes[p.PartitionID] = p.Size
				}
			}
		}
	}
	if len(sizes) != 5 || sizes[0] < 300 {
		return fmt.Errorf("partition sizes %v", sizes)
	}
	return nil
}
