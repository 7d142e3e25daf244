package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	watched_types "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// cases are the same, by name, for each AWS SDK. A case returns a note, or panics with a failure.
var cases = []struct {
	name string
	run  func(*world) string
}{
	{"streams", streams},
	{"records", records},
	{"positions", positions},
	{"batches", batches},
	{"reshards", reshards},
	{"shards", shards},
	{"retention", retention},
	{"tags", tags},
	{"consumers", consumers},
	{"fanout", fanout},
	{"encryption", encryption},
	{"metrics", metrics},
	{"policies", policies},
	{"capacity", capacity},
	{"account", account},
	{"realms", realms},
	{"dry_runs", dryRuns},
	{"refusals", refusals},
	{"left_out", leftOut},
	{"cloudwatch", cloudWatch},
	{"restart", restart},
	{"protocol", protocol},
	{"every_operation", everyOperation},
}

func streams(w *world) string {
	names := []string{w.stream(1), w.stream(1), w.stream(1)}
	slices.Sort(names)
	described := w.describe(names[0])
	equal(described.StreamStatus, types.StreamStatusActive, "status")
	equal(*described.StreamARN, "arn:aws:kinesis:us-east-1:000000000000:stream/"+names[0], "ARN")
	age := time.Since(*described.StreamCreationTimestamp)
	check(age.Abs() < time.Minute, "created %s ago", age)
	var found []string
	pages := kinesis.NewListStreamsPaginator(w.kinesis, &kinesis.ListStreamsInput{Limit: aws.Int32(1)})
	for pages.HasMorePages() {
		page := must(pages.NextPage(ctx))
		equal(len(page.StreamNames), 1, "names on a page")
		equal(*page.StreamSummaries[0].StreamName, page.StreamNames[0], "name in the summary")
		found = append(found, page.StreamNames...)
	}
	check(slices.IsSorted(found), "not in order: %v", found)
	for _, name := range names {
		check(slices.Contains(found, name), "%s is not among %v", name, found)
	}
	input := &kinesis.DescribeStreamSummaryInput{StreamARN: described.StreamARN}
	summary := must(w.kinesis.DescribeStreamSummary(ctx, input)).StreamDescriptionSummary
	equal([]int32{*summary.OpenShardCount, *summary.ConsumerCount}, []int32{1, 0}, "shards and consumers")
	for _, name := range names {
		must(w.kinesis.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}))
		waiter := kinesis.NewStreamNotExistsWaiter(w.kinesis)
		err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, time.Minute)
		check(err == nil, "waiting for the end of %s: %w", name, err)
	}
	limits := must(w.kinesis.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{}))
	check(*limits.ShardLimit >= *limits.OpenShardCount, "%d open of %d", *limits.OpenShardCount, *limits.ShardLimit)
	return ""
}

func records(w *world) string {
	stream := w.stream(1)
	token := w.iterator(stream, "0")
	every := make([]byte, 256)
	for n := range every {
		every[n] = byte(n)
	}
	before := time.Now()
	put := must(w.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, PartitionKey: aws.String("clé"), Data: every}))
	equal(*put.ShardId, "shardId-000000000000", "shard")
	equal([]any{len(*put.SequenceNumber), put.EncryptionType}, []any{56, types.EncryptionType("")}, "sequence number and encryption")
	first := w.get(token)
	record := first.Records[0]
	check(bytes.Equal(record.Data, every), "data are %x", record.Data)
	equal([]string{*record.PartitionKey, *record.SequenceNumber}, []string{"clé", *put.SequenceNumber}, "key and number")
	late := record.ApproximateArrivalTimestamp.Sub(before)
	check(late.Abs() < 30*time.Second, "arrived %s apart", late)
	equal(*first.MillisBehindLatest, int64(0), "behind")
	equal(w.get(token).Records, first.Records, "an iterator used again")
	empty := w.get(first.NextShardIterator)
	equal([]int{len(empty.Records), len(empty.ChildShards)}, []int{0, 0}, "nothing more")
	check(*empty.NextShardIterator != *first.NextShardIterator, "the iterator is not a fresh one")
	w.put(stream, "")
	equal(values(w.get(token).Records), []string{string(every), ""}, "an empty record")
	return ""
}

