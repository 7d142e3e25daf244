//! Random histories at both doors, held against the model that the log's own histories are held against.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::{CreatePartitionsRequest, MetadataRequest};
use md5::{Digest, Md5};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use shardgate::batch::{Builder, Codec, Draft};
use shardgate::model::{Limits, Offset, SequenceNumber, ShardId, Timestamp};
use tokio::time::advance;

use super::{decoded, fetch, set};
use crate::log::plain::{LANES, LIMITS, Plain, Plot};
use crate::support::{Gateway, Kafka, Kinesis, name};

/// Beyond this many open shards the stream is only merged.
const OPEN_MAX: usize = 12;
/// Into so many parts a range is divided that a step takes something of.
const PARTS: i64 = 119;

/// What somebody does at one of the doors.
#[derive(Clone, Debug)]
enum Step {
    /// PutRecords: each under a hash key, or where its partition key belongs.
    Put {
        places: Vec<Option<u128>>,
        bytes: usize,
    },
    /// Produce.
    Produce {
        partition: usize,
        records: usize,
        has_keys: bool,
        codec: Codec,
    },
    /// GetShardIterator, and GetRecords until there is no more.
    Get {
        shard: usize,
        start: Start,
        limit: usize,
    },
    /// Fetch.
    Fetch {
        partition: usize,
        part: i64,
    },
    /// SplitShard.
    Split {
        shard: usize,
        part: u8,
    },
    /// MergeShards.
    Merge {
        first: usize,
        second: usize,
    },
    /// UpdateShardCount.
    Scale {
        target: usize,
    },
    /// CreatePartitions.
    OpenPartitions {
        more: usize,
    },
    /// IncreaseStreamRetentionPeriod or DecreaseStreamRetentionPeriod, or `retention.ms`.
    Retain {
        hours: u32,
        by_kafka: bool,
    },
    Pass {
        millis: u64,
    },
    Restart,
}

/// Where somebody begins to read; parts of what there is.
#[derive(Clone, Copy, Debug)]
enum Start {
    Horizon,
    At(i64),
    After(i64),
    Time(i64),
    Latest,
}

fn step() -> impl Strategy<Value = Step> {
    let any_shard = || 0..64_usize;
    let part = || 0..=PARTS;
    let places = prop::collection::vec(prop::option::of(any::<u128>()), 1..5);
    let bytes = prop_oneof![30 => 0..50_usize, 1 => 500_000..900_000_usize];
    let codec = prop_oneof![3 => Just(Codec::None), 1 => Just(Codec::Lz4), 1 => Just(Codec::Zstd)];
    let start = prop_oneof![
        4 => Just(Start::Horizon),
        2 => part().prop_map(Start::At),
        2 => part().prop_map(Start::After),
        2 => part().prop_map(Start::Time),
        1 => Just(Start::Latest),
    ];
    let millis = prop_oneof![8 => 0..400_u64, 4 => 400..5_000_u64, 2 => 3_000_000..60_000_000_u64];
    prop_oneof![
        20 => (places, bytes).prop_map(|(places, bytes)| Step::Put { places, bytes }),
        20 => (any_shard(), 1..5_usize, any::<bool>(), codec)
            .prop_map(|(partition, records, has_keys, codec)| Step::Produce { partition, records, has_keys, codec }),
        14 => (any_shard(), start, 1..20_usize).prop_map(|(shard, start, limit)| Step::Get { shard, start, limit }),
        14 => (any_shard(), part()).prop_map(|(partition, part)| Step::Fetch { partition, part }),
        3 => (any_shard(), any::<u8>()).prop_map(|(shard, part)| Step::Split { shard, part }),
        4 => (any_shard(), any_shard()).prop_map(|(first, second)| Step::Merge { first, second }),
        1 => (1..6_usize).prop_map(|target| Step::Scale { target }),
        1 => (0..3_usize).prop_map(|more| Step::OpenPartitions { more }),
        1 => (24..60_u32, any::<bool>()).prop_map(|(hours, by_kafka)| Step::Retain { hours, by_kafka }),
        12 => millis.prop_map(|millis| Step::Pass { millis }),
        2 => Just(Step::Restart),
    ]
}

