package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

type kafkaGo struct {
	bootstrap string
	cl        *kafka.Client
}

func connectKafkaGo(bootstrap string) (client, error) {
	return &kafkaGo{bootstrap, &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 10 * time.Second}}, nil
}

func (k *kafkaGo) close() {}

func (k *kafkaGo) blursEmpty() string {
	return "without empty keys and values, which this client reads as null"
}

func (k *kafkaGo) inConsumerProtocol() (client, error) {
	return nil, lacks("kafka-go has the classic protocol only")
}

func (k *kafkaGo) transaction(context.Context, string, string, []record, bool) error {
	return lacks("kafka-go's writer has no transactions")
}

func (k *kafkaGo) copyOnce(context.Context, string, string, string, int) error {
	return lacks("kafka-go's writer has no transactions")
}

func (k *kafkaGo) readCommitted(ctx context.Context, topic string, n int) ([]record, error) {
	return k.readFrom(ctx, topic, 0, n, kafka.ReadCommitted)
}

func (k *kafkaGo) createTopic(ctx context.Context, topic string, partitions int32) error {
	request := &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: int(partitions), ReplicationFactor: 1}},
	}
	response, err := k.cl.CreateTopics(ctx, request)
	if err != nil {
		return err
	}
	if err := response.Errors[topic]; err != nil {
		return err
	}
	return wait(ctx, func() error {
		for p := range partitions {
			if _, err := k.offset(ctx, topic, kafka.LastOffsetOf(int(p))); err != nil {
				return err
			}
		}
		return nil
	})
}

// In the order of kafka-go's constants.
func (k *kafkaGo) codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

type kafkaGoProducer struct{ *kafka.Writer }

func (k *kafkaGo) producer(s settings) (producer, error) {
	if s.idempotent {
		return nil, lacks("kafka-go's writer is not idempotent")
	}
	return kafkaGoProducer{&kafka.Writer{
		Addr: kafka.TCP(k.bootstrap),
		// The partition is that of the record.
		Balancer:     kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) }),
		RequiredAcks: kafka.RequiredAcks(s.acks),
		Compression:  kafka.Compression(slices.Index(k.codecs(), s.codec)),
		BatchTimeout: 5 * time.Millisecond,
	}}, nil
}

func (p kafkaGoProducer) send(ctx context.Context, topic string, records []record) error {
	var out []kafka.Message
	for _, r := range records {
		m := kafka.Message{Topic: topic, Key: r.key, Value: r.value, Time: r.time, WriterData: int(r.partition)}
		for _, h := range r.headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.name, Value: h.value})
		}
		out = append(out, m)
	}
	return p.WriteMessages(ctx, out...)
}

func (p kafkaGoProducer) close() error { return p.Close() }

func fromKafkaGo(m kafka.Message) record {
	r := record{partition: int32(m.Partition), offset: m.Offset, key: m.Key, value: m.Value, time: m.Time}
	for _, h := range m.Headers {
		r.headers = append(r.headers, header{h.Key, h.Value})
	}
	return r
}

func (k *kafkaGo) reader(topic string, partition int, isolation kafka.IsolationLevel) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{k.bootstrap}, Topic: topic, Partition: partition, IsolationLevel: isolation,
		MaxWait: 100 * time.Millisecond, ReadBackoffMin: 10 * time.Millisecond, ReadBackoffMax: 100 * time.Millisecond,
	})
}

func (k *kafkaGo) read(ctx context.Context, topic string, from int64, n int) ([]record, error) {
	return k.readFrom(ctx, topic, from, n, kafka.ReadUncommitted)
}

func (k *kafkaGo) readFrom(
	ctx context.Context, topic string, from int64, n int, isolation kafka.IsolationLevel,
) ([]record, error) {
	reader := k.reader(topic, 0, isolation)
	defer reader.Close()
	if err := reader.SetOffset(from); err != nil {
		return nil, err
	}
	var got []record
	for len(got) < n {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return got, fmt.Errorf("after %d of %d records: %w", len(got), n, err)
		}
		got = append(got, fromKafkaGo(m))
	}
	return got, nil
}

func (k *kafkaGo) offset(ctx context.Context, topic string, of kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	response, err := k.cl.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {of}}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	if len(response.Topics[topic]) != 1 {
		return kafka.PartitionOffsets{}, fmt.Errorf("%d answers for one partition", len(response.Topics[topic]))
	}
	found := response.Topics[topic][0]
	return found, found.Error
}

func (k *kafkaGo) endOffset(ctx context.Context, topic string) (int64, error) {
	found, err := k.offset(ctx, topic, kafka.LastOffsetOf(0))
	return found.LastOffset, err
}

func (k *kafkaGo) offsetAt(ctx context.Context, topic string, at time.Time) (int64, error) {
	found, err := k.offset(ctx, topic, kafka.TimeOffsetOf(0, at))
	for offset := range found.Offsets {
		return offset, err
	}
	return 0, errors.Join(err, errors.New("no offset listed"))
}

func (k *kafkaGo) committed(ctx context.Context, group, topic string, partitions int32) (map[int32]int64, error) {
	var all []int
	for p := range partitions {
		all = append(all, int(p))
	}
	response, err := k.cl.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: all}})
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for _, p := range response.Topics[topic] {
		if p.Error != nil {
			return nil, p.Error
		}
		offsets[int32(p.Partition)] = p.CommittedOffset
	}
	return offsets, response.Error
}

type kafkaGoMember struct {
	client *kafkaGo
	topic  string
	handle func(record) bool
	mu     sync.Mutex // also of the handler, which one partition at a time may call
	full   bool
	owned  []int32
	finish func() error
}