func positions(w *world) string {
	stream := w.stream(1)
	shard := "0"
	at := func(kind types.ShardIteratorType, number *string, moment *time.Time) []string {
		return values(w.get(w.iteratorAt(kinesis.GetShardIteratorInput{
			StreamName: &stream, ShardId: &shard, ShardIteratorType: kind, StartingSequenceNumber: number, Timestamp: moment,
		})).Records)
	}
	latest := w.iteratorAt(kinesis.GetShardIteratorInput{
		StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeLatest,
	})
	numbers := w.put(stream, "0", "1")
	// Arrivals have milliseconds; this moment shares its own with none of them.
	time.Sleep(5 * time.Millisecond)
	between := time.Now()
	time.Sleep(5 * time.Millisecond)
	w.put(stream, "2")
	equal(values(w.get(latest).Records), []string{"0", "1", "2"}, "LATEST")
	equal(at(types.ShardIteratorTypeAtSequenceNumber, numbers[1], nil), []string{"1", "2"}, "AT_SEQUENCE_NUMBER")
	equal(at(types.ShardIteratorTypeAfterSequenceNumber, numbers[1], nil), []string{"2"}, "AFTER_SEQUENCE_NUMBER")
	equal(at(types.ShardIteratorTypeAtTimestamp, nil, &between), []string{"2"}, "AT_TIMESTAMP")
	equal(at(types.ShardIteratorTypeAtTimestamp, nil, aws.Time(time.Unix(1, 0))), []string{"0", "1", "2"}, "AT_TIMESTAMP of 1970")
	for _, name := range []string{"shardId-000000000000", "shardId-0", "shardId--00000000", "0"} {
		equal(len(w.get(w.iterator(stream, name)).Records), 3, name)
	}
	return ""
}

func batches(w *world) string {
	stream := w.stream(4)
	var entries []types.PutRecordsRequestEntry
	for n := range 500 {
		entries = append(entries, types.PutRecordsRequestEntry{
			PartitionKey: aws.String(fmt.Sprintf("key%d", n)), Data: fmt.Append(nil, n),
		})
	}
	put := must(w.kinesis.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: entries}))
	equal([]int{int(*put.FailedRecordCount), len(put.Records)}, []int{0, 500}, "failed and put")
	found := map[string][]string{}
	for shard := range 4 {
		token := w.iterator(stream, fmt.Sprint(shard))
		for {
			page := must(w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: token, Limit: aws.Int32(37)}))
			for _, record := range page.Records {
				found[string(record.Data)] = []string{
					fmt.Sprintf("shardId-%012d", shard), *record.SequenceNumber, *record.PartitionKey,
				}
			}
			if *page.MillisBehindLatest == 0 && len(page.Records) == 0 {
				break
			}
			token = page.NextShardIterator
		}
	}
	for n, entry := range entries {
		result := put.Records[n]
		equal(found[string(entry.Data)], []string{*result.ShardId, *result.SequenceNumber, *entry.PartitionKey}, "entry")
	}
	large := types.PutRecordsRequestEntry{PartitionKey: aws.String("a"), ExplicitHashKey: aws.String("0"), Data: make([]byte, 1<<20-1)}
	stream = w.stream(1)
	put = must(w.kinesis.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &stream, Records: slices.Repeat([]types.PutRecordsRequestEntry{large}, 9)}))
	equal(*put.FailedRecordCount, int32(0), "failed of 9 MiB")
	return ""
}

