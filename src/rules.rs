//! **The rules of the log, as each side meets them**, and the tests that prove them: documentation only.
//!
//! There is one log, and its rules are Kinesis's. They do not depend on who writes or reads: both sides draw on the same meters,
//! see the same horizon and change the same shards. What differs is how somebody is told. A caller of Kinesis's verbs is
//! *refused*, in words, and repeats the call; a Kafka client expects a broker to be slow rather than to fail, so it is *delayed*,
//! or told with the one error code that it handles as it should.
//!
//! Each row is named after the tests that prove it, as a sentence, with the file they are in: the test of "a batch is there for 24
//! hours to the millisecond" is `a_batch_is_there_for_24_hours_to_the_millisecond`. The repository's own check fails when a table
//! names a test that does not exist. The published numbers, with their sources, are in [`model::limits`](crate::model::limits);
//! which of them are in force is a setting (`--limits`, [`Limits`](crate::Limits)).
//!
//! # Writing
//!
//! An open shard carries 1 MiB and 1,000 records a second. Both are metered together, by leaky buckets that all writers share.
//!
//! | proved by | Kinesis: [`Patience::Refuse`](crate::log::Patience) | Kafka: [`Patience::WaitUpTo`](crate::log::Patience) |
//! |---|---|---|
//! | a second of either kind fits and one more is refused until it has leaked (`src/log/throughput.rs`)<br>both kinds are decided together (`src/log/throughput.rs`)<br>each entry is refused on its own where its shard is over its throughput (`tests/kinesis/put.rs`)<br>records are counted too (`tests/kinesis/put.rs`) | A record fits in a second's worth of bytes and of records, or is refused with ProvisionedThroughputExceededException and costs nothing; each entry of PutRecords for itself | – |
//! | a held answer holds up the same shard only and the order of answers stays (`tests/kafka/throughput.rs`)<br>a patient writer is held until two fifths of a second are owed (`src/log/throughput.rs`) | – | The batch is written; its answer is held until no more than two fifths of a second are owed. Answers keep their order, `throttle_time_ms` is 0 |
//! | a saturated shard carries its rate within two percent over half a minute (`tests/kafka/throughput.rs`) | – | No error and no retry: 30 MiB or 30,000 records in half a minute |
//! | who would wait for more than ten seconds is refused in words before anything is written (`tests/kafka/throughput.rs`)<br>a batch is not refused for its own size and owes the rest (`tests/kafka/throughput.rs`) | – | NOT_ENOUGH_REPLICAS, which all clients repeat: the message names shard, rates and wait. A shard that is free takes any batch |
//! | a hot partition leaves the others of its producer their full rate (`tests/kafka/throughput.rs`)<br>partitions of one request are all written at once (`tests/kafka/throughput.rs`) | Each shard has meters of its own | A hot partition holds up nobody else's, not even on its own connection |
//! | who wants no answers is slowed down too (`tests/kafka/throughput.rs`)<br>a client that hangs up still owes what it wrote (`tests/kafka/throughput.rs`) | – | With acks=0 the connection is read no further meanwhile |
//! | a repeated batch costs nothing (`tests/kafka/throughput.rs`) | – | The repeat of an idempotent producer is answered, not metered |
//! | a batch is a put of its bytes and its records in the minute in which it was written (`tests/kafka/metrics.rs`) | – | A batch is metered as it was sent: compression pays; records are those of its header |
//! | batches too large or without a key are refused (`tests/log/appends.rs`)<br>batches that break a rule are refused with words (`tests/kafka/produce.rs`)<br>larger records are taken where the stream takes them (`tests/kinesis/put.rs`)<br>what is no record is refused in the words of aws (`tests/kinesis/put.rs`) | Larger than the stream's setting (1 MiB, up to 10 MiB): refused in AWS's words | MESSAGE_TOO_LARGE; the setting is `max.message.bytes` |
//! | a stream of large records has an allowance for them (`src/log/throughput.rs`) | Records of up to 10 MiB have an allowance that unused throughput refills | The same, before an answer is held |
//! | each user record of an aggregate has an offset and a number of its own (`tests/bridge/aggregates.rs`)<br>without the setting an aggregate is kept as it came (`tests/bridge/aggregates.rs`)<br>damaged aggregates are ordinary records (`tests/bridge/aggregates.rs`)<br>what a kafka producer writes is never opened (`tests/bridge/aggregates.rs`) | An aggregate of the Kinesis Producer Library is kept as it came. Where `kinesis.deaggregate` is set it is opened, if it is whole, and each user record has an offset and a sequence number of its own; the answer has the first one's | A batch is kept as it came, whatever its values are |
//! | each user record goes to the shard that it belongs to (`tests/bridge/aggregates.rs`)<br>an aggregate costs one record of its bytes (`tests/bridge/aggregates.rs`)<br>an aggregate that is refused is written nowhere (`tests/bridge/aggregates.rs`) | It costs one record of its bytes, opened or not, in the shard of its first user record; each of them goes to the shard of its own key | – |
//! | limits change while the gateway runs (`tests/kafka/throughput.rs`)<br>the limits are a config of the broker that can be changed (`tests/kafka/incremental_alter_configs.rs`)<br>parts and multiples of the limits hold for calls too (`tests/kinesis/rates.rs`) | In force at the next write | The same, by the broker config `kinesis.limits.profile` |
//!
//! # Reading
//!
//! A shard gives 2 MiB in 5 reads a second to all its readers together, and 2 MiB a second more to each fan-out consumer.
//!
//! | proved by | Kinesis: [`Reader::Refused`](crate::log::Reader) | Kafka: [`Reader::Patient`](crate::log::Reader) |
//! |---|---|---|
//! | who does not wait is refused where a shard is over its read throughput (`tests/log/reads.rs`)<br>reads over a shards throughput are refused (`tests/kinesis/get.rs`) | ProvisionedThroughputExceededException; reads that find nothing count too | – |
//! | a shard gives five reads a second and other shards are not slowed down (`tests/kafka/throughput.rs`)<br>reads owe what they took and at most five are made at once (`src/log/throughput.rs`) | What a read took is owed; the next one is made when it is paid | Never an error: the partition is empty until it may, within the client's wait. Reads that find nothing cost nothing |
//! | readers share a shard and a fan out consumer has its own throughput (`tests/kafka/throughput.rs`)<br>a consumer has two mebibytes a second of its own (`tests/kinesis/subscribe_to_shard.rs`)<br>fan out consumers are one set (`tests/bridge/streams.rs`) | A registered consumer has 2 MiB a second of its own | Consumers that wait share evenly; one whose `client.id` is in `kinesis.fanout.consumers` has 2 MiB a second of its own |
//! | a reader of many bytes is not kept waiting for more than it may have (`tests/kafka/throughput.rs`) | – | A read gives a quarter of a second's worth at most, and `fetch.min.bytes` waits for no more than that |
//!
//! # Retention
//!
//! 24 to 8,760 hours from a record's arrival, exact to the batch.
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | a batch is there for 24 hours to the millisecond (`tests/log/retention.rs`)<br>one millisecond decides in every verb and after a restart (`tests/log/retention.rs`)<br>a record is there to the last millisecond of its retention and gone from every api then (`tests/kafka/retention.rs`)<br>what is over is gone at once and stays gone (`tests/kinesis/retention.rs`)<br>a record older than its retention is gone from both doors (`tests/bridge/streams.rs`) | Gone from every verb, on disk or not yet | Gone from Fetch, ListOffsets, DescribeLogDirs and OffsetForLeaderEpoch |
//! | what is past its retention is out of range and the log begins behind it (`tests/kafka/fetch.rs`)<br>what is past its retention is jumped over (`tests/kinesis/get.rs`) | A reader behind the horizon goes on at the horizon | OFFSET_OUT_OF_RANGE, on which clients follow `auto.offset.reset`; the log start offset has moved |
//! | only the arrival counts (`tests/log/retention.rs`) | No matter when its sender says that it was created | The same for CreateTime |
//! | retention is 24 to 8760 hours rounded up (`tests/kafka/create_topics.rs`)<br>what cannot be changed is refused in words (`tests/kafka/incremental_alter_configs.rs`)<br>the period is raised and lowered and may stay as it is (`tests/kinesis/retention.rs`)<br>periods that streams do not have are refused in the words of aws (`tests/kinesis/retention.rs`)<br>settings are seen from both sides (`tests/bridge/streams.rs`) | IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod, in whole hours; others are refused in AWS's words | `retention.ms`, rounded up to the hour; -1 is 8,760 hours; anything else INVALID_CONFIG with the range |
//! | raising the retention brings nothing back (`tests/log/retention.rs`)<br>lowering the retention takes effect at once (`tests/log/retention.rs`)<br>a horizon outlives the log (`tests/log/retention.rs`) | The horizon never goes back, whatever is set and whoever restarts | The same |
//! | the files shrink within one sweep (`tests/log/retention.rs`)<br>under steady retention the disk holds little more than the live blocks (`tests/store/space.rs`) | Disk space is given back | The same |
//! | offsets run on when everything is over (`tests/log/retention.rs`) | No number is given twice | No offset is given twice |
//!
//! # Immutability
//!
//! Nobody changes a record, and nobody removes one before its time, except with its whole stream.
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | no record can be deleted in any version (`tests/kafka/delete_records.rs`) | There is no such verb | DeleteRecords: POLICY_VIOLATION; why, and what to do instead, is in the gateway's log, as the answer has no room for words |
//! | a compacted topic keeps every record for 8760 hours (`tests/kafka/retention.rs`)<br>a compacted topic is kept for a year and refuses records without a key (`tests/kafka/create_topics.rs`) | There is no compaction | `cleanup.policy=compact` is stored, shown and warned about, and never carried out; records without a key are INVALID_RECORD |
//! | retention is 24 to 8760 hours rounded up (`tests/kafka/create_topics.rs`) | There is no retention by size | `retention.bytes` other than -1: INVALID_CONFIG, which says to set `retention.ms` |
//! | a topic is gone when the answer is there in every version (`tests/kafka/delete_topics.rs`)<br>a stream that was created again has another id and none of the old records (`tests/log/streams.rs`)<br>a stream goes with its topic (`tests/kinesis/delete_stream.rs`) | DeleteStream deletes its records | DeleteTopics; a topic of the same name is another one |
//!
//! # Shards
//!
//! A partition is a line of shards, a lane. Splits and merges happen under writers and readers.
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | offsets run on over a split and a merge (`tests/log/reshard.rs`)<br>a split continues the lane with its first child and opens a lane with its second (`src/log/reshard.rs`)<br>a merge continues the first lane and seals the second (`src/log/reshard.rs`)<br>a split and a merge leave parents and children (`tests/kinesis/reshard.rs`)<br>a closed shard ends in its children (`tests/kinesis/get.rs`) | Parents are closed, with an ending sequence number; children begin a second later and name parent and adjacent parent | A split adds a partition, a merge ends one; no partition goes away, no offset goes back |
//! | a stream is split and merged under an idempotent producer and a consumer group (`tests/rdkafka/reshard.rs`) | – | librdkafka: every record once, in the order of its key, no consumer is reset |
//! | who writes to a closed shard is told to route again (`tests/log/reshard.rs`) | Refused; the key has another shard now | – |
//! | what is written to a sealed lane goes to the one that has its keys now (`tests/log/reshard.rs`)<br>a produce to a sealed partition is answered without an offset and its end stays (`tests/kafka/shards.rs`)<br>a producer of a sealed lane keeps its sequences (`tests/log/reshard.rs`) | – | Acknowledged with offset -1 (unknown); readers find its end where it was |
//! | what is written during a change is kept in order (`tests/log/reshard.rs`) | Waits for the end of the change | The same |
//! | scaling ends in even ranges (`tests/log/reshard.rs`)<br>a stream is scaled to even ranges (`tests/kinesis/reshard.rs`) | UpdateShardCount, in even ranges | – |
//! | partitions become more and the old ones go on in every version (`tests/kafka/create_partitions.rs`)<br>lanes are opened by splitting the widest shard first (`src/log/reshard.rs`)<br>both doors change the same shards (`tests/bridge/streams.rs`) | SplitShard and MergeShards change the same shards | CreatePartitions splits the widest shards; clients see the new partitions at their next metadata refresh |
//! | what cannot be split or merged says why (`src/log/reshard.rs`)<br>what cannot be opened is refused in words (`tests/kafka/create_partitions.rs`)<br>what cannot be split or merged is refused in the words of aws (`tests/kinesis/reshard.rs`) | Refused in AWS's words | INVALID_PARTITIONS: partitions only become more |
//! | a change that a crash cut off has not happened (`tests/log/reshard.rs`)<br>a change that failed leaves the shards and their writers as they were (`tests/log/reshard.rs`) | Whole or not at all | The same |
//! | a closed shard is listed until its records are over (`tests/log/states.rs`)<br>each filter has its shards and those of one time hold all keys once (`tests/kinesis/list_shards.rs`) | Listed for a retention after it was closed | – |
//!
//! # States, counts and rates
//!
//! CREATING, ACTIVE, UPDATING, DELETING, for as long as `--state-change-delay` says. Counts and rates are Kinesis's where limits
//! are in force.
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | a change lasts as long as its delay and no other is made meanwhile (`tests/log/states.rs`)<br>what is changing is not changed and says so (`tests/kafka/shards.rs`)<br>a stream that is changing is not changed (`tests/kinesis/reshard.rs`) | ResourceInUseException; records come and go | REASSIGNMENT_IN_PROGRESS, which names the state |
//! | a stream that is being deleted is there until the delay is over (`tests/log/states.rs`)<br>a topic is there while it is created and gone while it is deleted (`tests/kafka/shards.rs`) | Listed as DELETING until the delay is over | A topic that is being created can be used; one that is being deleted is gone |
//! | the shard quota is for all provisioned streams together (`tests/log/states.rs`)<br>the shard quota is told in words where limits are in force (`tests/kafka/shards.rs`)<br>the quota of shards is told with its numbers (`tests/kinesis/reshard.rs`) | LimitExceededException at more than `--shard-quota` open shards, with the numbers | POLICY_VIOLATION with the numbers |
//! | a stream is scaled by half to double and ten times a day (`tests/log/states.rs`) | Refused beyond | – (CreatePartitions splits; it does not scale) |
//! | the mode is switched twice a day (`tests/log/states.rs`)<br>the third switch of the mode in a day is refused in words (`tests/kafka/shards.rs`) | Refused beyond | POLICY_VIOLATION with the number |
//! | operations are counted for the account or for each stream (`tests/kinesis/rates.rs`) | Each operation has a rate of its own, for the account or for each stream: refused beyond | – |
//! | no more than fifty topics are on demand (`tests/kafka/shards.rs`) | Refused beyond | POLICY_VIOLATION with the number |
//! | a refused value is named with what is accepted (`src/kafka/translate/topic_config.rs`)<br>what cannot be changed is refused in words (`tests/kafka/incremental_alter_configs.rs`)<br>there are twenty consumers and fifty for the committed (`tests/kinesis/consumers.rs`) | 20 consumers, 50 with the commitment of the account | 20 fan-out consumers, each once: else INVALID_CONFIG with what is accepted |
//!
//! # On-demand mode
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | a topic on demand has four partitions and more are not opened by hand (`tests/kafka/shards.rs`)<br>an on demand stream has its shards changed by nobody (`tests/log/states.rs`)<br>a stream on demand begins with four shards (`tests/kinesis/create_stream.rs`)<br>a stream on demand has its shards changed by nobody (`tests/kinesis/reshard.rs`) | Four shards at birth; splits, merges and scaling are refused | `kinesis.stream.mode=ON_DEMAND`; CreatePartitions: POLICY_VIOLATION that names the mode |
//! | a stream carries twice its peak after fifteen minutes (`tests/log/on_demand.rs`)<br>a peak outlives the log for thirty days (`tests/log/on_demand.rs`)<br>a hot shard is split in its middle and the others are left alone (`tests/log/on_demand.rs`) | As many shards as twice the highest throughput of 30 days needs; a hot one is split | – |
//! | a topic on demand gets partitions as its traffic grows (`tests/kafka/shards.rs`)<br>streams follow their traffic while the house is kept (`src/gateway/tests.rs`) | – | The new partitions are there at the next metadata refresh |
//! | more than the shards carry is throttled until they follow (`tests/log/on_demand.rs`) | Refused, as in the other mode | Delayed, as in the other mode |
//!
//! # Numbers
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | the numbers are those of aws (`src/model/sequence.rs`)<br>offset to number to offset is exact (`src/model/sequence.rs`)<br>numbers of a shard sort as its offsets do (`src/model/sequence.rs`)<br>a record put by kinesis is fetched by kafka at the offset its number carries (`tests/bridge/records.rs`)<br>a record produced by kafka is got by kinesis under the number of its offset (`tests/bridge/records.rs`) | Sequence numbers in AWS's 186-bit layout | The offset is in it: each is computed from the other |
//! | records of closed and merged shards are mapped both ways until they are gone (`src/gateway/tests.rs`)<br>a record and the ends of a split shard are mapped both ways (`tests/program/serve.rs`) | `shardgate map --sequence 4957…` | `shardgate map orders/2@1234` |
//!
//! # Metrics
//!
//! CloudWatch's, per minute, and those of Kafka's exporters; the README lists them all.
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | a minute has the count the sum the smallest and the largest of its samples (`src/metrics/window.rs`)<br>names are those that exporters make (`src/metrics/measure.rs`) | The statistics of CloudWatch, under the names of its exporter | – |
//! | records whose answer is held or that are refused are over the throughput (`tests/kafka/metrics.rs`) | – | WriteProvisionedThroughputExceeded counts delayed records too |
//! | a read that waits until it may or gets nothing is over the throughput (`tests/kafka/metrics.rs`)<br>a fan out consumer gets events that are behind until they reach the tip (`tests/kafka/metrics.rs`) | – | ReadProvisionedThroughputExceeded; MillisBehindLatest of a fan-out consumer |
//! | a reader is as late as the first record it has not read is old (`tests/log/ages.rs`)<br>prometheus reads the last whole minute and the age of what a group has not committed (`tests/rdkafka/metrics.rs`) | Iterator age in milliseconds | The same for each group and partition, next to its lag in records |
//! | more kinds than there may be are only reported (`src/metrics/meter.rs`)<br>shards are left out before streams are (`src/metrics/cloudwatch.rs`) | Series are bounded, and what is left out is counted | The same |
//!
//! # All of it at once
//!
//! | proved by | Kinesis | Kafka |
//! |---|---|---|
//! | a hundred thousand steps of the log in memory are those of the model (`tests/log/model.rs`)<br>histories of the log on disk are those of the model (`tests/log/model.rs`)<br>histories at both doors are those of the model (`tests/bridge/history.rs`) | Random writes, reads, splits, merges, time and restarts, held against a model of a few dozen lines | The same, and both sides in turn against the same model |
