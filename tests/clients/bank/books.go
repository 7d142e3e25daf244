package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// books are what readers of committed records see, at both doors.
type books struct {
	b      *bank
	kafka  *kgo.Client
	admin  *kadm.Client
	ledger map[string]*ledger
}

// ledger is what one door has shown: the postings of each topic and partition in their order.
type ledger struct {
	door     string
	postings map[string][]string
	// Amounts by topic and transfer.
	amounts map[string]map[int]int
	sum     int
}

func (b *bank) open() (*books, error) {
	client, err := b.client(
		kgo.ConsumeTopics(debits, credits),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(50*time.Millisecond),
	)
	if err != nil {
		return nil, err
	}
	found := &books{b: b, kafka: client, admin: kadm.NewClient(client), ledger: map[string]*ledger{}}
	for _, door := range []string{"Kafka", "Kinesis"} {
		found.ledger[door] = &ledger{door: door, postings: map[string][]string{}, amounts: map[string]map[int]int{debits: {}, credits: {}}}
	}
	return found, nil
}

func (books *books) close() { books.kafka.Close() }

// check returns when all transfers asked for were seen at both doors, each once and whole.
func (books *books) check(ctx context.Context, asked int) error {
	ctx, cancel := context.WithTimeout(ctx, timeout+slack)
	defer cancel()
	if err := books.readKafka(ctx, asked); err != nil {
		return err
	}
	if err := books.readKinesis(ctx, asked); err != nil {
		return err
	}
	kafka, kinesis := books.ledger["Kafka"], books.ledger["Kinesis"]
	for place, postings := range kafka.postings {
		if got := kinesis.postings[place]; strings.Join(got, ",") != strings.Join(postings, ",") {
			return fmt.Errorf("%s: Kafka's readers have %d postings and Kinesis's %d, or another order", place, len(postings), len(got))
		}
	}
	for _, ledger := range books.ledger {
		if ledger.sum != 0 {
			return fmt.Errorf("the sum that %s's readers see is %d", ledger.door, ledger.sum)
		}
	}
	return books.nothingHangs(ctx)
}

// nothingHangs waits until everything in the ledgers is stable.
func (books *books) nothingHangs(ctx context.Context) error {
	for {
		committed, err := books.admin.ListCommittedOffsets(ctx, debits, credits)
		ends, endErr := books.admin.ListEndOffsets(ctx, debits, credits)
		if err == nil && endErr == nil {
			hanging := ""
			ends.Each(func(end kadm.ListedOffset) {
				if stable, ok := committed.Lookup(end.Topic, end.Partition); !ok || stable.Offset < end.Offset {
					hanging = fmt.Sprintf("%s %d: stable up to %d of %d", end.Topic, end.Partition, stable.Offset, end.Offset)
				}
			})
			if hanging == "" {
				return nil
			}
			err = fmt.Errorf("a transaction hangs: %s", hanging)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w (%v)", ctx.Err(), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// note takes a posting in, which must be the first of its transfer.
func (ledger *ledger) note(topic string, partition int32, value string) error {
	var id, account, amount int
	if _, err := fmt.Sscanf(value, "%d %d %d", &id, &account, &amount); err != nil {
		return err
	}
	if before, ok := ledger.amounts[topic][id]; ok {
		return fmt.Errorf("%s's readers see transfer %d twice in %s: %d and %d", ledger.door, id, topic, before, amount)
	}
	ledger.amounts[topic][id] = amount
	ledger.sum += amount
	place := fmt.Sprintf("%s/%d", topic, partition)
	ledger.postings[place] = append(ledger.postings[place], value)
	return nil
}

func (ledger *ledger) has(asked int) bool {
	return len(ledger.amounts[debits]) == asked && len(ledger.amounts[credits]) == asked
}

func (ledger *ledger) missing(asked int) error {
	return fmt.Errorf("%s's readers see %d debits and %d credits of %d transfers", ledger.door,
		len(ledger.amounts[debits]), len(ledger.amounts[credits]), asked)
}

func (books *books) readKafka(ctx context.Context, asked int) error {
	ledger := books.ledger["Kafka"]
	for !ledger.has(asked) {
		fetches := books.kafka.PollFetches(ctx)
		if ctx.Err() != nil {
			return ledger.missing(asked)
		}
		for _, record := range fetches.Records() {
			if err := ledger.note(record.Topic, record.Partition, string(record.Value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// readKinesis reads all shards from their beginning, since iterators do not outlive a restart by much.
func (books *books) readKinesis(ctx context.Context, asked int) error {
	endpoint, err := kinesisEndpoint(books.b.server)
	if err != nil {
		return err
	}
	ledger := books.ledger["Kinesis"]
	for {
		for _, topic := range []string{debits, credits} {
			for partition := range int32(partitions) {
				if err := ledger.readShard(ctx, endpoint, topic, partition); err != nil {
					return err
				}
			}
		}
		if ledger.has(asked) {
			return nil
		}
		if ctx.Err() != nil {
			return ledger.missing(asked)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// readShard goes on where the shard's postings end: as many records as were seen are passed over.
func (ledger *ledger) readShard(ctx context.Context, endpoint, topic string, partition int32) error {
	known := ledger.postings[fmt.Sprintf("%s/%d", topic, partition)]
	var iterator struct{ ShardIterator string }
	shard := map[string]any{"StreamName": topic, "ShardId": fmt.Sprintf("shardId-%012d", partition), "ShardIteratorType": "TRIM_HORIZON"}
	if err := kinesis(ctx, endpoint, "GetShardIterator", shard, &iterator); err != nil {
		return err
	}
	seen := 0
	for next := iterator.ShardIterator; ; {
		var page struct {
			Records            []struct{ Data string }
			NextShardIterator  string
			MillisBehindLatest int
		}
		if err := kinesis(ctx, endpoint, "GetRecords", map[string]any{"ShardIterator": next}, &page); err != nil {
			return err
		}
		for _, record := range page.Records {
			value, err := base64.StdEncoding.DecodeString(record.Data)
			if err != nil {
				return err
			}
			if seen < len(known) {
				if known[seen] != string(value) {
					return fmt.Errorf("Kinesis's readers see %q at place %d of %s/%d, and saw %q before", value, seen, topic, partition, known[seen])
				}
			} else if err := ledger.note(topic, partition, string(value)); err != nil {
				return err
			}
			seen++
		}
		if page.MillisBehindLatest == 0 {
			if seen < len(known) {
				return fmt.Errorf("Kinesis's readers see %d postings of %s/%d, and saw %d before", seen, topic, partition, len(known))
			}
			return nil
		}
		next = page.NextShardIterator
	}
}

func kinesisEndpoint(server string) (string, error) {
	var ports struct{ Kinesis string }
	text, err := os.ReadFile(server + "/ports.json")
	if err == nil {
		err = json.Unmarshal(text, &ports)
	}
	return "http://" + ports.Kinesis, err
}

func kinesis(ctx context.Context, endpoint, operation string, input, output any) error {
	body, err := json.Marshal(input)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Kinesis_20131202."+operation)
	request.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	request.Header.Set("Authorization",
		"AWS4-HMAC-SHA256 Credential=bank/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=0")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", operation, response.Status, answer)
	}
	return json.Unmarshal(answer, output)
}