func reshards(w *world) string {
	stream := w.stream(1)
	w.put(stream, "parent")
	token := w.iterator(stream, "0")
	half := new(big.Int).Lsh(big.NewInt(1), 127).String()
	must(w.kinesis.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: &stream, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: &half,
	}))
	w.exists(stream)
	end := w.get(token)
	equal(values(end.Records), []string{"parent"}, "records of the parent")
	check(end.NextShardIterator == nil, "an iterator after the end of the shard")
	equal(len(end.ChildShards), 2, "children")
	for n, child := range end.ChildShards {
		equal(*child.ShardId, fmt.Sprintf("shardId-%012d", n+1), "child")
		equal(child.ParentShards, []string{"shardId-000000000000"}, "parents")
	}
	equal(*end.ChildShards[1].HashKeyRange.StartingHashKey, half, "the second child begins")
	must(w.kinesis.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: &stream, ShardToMerge: aws.String("shardId-000000000001"), AdjacentShardToMerge: aws.String("shardId-000000000002"),
	}))
	w.exists(stream)
	updated := must(w.kinesis.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamName: &stream, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling,
	}))
	equal([]int32{*updated.CurrentShardCount, *updated.TargetShardCount}, []int32{1, 2}, "shards before and after")
	equal([]string{*updated.StreamName, *updated.StreamARN}, []string{stream, *w.arn(stream)}, "name and ARN")
	return ""
}

func shards(w *world) string {
	stream := w.stream(120)
	var sizes []int
	limit := &kinesis.DescribeStreamInput{StreamName: &stream, Limit: aws.Int32(100)}
	for pages := kinesis.NewDescribeStreamPaginator(w.kinesis, limit); pages.HasMorePages(); {
		sizes = append(sizes, len(must(pages.NextPage(ctx)).StreamDescription.Shards))
	}
	equal(sizes, []int{100, 20}, "shards on the pages of DescribeStream")
	sizes = nil
	input := &kinesis.ListShardsInput{StreamName: &stream, MaxResults: aws.Int32(50)}
	for input != nil {
		page := must(w.kinesis.ListShards(ctx, input))
		sizes = append(sizes, len(page.Shards))
		input = nil
		if page.NextToken != nil {
			input = &kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(50)}
		}
	}
	equal(sizes, []int{50, 50, 20}, "shards on the pages of ListShards")
	stream = w.stream(2)
	must(w.kinesis.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: &stream, ShardToMerge: aws.String("0"), AdjacentShardToMerge: aws.String("1"),
	}))
	early := aws.Time(time.Unix(1, 0))
	for _, wanted := range []struct {
		filter types.ShardFilter
		found  []string
	}{
		{types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, []string{"2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, []string{"0", "1"}},
		{types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, []string{"0", "1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-000000000000")}, []string{"1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: early}, []string{"0", "1", "2"}},
		{types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: early}, []string{"0", "1"}},
	} {
		listed := must(w.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream, ShardFilter: &wanted.filter}))
		found := []string{}
		for _, shard := range listed.Shards {
			found = append(found, strings.TrimPrefix(*shard.ShardId, "shardId-00000000000"))
		}
		equal(found, wanted.found, string(wanted.filter.Type))
	}
	return ""
}

func retention(w *world) string {
	stream := w.stream(1)
	hours := func() int32 { return *w.describe(stream).RetentionPeriodHours }
	increase := func(to int32) {
		must(w.kinesis.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{
			StreamName: &stream, RetentionPeriodHours: &to,
		}))
	}
	increase(168)
	equal(hours(), int32(168), "hours")
	must(w.kinesis.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{
		StreamName: &stream, RetentionPeriodHours: aws.Int32(24),
	}))
	equal(hours(), int32(24), "hours")
	increase(24)
	return ""
}

func tags(w *world) string {
	stream := w.stream(1)
	arn := w.arn(stream)
	must(w.kinesis.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: &stream, Tags: map[string]string{"a": "1", "b": ""}}))
	must(w.kinesis.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"c": "3"}}))
	listed := must(w.kinesis.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: &stream, Limit: aws.Int32(2)}))
	equal(listed.Tags, []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("")}}, "tags")
	equal(*listed.HasMoreTags, true, "more tags")
	must(w.kinesis.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: &stream, TagKeys: []string{"a"}}))
	must(w.kinesis.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"b"}}))
	left := must(w.kinesis.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: arn}))
	equal(left.Tags, []types.Tag{{Key: aws.String("c"), Value: aws.String("3")}}, "tags left")
	return ""
}