func (k *kafkaGo) join(group, topic string, handle func(record) bool) (member, error) {
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: []string{k.bootstrap}, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		// Members learn of a rebalance by their heartbeat.
		HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: 10 * time.Second, JoinGroupBackoff: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	m := &kafkaGoMember{client: k, topic: topic, handle: handle}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			// While the server is away it is asked again.
			if generation, err := g.Next(ctx); err == nil {
				m.begin(generation)
			}
		}
	}()
	m.finish = sync.OnceValue(func() error {
		stop()
		<-ended
		return g.Close()
	})
	return m, nil
}

func (m *kafkaGoMember) begin(generation *kafka.Generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owned = nil
	for _, p := range generation.Assignments[m.topic] {
		m.owned = append(m.owned, int32(p.ID))
		generation.Start(func(ctx context.Context) { m.consume(ctx, generation, p) })
	}
}

// consume ends with the generation, whatever is the matter with a read or a commit: the next one begins at what was committed.
func (m *kafkaGoMember) consume(ctx context.Context, generation *kafka.Generation, p kafka.PartitionAssignment) {
	reader := m.client.reader(m.topic, p.ID, kafka.ReadUncommitted)
	defer reader.Close()
	for reader.SetOffset(p.Offset) == nil {
		message, err := reader.ReadMessage(ctx)
		if err != nil || !m.hand(message) {
			break
		}
		p.Offset = message.Offset + 1
		if generation.CommitOffsets(map[string]map[int]int64{m.topic: {p.ID: p.Offset}}) != nil {
			break
		}
	}
	<-ctx.Done()
}

func (m *kafkaGoMember) hand(message kafka.Message) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = m.full || !m.handle(fromKafkaGo(message))
	return !m.full
}

func (m *kafkaGoMember) assigned() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.owned)
}

func (m *kafkaGoMember) leave() error { return m.finish() }

func (k *kafkaGo) admin(ctx context.Context, t *trial) error {
	topic := t.name
	if err := k.createTopic(ctx, topic, 3); err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	if err := k.createTopic(ctx, topic, 3); !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("create topic again: %v", err)
	}
	if err := k.wantPartitions(ctx, topic, 3); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, string) error
	}{{"configs", k.adminConfigs}, {"partitions", k.adminPartitions}, {"groups", k.adminGroups}} {
		if err := step.run(ctx, topic); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	deleteTopic := func() error {
		response, err := k.cl.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		return response.Errors[topic]
	}
	if err := deleteTopic(); err != nil {
		return fmt.Errorf("delete topic: %w", err)
	}
	if err := wait(ctx, func() error { return k.wantPartitions(ctx, topic, 0) }); err != nil {
		return fmt.Errorf("the topic is not gone: %w", err)
	}
	if err := deleteTopic(); !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return fmt.Errorf("delete topic again: %v", err)
	}
	return nil
}

// wantPartitions takes 0 for a topic that must not exist.
func (k *kafkaGo) wantPartitions(ctx context.Context, topic string, n int) error {
	metadata, err := k.cl.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	found := 0
	for _, one := range metadata.Topics {
		if one.Name == topic {
			found = len(one.Partitions)
		}
	}
	if found != n || len(metadata.Brokers) != 1 {
		return fmt.Errorf("%d partitions instead of %d, %d brokers", found, n, len(metadata.Brokers))
	}
	return nil
}

func (k *kafkaGo) adminConfigs(ctx context.Context, topic string) error {
	alter := func(value string) error {
		response, err := k.cl.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{
					{Name: "retention.ms", Value: value, ConfigOperation: kafka.ConfigOperationSet},
				},
			}},
		})
		if err != nil {
			return err
		}
		return response.Resources[0].Error
	}
	if err := alter("172800000"); err != nil {
		return err
	}
	if err := alter("soon"); !errors.Is(err, kafka.InvalidConfiguration) {
		return fmt.Errorf("retention.ms=soon: %v", err)
	}
	return wait(ctx, func() error {
		described, err := k.cl.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{
				{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}},
			},
		})
		if err != nil {
			return err
		}
		entries := described.Resources[0].ConfigEntries
		if len(entries) != 1 || entries[0].ConfigValue != "172800000" || entries[0].ConfigSource != 1 {
			return fmt.Errorf("configs: %+v", entries)
		}
		return nil
	})
}

func (k *kafkaGo) adminPartitions(ctx context.Context, topic string) error {
	response, err := k.cl.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 5}},
	})
	if err != nil {
		return err
	}
	if err := response.Errors[topic]; err != nil {
		return err
	}
	return wait(ctx, func() error { return k.wantPartitions(ctx, topic, 5) })
}

func (k *kafkaGo) adminGroups(ctx context.Context, group string) error {
	m, err := k.join(group, group, func(record) bool { return true })
	if err != nil {
		return err
	}
	state := func(want string, members int) func() error {
		return func() error {
			described, err := k.cl.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
			if err != nil {
				return err
			}
			if one := described.Groups[0]; one.GroupState != want || len(one.Members) != members {
				return fmt.Errorf("%s with %d members instead of %s with %d", one.GroupState, len(one.Members), want, members)
			}
			return nil
		}
	}
	if err := wait(ctx, state("Stable", 1)); err != nil {
		return errors.Join(err, m.leave())
	}
	if err := m.leave(); err != nil {
		return err
	}
	if err := wait(ctx, state("Empty", 0)); err != nil {
		return err
	}
	listed, err := k.cl.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(listed.Groups, func(one kafka.ListGroupsResponseGroup) bool { return one.GroupID == group }) {
		return fmt.Errorf("%s is not among %d groups", group, len(listed.Groups))
	}
	deleted, err := k.cl.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return deleted.Errors[group]
}