/// A record as a door shows it: its offset or its sequence number, its key, its value, when it arrived.
type Shown<Number> = (Number, Option<String>, String, i64);

/// Both doors and the model, and what is compared.
struct Doors {
    gateway: Gateway,
    kinesis: Kinesis,
    kafka: Kafka,
    plain: Plain,
}

impl Doors {
    async fn new() -> Self {
        let gateway = Gateway::start();
        gateway.stream("orders", LANES).await;
        Self { kinesis: gateway.kinesis(), kafka: gateway.kafka(), gateway, plain: Plain::new() }
    }

    async fn take(mut self, step: &Step) -> Self {
        match *step {
            Step::Put { ref places, bytes } => self.put(places, bytes).await,
            Step::Produce { partition, records, has_keys, codec } => self.produce(partition, records, has_keys, codec).await,
            Step::Get { shard, start, limit } => self.get(shard % self.plain.shards.len(), start, limit).await,
            Step::Fetch { partition, part } => {
                let lane = partition % self.plain.lanes.len();
                let (horizon, tip) = (self.plain.horizon(lane), self.plain.tip(lane));
                // From a little before what is there to a little behind it.
                self.fetch(lane, (horizon - 5) + (tip - horizon + 10) * part / PARTS).await;
            }
            Step::Split { shard, part } => self.split(shard, part).await,
            Step::Merge { first, second } => self.merge(first, second).await,
            Step::Scale { target } => self.scale(target).await,
            Step::OpenPartitions { more } => self.open_partitions(more).await,
            Step::Retain { hours, by_kafka } => self.retain(hours, by_kafka).await,
            Step::Pass { millis } => {
                advance(std::time::Duration::from_millis(millis)).await;
                self.plain.now += i64::try_from(millis).unwrap();
            }
            Step::Restart => {
                self.gateway = self.gateway.restarted();
                (self.kinesis, self.kafka) = (self.gateway.kinesis(), self.gateway.kafka());
                (0..self.plain.shards.len()).for_each(|shard| self.plain.forget(shard));
            }
        }
        assert_eq!(self.gateway.log.env().clock.now(), Timestamp(self.plain.now), "nothing took time");
        self
    }

    /// The number of a record in a shard.
    fn number(&self, shard: usize, offset: i64) -> SequenceNumber {
        let plot = &self.plain.shards[shard];
        let arrived = self.plain.lanes[plot.lane].records[index(offset)].0;
        SequenceNumber::of(id(shard), Timestamp(plot.created), Offset(offset), Timestamp(arrived))
    }

    /// Writes are metered meanwhile: who puts more than a shard carries is refused.
    async fn put(&mut self, places: &[Option<u128>], bytes: usize) {
        let (mut entries, mut expected) = (Vec::new(), Vec::new());
        for (place, value) in places.iter().zip(self.plain.fresh(places.len(), bytes)) {
            let (value, key) = (format!("p{value}"), key_of(&value));
            let hashed = u128::from_be_bytes(Md5::digest(&key).into());
            let mut entry = json!({"PartitionKey": key, "Data": STANDARD.encode(&value)});
            if let Some(place) = place {
                entry["ExplicitHashKey"] = place.to_string().into();
            }
            entries.push(entry);
            let shard = self.plain.owner(place.unwrap_or(hashed));
            let is_carried = self.plain.admit(shard, (value.len() + key.len()) as u64, 1);
            expected.push(is_carried.then(|| {
                let base = self.plain.write(self.plain.shards[shard].lane, &[value]);
                (id(shard).to_string(), self.number(shard, base).to_string())
            }));
        }
        self.gateway.log.env().limits.set(LIMITS);
        let answer = self.kinesis.call("PutRecords", json!({"StreamName": "orders", "Records": entries})).await;
        self.gateway.log.env().limits.set(Limits::off());
        for (result, expected) in answer["Records"].as_array().unwrap().iter().zip(expected) {
            match expected {
                Some((shard, number)) => {
                    assert_eq!((&result["ShardId"], &result["SequenceNumber"]), (&json!(shard), &json!(number)));
                }
                None => assert_eq!(result["ErrorCode"], "ProvisionedThroughputExceededException"),
            }
        }
    }