func consumers(w *world) string {
	stream := w.stream(1)
	arn := w.arn(stream)
	registered := []string{*w.registered(stream, "a"), *w.registered(stream, "b"), *w.registered(stream, "c")}
	var found []string
	input := &kinesis.ListStreamConsumersInput{StreamARN: arn, MaxResults: aws.Int32(1)}
	for pages := kinesis.NewListStreamConsumersPaginator(w.kinesis, input); pages.HasMorePages(); {
		for _, consumer := range must(pages.NextPage(ctx)).Consumers {
			found = append(found, *consumer.ConsumerARN)
		}
	}
	equal(found, registered, "consumers")
	described := must(w.kinesis.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{
		StreamARN: arn, ConsumerName: aws.String("b"),
	})).ConsumerDescription
	equal([]string{*described.ConsumerARN, *described.StreamARN}, []string{registered[1], *arn}, "description")
	refused[*types.ResourceInUseException](w.kinesis.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: arn, ConsumerName: aws.String("a"),
	}))
	refused[*types.ResourceInUseException](w.kinesis.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &stream}))
	must(w.kinesis.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &registered[0]}))
	must(w.kinesis.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &stream, EnforceConsumerDeletion: aws.Bool(true)}))
	return ""
}

func fanout(w *world) string {
	stream := w.stream(1)
	input := &kinesis.SubscribeToShardInput{
		ConsumerARN: w.registered(stream, "consumer"), ShardId: aws.String("0"),
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	}
	w.put(stream, "0", "1")
	subscription := must(w.kinesis.SubscribeToShard(ctx, input)).GetStream()
	defer subscription.Close()
	next := func() types.SubscribeToShardEvent {
		event, open := <-subscription.Events()
		check(open, "the subscription has ended: %v", subscription.Err())
		found, known := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		check(known, "%T came", event)
		return found.Value
	}
	event := next()
	equal(values(event.Records), []string{"0", "1"}, "what was there")
	equal(*event.MillisBehindLatest, int64(0), "behind")
	refused[*types.ResourceInUseException](w.kinesis.SubscribeToShard(ctx, input))
	numbers := w.put(stream, "2")
	event = next()
	equal(values(event.Records), []string{"2"}, "what comes")
	equal(*event.ContinuationSequenceNumber, *numbers[0], "where to go on")
	began := time.Now()
	equal(len(next().Records), 0, "records of a heartbeat")
	silent := time.Since(began)
	must(w.kinesis.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamName: &stream, TargetShardCount: aws.Int32(2), ScalingType: types.ScalingTypeUniformScaling,
	}))
	event = next()
	equal(len(event.ChildShards), 2, "children")
	check(event.ContinuationSequenceNumber == nil, "a number to go on from after the end of the shard")
	after, open := <-subscription.Events()
	check(!open && subscription.Err() == nil, "%v came after the end, %v", after, subscription.Err())
	return fmt.Sprintf("silent for %.1f s", silent.Seconds())
}

func encryption(w *world) string {
	stream := w.stream(1)
	key := aws.String("alias/aws/kinesis")
	must(w.kinesis.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{
		StreamName: &stream, EncryptionType: types.EncryptionTypeKms, KeyId: key,
	}))
	described := w.describe(stream)
	equal([]string{string(described.EncryptionType), *described.KeyId}, []string{"KMS", *key}, "encryption")
	w.put(stream, "x")
	equal(w.get(w.iterator(stream, "0")).Records[0].EncryptionType, types.EncryptionTypeKms, "encryption of a record")
	must(w.kinesis.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{
		StreamName: &stream, EncryptionType: types.EncryptionTypeKms, KeyId: key,
	}))
	equal(w.describe(stream).EncryptionType, types.EncryptionTypeNone, "encryption after its end")
	return ""
}

func metrics(w *world) string {
	stream := w.stream(1)
	all := []types.MetricsName{types.MetricsNameAll}
	on := must(w.kinesis.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: &stream, ShardLevelMetrics: all}))
	equal([]int{len(on.CurrentShardLevelMetrics), len(on.DesiredShardLevelMetrics)}, []int{0, 7}, "metrics switched on")
	off := must(w.kinesis.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamName: &stream, ShardLevelMetrics: all}))
	equal([]int{len(off.CurrentShardLevelMetrics), len(off.DesiredShardLevelMetrics)}, []int{7, 0}, "metrics switched off")
	return ""
}

func policies(w *world) string {
	arn := w.arn(w.stream(1))
	policy := func() string {
		return *must(w.kinesis.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: arn})).Policy
	}
	equal(policy(), "{}", "no policy")
	text := string(must(json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{}})))
	must(w.kinesis.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: arn, Policy: &text}))
	equal(policy(), text, "policy")
	must(w.kinesis.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: arn}))
	equal(policy(), "{}", "no policy any more")
	return ""
}

func capacity(w *world) string {
	stream := unique()
	onDemand := &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand}
	must(w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &stream, StreamModeDetails: onDemand}))
	w.exists(stream)
	summary := w.summary(stream)
	arn := summary.StreamARN
	equal(*summary.OpenShardCount, int32(4), "shards on demand")
	must(w.kinesis.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{
		StreamARN: arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeProvisioned},
	}))
	must(w.kinesis.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{
		StreamARN: arn, StreamModeDetails: onDemand, WarmThroughputMiBps: aws.Int32(5),
	}))
	warm := must(w.kinesis.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{
		StreamARN: arn, WarmThroughputMiBps: aws.Int32(10),
	}))
	equal(*warm.WarmThroughput.TargetMiBps, int32(10), "warm throughput")
	must(w.kinesis.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: arn, MaxRecordSizeInKiB: aws.Int32(10240)}))
	must(w.kinesis.UpdateStreamRecordDistributionStrategy(ctx, &kinesis.UpdateStreamRecordDistributionStrategyInput{
		StreamARN: arn, RecordDistributionStrategy: types.RecordDistributionStrategyAuto,
	}))
	summary = w.summary(stream)
	equal(*summary.MaxRecordSizeInKiB, int32(10240), "largest record")
	equal(summary.RecordDistributionStrategy, types.RecordDistributionStrategyAuto, "distribution")
	put := must(w.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, Data: make([]byte, 10<<20)}))
	record := w.get(w.iterator(stream, *put.ShardId)).Records[0]
	equal(len(record.Data), 10<<20, "size of the largest record")
	check(record.PartitionKey == nil, "a key that nobody gave")
	return ""
}

func account(w *world) string {
	update := func(status types.MinimumThroughputBillingCommitmentInputStatus) types.MinimumThroughputBillingCommitmentOutputStatus {
		return must(w.kinesis.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{
			MinimumThroughputBillingCommitment: &types.MinimumThroughputBillingCommitmentInput{Status: status},
		})).MinimumThroughputBillingCommitment.Status
	}
	equal(update(types.MinimumThroughputBillingCommitmentInputStatusEnabled), types.MinimumThroughputBillingCommitmentOutputStatusEnabled, "commitment")
	update(types.MinimumThroughputBillingCommitmentInputStatusDisabled)
	found := must(w.kinesis.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{})).MinimumThroughputBillingCommitment
	equal(found.Status, types.MinimumThroughputBillingCommitmentOutputStatusEnabledUntilEarliestAllowedEnd, "commitment that ends")
	equal(found.EarliestAllowedEndAt.Sub(*found.StartedAt), 24*time.Hour, "the shortest commitment")
	return ""
}

func realms(w *world) string {
	stream := w.stream(1)
	abroad := kinesis.New(w.kinesis.Options(), func(o *kinesis.Options) {
		o.Region, o.Credentials = "eu-west-1", credentials.NewStaticCredentialsProvider("123456789012", "local", "")
	})
	must(abroad.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: aws.Int32(2)}))
	described := must(abroad.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &stream}))
	arn := described.StreamDescriptionSummary.StreamARN
	equal(*arn, "arn:aws:kinesis:eu-west-1:123456789012:stream/"+stream, "ARN")
	listed := func() []string { return must(abroad.ListStreams(ctx, &kinesis.ListStreamsInput{})).StreamNames }
	equal(listed(), []string{stream}, "streams abroad")
	w.put(stream, "home")
	must(w.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamARN: arn, PartitionKey: aws.String("a"), ExplicitHashKey: aws.String("0"), Data: []byte("abroad"),
	}))
	token := must(abroad.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &stream, ShardId: aws.String("0"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})).ShardIterator
	there := must(abroad.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: token}))
	equal(values(there.Records), []string{"abroad"}, "records abroad")
	must(abroad.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &stream}))
	equal(len(listed()), 0, "streams abroad after the end")
	equal(values(w.get(w.iterator(stream, "0")).Records), []string{"home"}, "records at home")
	return ""
}