    async fn produce(&mut self, partition: usize, records: usize, has_keys: bool, codec: Codec) {
        let lane = partition % self.plain.lanes.len();
        let prefix = if has_keys { 'k' } else { 'n' };
        let values: Vec<_> = self.plain.fresh(records, 10).into_iter().map(|value| format!("{prefix}{value}")).collect();
        let batch = values.iter().fold(Builder::default().codec(codec), |builder, value| {
            let key = key_of(&value[1..]);
            let key = Some(key.as_bytes()).filter(|_| has_keys);
            builder.record(Draft {
                key,
                value: Some(value.as_bytes()),
                created_at: Timestamp(self.plain.now),
                ..Draft::default()
            })
        });
        let taker = self.plain.taker(lane);
        let home = self.plain.shards[taker].lane;
        let base = self.plain.write(home, &values);
        // Where limits are off, what was metered before is forgotten.
        self.plain.forget(taker);
        let answer = self.kafka.produce("orders", i32::try_from(lane).unwrap(), batch.build().unwrap().bytes().clone()).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, if home == lane { base } else { -1 }));
    }

    /// What the model has of a lane, from one offset to another.
    fn records(&self, lane: usize, from: i64, end: i64) -> Vec<Shown<i64>> {
        let offsets = from..end.max(from);
        let shown = |offset| {
            let (arrived, value) = self.plain.lanes[lane].records[index(offset)].clone();
            let key = (!value.starts_with('n')).then(|| key_of(&value[1..]));
            (offset, key, value, arrived)
        };
        offsets.map(shown).collect()
    }

    async fn get(&mut self, shard: usize, start: Start, limit: usize) {
        let Plot { lane, first, end, .. } = self.plain.shards[shard];
        let end = end.unwrap_or_else(|| self.plain.tip(lane));
        let part = |part: i64| first + (end - 1 - first) * part / PARTS;
        let (from, position) = match start {
            Start::Latest => (end, json!({"ShardIteratorType": "LATEST"})),
            Start::Time(part) => {
                let time = crate::log::START.0 + (self.plain.now - crate::log::START.0) * part / PARTS;
                let records = &self.plain.lanes[lane].records[index(first)..index(end)];
                let before = records.iter().take_while(|(arrived, _)| *arrived < time).count();
                let position = json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time as f64 / 1_000.0});
                (first + i64::try_from(before).unwrap(), position)
            }
            Start::At(at) if first < end => {
                let number = self.number(shard, part(at)).to_string();
                (part(at), json!({"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number}))
            }
            Start::After(at) if first < end => {
                let number = self.number(shard, part(at)).to_string();
                (part(at) + 1, json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": number}))
            }
            _ => (first, json!({"ShardIteratorType": "TRIM_HORIZON"})),
        };
        let expected =
            self.records(lane, from.max(self.plain.horizon(lane)), end).into_iter().map(|(offset, key, value, arrived)| {
                let key = key.unwrap_or_else(|| format!("{lane}-{offset}"));
                (self.number(shard, offset).to_string(), Some(key), value, arrived)
            });
        let expected: Vec<Shown<String>> = expected.collect();
        assert!(self.got(shard, position, limit).await == expected, "shard {shard} from {start:?}, {} records", expected.len());
    }

    /// What can be read from a position on, until there is no more.
    async fn got(&mut self, shard: usize, position: Value, limit: usize) -> Vec<Shown<String>> {
        let mut token = json!(crate::kinesis::iterator(&self.kinesis, "orders", &id(shard).to_string(), position).await);
        let mut found = Vec::new();
        loop {
            let answer = self.kinesis.call("GetRecords", json!({"ShardIterator": token, "Limit": limit})).await;
            let records = answer["Records"].as_array().unwrap();
            assert!(records.len() <= limit);
            found.extend(records.iter().map(|record| {
                let value = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
                let arrived = (record["ApproximateArrivalTimestamp"].as_f64().unwrap() * 1_000.0).round() as i64;
                let text = |member: &str| record[member].as_str().unwrap().to_owned();
                (text("SequenceNumber"), Some(text("PartitionKey")), String::from_utf8(value).unwrap(), arrived)
            }));
            if answer["NextShardIterator"].is_null() {
                let children = (0..self.plain.shards.len()).filter(|child| self.plain.shards[*child].parents.contains(&shard));
                let children: Vec<_> = children.map(|child| json!(id(child).to_string())).collect();
                let told = answer["ChildShards"].as_array().unwrap().iter().map(|child| child["ShardId"].clone());
                assert!(told.collect::<Vec<_>>() == children && !children.is_empty(), "the children of shard {shard}");
                return found;
            }
            if records.is_empty() && answer["MillisBehindLatest"] == 0 {
                assert_eq!(self.plain.shards[shard].end, None, "a closed shard has an end");
                return found;
            }
            token = answer["NextShardIterator"].clone();
        }
    }

    async fn fetch(&mut self, lane: usize, from: i64) {
        let (horizon, tip) = (self.plain.horizon(lane), self.plain.tip(lane));
        let answer = fetch(&mut self.kafka, i32::try_from(lane).unwrap(), from).await;
        if !(horizon..=tip).contains(&from) {
            assert_eq!(answer.error_code, 1, "{from} is not within {horizon} to {tip}");
            return;
        }
        let (mut answer, mut next, mut found) = (answer, from, Vec::<Shown<i64>>::new());
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        loop {
            assert_eq!((answer.error_code, answer.log_start_offset, answer.high_watermark), (0, horizon, tip));
            // Batches are whole, so that the first may begin earlier.
            let page = decoded(answer.records.unwrap_or_default()).into_iter().filter(|(offset, _)| *offset >= next);
            found.extend(
                page.map(|(offset, record)| (offset, record.key.map(text), text(record.value.unwrap()), record.timestamp.0)),
            );
            // An answer has a share of the memory for answers, which is less than a lane of large records.
            let behind = found.last().map_or(from, |(offset, ..)| offset + 1);
            if behind == next || behind >= tip {
                break;
            }
            next = behind;
            answer = fetch(&mut self.kafka, i32::try_from(lane).unwrap(), next).await;
        }
        let expected = self.records(lane, from, tip);
        assert!(found == expected, "partition {lane} from {from}: {} records instead of {}", found.len(), expected.len());
    }

    /// Whether a request was done, and not refused.
    async fn is_done(&self, operation: &str, mut input: Value) -> bool {
        input["StreamName"] = "orders".into();
        let answered = self.kinesis.ask(operation, input).await;
        let refusals = ["InvalidArgumentException", "ResourceNotFoundException"];
        assert!(answered.status == 200 || refusals.contains(&answered.header("x-amzn-errortype")), "{:?}", answered.json());
        answered.status == 200
    }

    async fn split(&mut self, shard: usize, part: u8) {
        let shard = shard % (self.plain.shards.len() + 1);
        if self.plain.open().count() >= OPEN_MAX {
            return;
        }
        let keys = self.plain.shards.get(shard).map_or((0, 0), |plot| plot.keys);
        let key = keys.0 + (keys.1 - keys.0) / 255 * u128::from(part);
        let input = json!({"ShardToSplit": id(shard).to_string(), "NewStartingHashKey": key.to_string()});
        let is_done = self.is_done("SplitShard", input).await;
        assert_eq!(is_done, self.plain.split(shard, key), "shard {shard} at {key}");
        self.compare().await;
    }

    async fn merge(&mut self, first: usize, second: usize) {
        // Any two, but mostly neighbours.
        let first = first % self.plain.shards.len();
        let neighbour = self.plain.shards[first].keys.1.checked_add(1).map(|key| self.plain.owner(key));
        let second = if second.is_multiple_of(4) { second % self.plain.shards.len() } else { neighbour.unwrap_or(first) };
        let input = json!({"ShardToMerge": id(first).to_string(), "AdjacentShardToMerge": id(second).to_string()});
        let is_done = self.is_done("MergeShards", input).await;
        assert_eq!(is_done, self.plain.merge(first, second), "shards {first} and {second}");
        self.compare().await;
    }

    async fn scale(&mut self, target: usize) {
        assert!(self.is_done("UpdateShardCount", json!({"TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})).await);
        self.plain.adopt(&self.gateway.log.stream("orders").unwrap().shards());
        assert_eq!(self.plain.open().count(), target);
        self.compare().await;
    }

    async fn open_partitions(&mut self, more: usize) {
        let count = self.plain.lanes.len() + more;
        if self.plain.open().count() + more > OPEN_MAX {
            return;
        }
        let topic = CreatePartitionsTopic::default().with_name(name("orders")).with_count(i32::try_from(count).unwrap());
        let request = CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)]);
        let code = self.kafka.call(3, request).await.results[0].error_code;
        // INVALID_PARTITIONS.
        assert_eq!(code, if more == 0 { 37 } else { 0 });
        self.plain.adopt(&self.gateway.log.stream("orders").unwrap().shards());
        assert_eq!(self.plain.lanes.len(), count);
        self.compare().await;
    }

    async fn retain(&mut self, hours: u32, by_kafka: bool) {
        let millis = i64::from(hours) * 3_600_000;
        if by_kafka {
            set(&mut self.kafka, "retention.ms", &millis.to_string()).await;
        } else {
            let verb = if millis < self.plain.retention { "Decrease" } else { "Increase" };
            let input = json!({"StreamName": "orders", "RetentionPeriodHours": hours});
            self.kinesis.call(&format!("{verb}StreamRetentionPeriod"), input).await;
        }
        self.plain.retain(hours);
    }

    /// The shards that Kinesis lists, and the partitions that Kafka has.
    async fn compare(&mut self) {
        let listed = self.kinesis.call("ListShards", json!({"StreamName": "orders"})).await["Shards"].clone();
        let expected = (0..).zip(&self.plain.shards).filter(|(shard, _)| !self.plain.is_over(*shard)).map(|(shard, plot)| {
            let (shard, created) = (id(shard), Timestamp(plot.created));
            let mut numbers = json!({"StartingSequenceNumber": SequenceNumber::start(shard, created).to_string()});
            if let Some(closed) = plot.closed {
                numbers["EndingSequenceNumber"] = SequenceNumber::end(shard, created, Timestamp(closed)).to_string().into();
            }
            let mut expected = json!({
                "ShardId": shard.to_string(),
                "HashKeyRange": {"StartingHashKey": plot.keys.0.to_string(), "EndingHashKey": plot.keys.1.to_string()},
                "SequenceNumberRange": numbers,
            });
            for (member, parent) in ["ParentShardId", "AdjacentParentShardId"].into_iter().zip(&plot.parents) {
                expected[member] = id(*parent).to_string().into();
            }
            expected
        });
        assert_eq!(listed, expected.collect::<Value>());
        let metadata = self.kafka.call(9, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics[0].partitions.len(), self.plain.lanes.len());
    }

    /// All records at both doors.
    async fn look_at_everything(&mut self) {
        self.compare().await;
        for shard in 0..self.plain.shards.len() {
            self.get(shard, Start::Horizon, 100).await;
        }
        for lane in 0..self.plain.lanes.len() {
            self.fetch(lane, self.plain.horizon(lane)).await;
        }
    }
}

fn id(shard: usize) -> ShardId {
    ShardId(u32::try_from(shard).unwrap())
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap()
}

/// The key of a value: its number.
fn key_of(value: &str) -> String {
    value.trim_end_matches('.').to_owned()
}

#[test]
fn histories_at_both_doors_are_those_of_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let config = Config { cases: 100, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 80), |history| {
        runtime.block_on(async {
            let mut doors = Doors::new().await;
            for step in &history {
                doors = doors.take(step).await;
            }
            doors.look_at_everything().await;
        });
        Ok(())
    });
    outcome.unwrap();
}