func dryRuns(w *world) string {
	stream := w.stream(1)
	consumer, token := w.registered(stream, "consumer"), w.iterator(stream, "0")
	dry, key, shard, data := aws.Bool(true), aws.String("a"), aws.String("0"), []byte("x")
	refused[*types.DryRunOperationException](w.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{
		DryRun: dry, StreamName: &stream, PartitionKey: key, Data: data,
	}))
	refused[*types.DryRunOperationException](w.kinesis.PutRecords(ctx, &kinesis.PutRecordsInput{
		DryRun: dry, StreamName: &stream, Records: []types.PutRecordsRequestEntry{{PartitionKey: key, Data: data}},
	}))
	refused[*types.DryRunOperationException](w.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		DryRun: dry, StreamName: &stream, ShardId: shard, ShardIteratorType: types.ShardIteratorTypeLatest,
	}))
	refused[*types.DryRunOperationException](w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{DryRun: dry, ShardIterator: token}))
	refused[*types.DryRunOperationException](w.kinesis.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		DryRun: dry, ConsumerARN: consumer, ShardId: shard,
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	}))
	equal(values(w.get(token).Records), []string{}, "records")
	return ""
}

func refusals(w *world) string {
	stream := w.stream(1)
	unknown := refused[*types.ResourceNotFoundException](w.kinesis.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: aws.String("none"), PartitionKey: aws.String("a"), Data: []byte{},
	}))
	equal(unknown.ErrorMessage(), "Stream none under account 000000000000 not found.", "message")
	_, err := w.kinesis.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("none")})
	refused[*types.ResourceNotFoundException](nil, err)
	var answer interface {
		HTTPStatusCode() int
		ServiceRequestID() string
	}
	check(errors.As(err, &answer) && answer.HTTPStatusCode() == 400 && len(answer.ServiceRequestID()) == 36, "status and request id of %v", err)
	refused[*types.ResourceInUseException](w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &stream, ShardCount: aws.Int32(1)}))
	refused[*types.InvalidArgumentException](w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("x")}))
	refused[*types.ValidationException](w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("provisioned")}))
	return ""
}

// isLeftOut tells the operations of channels and queues, which the gateway does not have.
func isLeftOut(operation string) bool {
	return strings.Contains(operation, "Channel") || strings.Contains(operation, "Queue")
}

func leftOut(w *world) string {
	error := refused[smithy.APIError](w.kinesis.ListChannels(ctx, &kinesis.ListChannelsInput{}))
	equal(error.ErrorCode(), "UnknownOperationException", "code")
	return ""
}

// measured puts to the stream whose metrics cloudWatch asks for.
func measured(w *world) string {
	w.measured = w.stream(2)
	w.put(w.measured, "12", "3456")
	return ""
}

// What is not over yet has no metrics: this waits for the end of the minute in which `measured` ran.
func cloudWatch(w *world) string {
	namespace, metric, now := aws.String("AWS/Kinesis"), aws.String("IncomingBytes"), time.Now()
	from, to := aws.Time(now.Add(-10*time.Minute)), aws.Time(now.Add(10*time.Minute))
	of := []watched_types.Dimension{{Name: aws.String("StreamName"), Value: &w.measured}}
	statistics := func() *cloudwatch.GetMetricStatisticsOutput {
		return must(w.watch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: namespace, MetricName: metric, Dimensions: of, StartTime: from, EndTime: to, Period: aws.Int32(60),
			Statistics: []watched_types.Statistic{watched_types.StatisticSum, watched_types.StatisticSampleCount, watched_types.StatisticMaximum},
		}))
	}
	until(func() bool { return len(statistics().Datapoints) > 0 })
	waited := time.Since(now)
	// Bytes are those of data and of the key "a"; a minute may have ended between the two puts.
	sum, count, largest := 0.0, 0.0, 0.0
	for _, point := range statistics().Datapoints {
		sum, count, largest = sum+*point.Sum, count+*point.SampleCount, max(largest, *point.Maximum)
		equal(point.Unit, watched_types.StandardUnitBytes, "unit")
		check(time.Since(*point.Timestamp) < 5*time.Minute, "a point of %s", point.Timestamp)
	}
	equal([]float64{sum, count, largest}, []float64{8, 2, 5}, "sum, samples and maximum")
	pages := cloudwatch.NewGetMetricDataPaginator(w.watch, &cloudwatch.GetMetricDataInput{
		StartTime: from, EndTime: to, MetricDataQueries: []watched_types.MetricDataQuery{{
			Id: aws.String("bytes"), MetricStat: &watched_types.MetricStat{
				Metric: &watched_types.Metric{Namespace: namespace, MetricName: metric, Dimensions: of},
				Period: aws.Int32(60), Stat: aws.String("Sum"),
			},
		}},
	})
	result := must(pages.NextPage(ctx)).MetricDataResults[0]
	equal([]any{*result.Id, result.StatusCode, len(result.Timestamps)}, []any{"bytes", watched_types.StatusCodeComplete, len(result.Values)}, "result")
	sum = 0
	for _, value := range result.Values {
		sum += value
	}
	equal(sum, 8.0, "sum of the data")
	found := 0
	listed := cloudwatch.NewListMetricsPaginator(w.watch, &cloudwatch.ListMetricsInput{
		Namespace: namespace, MetricName: metric,
		Dimensions: []watched_types.DimensionFilter{{Name: of[0].Name, Value: of[0].Value}},
	})
	for listed.HasMorePages() {
		found += len(must(listed.NextPage(ctx)).Metrics)
	}
	equal(found, 2, "the stream and the shard that was put to")
	must(w.watch.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String("KCL"), MetricData: []watched_types.MetricDatum{{MetricName: aws.String("a"), Value: aws.Float64(1.5), Timestamp: &now}},
	}))
	refused[*watched_types.InvalidParameterValueException](w.watch.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
		Namespace: namespace, MetricName: metric, StartTime: to, EndTime: from, Period: aws.Int32(60),
		Statistics: []watched_types.Statistic{watched_types.StatisticSum},
	}))
	return fmt.Sprintf("after %.0f s", waited.Seconds())
}

func restart(w *world) string {
	// The case of another transport may have moved the server.
	check(w.connect() == nil, "no connection")
	stream := w.stream(1)
	w.put(stream, "0")
	token := w.iterator(stream, "0")
	w.call("kill")
	w.call("resume")
	check(w.connect() == nil, "no connection")
	equal(values(w.get(token).Records), []string{"0"}, "records")
	return ""
}

func protocol(w *world) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	check(len(w.strayed) == 0, "answers over %v", w.strayed)
	check(w.answers > 0, "no answer")
	return fmt.Sprintf("%d answers over %s", w.answers, w.protocol)
}

// everyOperation holds the calls of all cases against the methods of the SDK's client.
func everyOperation(w *world) string {
	known := 0
	var missing []string
	for method := range reflect.TypeFor[*kinesis.Client]().Methods() {
		if method.Type.NumOut() != 2 || isLeftOut(method.Name) {
			continue
		}
		known++
		if !w.called[method.Name] {
			missing = append(missing, method.Name)
		}
	}
	for _, name := range []string{"GetMetricData", "GetMetricStatistics", "ListMetrics", "PutMetricData"} {
		if !w.called[name] {
			missing = append(missing, name)
		}
	}
	check(len(missing) == 0, "operations that no case calls: %v", missing)
	return fmt.Sprintf("%d operations", known)
}
