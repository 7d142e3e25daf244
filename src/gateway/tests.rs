//! Gateways in one process: their starts, their ends, their map, their metrics.

use tokio::time::advance;

use super::*;
use crate::batch::{self, Draft};
use crate::env::{PausedClock, SeededEntropy};
use crate::http::{Question, Refusal, Site};
use crate::model::{Mode, Offset, SequenceNumber, ShardId, Timestamp};

/// Nothing a gateway is given to may be bound to a thread.
const fn shared_between_threads<T: Send + Sync + Clone>() {}
const _: () = shared_between_threads::<Gateway>();

#[test]
fn a_cluster_id_is_its_uuid_in_base64() {
    for (id, text) in [
        (Uuid::nil(), "AAAAAAAAAAAAAAAAAAAAAA"),
        (Uuid::max(), "_____________________w"),
        (Uuid::from_u128(0x6ba7_b810_9dad_11d1_80b4_00c0_4fd4_30c8), "a6e4EJ2tEdGAtADAT9QwyA"),
    ] {
        assert_eq!(base64url(id), text);
    }
}

#[tokio::test]
async fn the_cluster_id_is_made_once() {
    let notebook = Notebook::new(Arc::new(MemoryStore::default()), ROOM);
    let entropy = SeededEntropy::new(1);
    let id = cluster_id(&notebook, &entropy).await.unwrap();
    assert!(id.len() == 22 && !id.starts_with('-'), "{id}");
    assert_eq!(cluster_id(&notebook, &entropy).await.unwrap(), id);
}

#[tokio::test]
async fn many_gateways_live_in_one_process_and_none_stays_after_its_last_handle() {
    let (one, other) = (Gateway::builder().start().await.unwrap(), Gateway::builder().start().await.unwrap());
    assert_ne!(one.bootstrap_servers(), other.bootstrap_servers());
    let (address, clone) = (one.kafka_address(), one.clone());
    drop(one);
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    let mut ended = clone.shared.ended.clone();
    drop(clone);
    ended.wait_for(|ended| *ended).await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_directory_keeps_its_id_and_its_topics_and_is_free_after_shutdown() {
    let directory = tempfile::tempdir().unwrap();
    let start = |partitions| Gateway::builder().data_dir(directory.path()).topic("orders", partitions).start();
    let first = start(3).await.unwrap();
    let id = first.cluster_id().to_owned();
    let refused = start(3).await.err().unwrap().to_string();
    assert!(refused.contains("in use by another process") && refused.contains("--data-dir"), "{refused}");
    first.shutdown().await;
    // The topic is left as it is, although more partitions are asked for.
    let second = start(5).await.unwrap();
    assert_eq!(second.cluster_id(), id);
    second.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_names_the_flag_to_change() {
    let taken = Gateway::builder().start().await.unwrap();
    let error = Gateway::builder().kafka_listener(taken.kafka_address()).start().await.err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}", taken.kafka_address())), "{error}");
    assert!(error.contains("--kafka-listener"), "{error}");
}

#[tokio::test]
async fn a_topic_that_cannot_be_is_refused_by_name() {
    let error = Gateway::builder().topic("a b", 1).start().await.err().unwrap().to_string();
    assert!(error.starts_with("the topic \"a b\" cannot be created"), "{error}");
    let error = Gateway::builder().topic("orders", 0).start().await.err().unwrap().to_string();
    assert!(error.starts_with("the topic orders cannot be created"), "{error}");
}

/// The parts of a gateway in memory, at the time of the vectors below.
async fn parts(topic: &str, lanes: u32) -> (Arc<Parts>, watch::Sender<bool>) {
    let env = Env {
        clock: Arc::new(PausedClock::starting_at(Timestamp(1_700_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(1)),
        limits: LimitsInForce::new(Limits::off()),
    };
    let (stop, stopping) = watch::channel(false);
    let (_, parts) = Parts::open(&Config { ephemeral: true, ..Config::default() }, env, stopping).await.unwrap();
    parts.log.create_stream(StreamName::new(topic).unwrap(), lanes, Settings::default()).await.unwrap();
    (parts, stop)
}

async fn put(parts: &Parts, lane: u32) {
    let batch = batch::Builder::default().record(Draft { value: Some(b"a"), ..Draft::default() }).build().unwrap();
    let lane = parts.log.stream("orders").unwrap().lane(lane);
    parts.log.append(lane, &batch, log::Patience::Refuse).unwrap().durable().await.unwrap();
}

/// The one answer to a sequence number.
async fn found(parts: &Parts, number: &str) -> Mapped {
    let answer = parts.map(Question::Sequence(number.to_owned())).await.unwrap();
    let mut found: Vec<Mapped> = serde_json::from_str(&answer).unwrap();
    assert_eq!((found.len(), found[0].sequence_number.as_str()), (1, number));
    found.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_in_no_topic_is_mapped_with_its_realm() {
    let (parts, _stop) = parts("orders", 1).await;
    let realm = parts.home.realm("eu-west-1", "123456789012");
    // A second later, so that the numbers of the two streams are not the same.
    advance(Duration::from_secs(1)).await;
    let name = StreamName::new("orders").unwrap();
    let stream = parts.log.create_stream_in(realm, name, 1, Settings::default()).await.unwrap();
    let batch = batch::Builder::default().record(Draft { value: Some(b"a"), ..Draft::default() }).build().unwrap();
    parts.log.append(stream.lane(0), &batch, log::Patience::Refuse).unwrap().durable().await.unwrap();
    let now = parts.log.env().clock.now();
    let number = SequenceNumber::of(ShardId(0), stream.created_at(), Offset(0), now);
    assert_eq!(found(&parts, &number.to_string()).await.realm.as_deref(), Some("eu-west-1/123456789012"));
    put(&parts, 0).await;
    let answer = parts.map(Question::Offset { topic: "orders".to_owned(), partition: 0, offset: 0 }).await.unwrap();
    assert!(!answer.contains("realm"), "{answer}");
}

/// The vectors of AWS's layout: two shards of one second, the first closed 100 s later, and its child.
#[tokio::test(start_paused = true)]
async fn the_ends_of_split_shards_are_mapped_by_their_sequence_numbers() {
    let (parts, _stop) = parts("orders", 2).await;
    put(&parts, 0).await;
    put(&parts, 0).await;
    advance(Duration::from_secs(100)).await;
    let stream = parts.log.stream("orders").unwrap();
    let middle = stream.shards()[0].keys.split().unwrap().1.start;
    parts.log.split_shard(stream.id(), ShardId(0), middle).await.unwrap();
    for (number, place, shard, partition, offset, at) in [
        ("49646437577108476416916876405825929425585429676275269634", Place::Start, 0, 0, 0, 0),
        ("49646437577130777162115407028967465143858078037781250066", Place::Start, 1, 1, 0, 0),
        ("49646437577119626789516141717395488358902146099801227266", Place::End, 0, 0, 2, 100),
        ("49646437613191082148139424648830721590730485533618733090", Place::Start, 2, 0, 2, 101),
    ] {
        let mapped = found(&parts, number).await;
        assert_eq!((mapped.place, mapped.shard, mapped.topic.as_str()), (place, ShardId(shard).to_string(), "orders"));
        assert_eq!((mapped.partition, mapped.offset), (partition, offset));
        assert_eq!(mapped.arrived_at, Timestamp(1_700_000_000_000 + 1_000 * at));
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_closed_and_merged_shards_are_mapped_both_ways_until_they_are_gone() {
    let (parts, _stop) = parts("orders", 2).await;
    for lane in [0, 1, 1] {
        put(&parts, lane).await;
    }
    advance(Duration::from_secs(10)).await;
    let stream = parts.log.stream("orders").unwrap();
    parts.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
    // To the sealed lane: it goes to the other one.
    put(&parts, 1).await;
    let (one, other, child) = (ShardId(0).to_string(), ShardId(1).to_string(), ShardId(2).to_string());
    let closed_at = Some(Timestamp(1_700_000_010_000));
    let mut numbers = Vec::new();
    for (partition, offset, shard, closed_at) in
        [(0, 0, &one, closed_at), (1, 0, &other, closed_at), (1, 1, &other, closed_at), (0, 1, &child, None)]
    {
        let question = Question::Offset { topic: "orders".to_owned(), partition, offset };
        let forth: Vec<Mapped> = serde_json::from_str(&parts.map(question).await.unwrap()).unwrap();
        let [mapped] = forth.as_slice() else { panic!("{forth:?}") };
        assert_eq!((&mapped.shard, mapped.shard_closed_at, mapped.place), (shard, closed_at, Place::Record));
        let (parents, children) =
            if closed_at.is_some() { (vec![], vec![child.clone()]) } else { (vec![one.clone(), other.clone()], vec![]) };
        assert_eq!((&mapped.parents, &mapped.children), (&parents, &children));
        assert_eq!(&found(&parts, &mapped.sequence_number).await, mapped);
        numbers.push(mapped.sequence_number.clone());
    }
    let sealed = Question::Offset { topic: "orders".to_owned(), partition: 1, offset: 2 };
    assert_eq!(parts.map(sealed).await, Err(Refusal::Absent("offset 2 is outside 0 to 2".to_owned())));
    let ending = stream.shards()[1].ending().unwrap().to_string();
    assert_eq!((found(&parts, &ending).await.offset, found(&parts, &ending).await.place), (2, Place::End));
    advance(Duration::from_secs(86_400 + 1)).await;
    for number in numbers.iter().chain([&ending]) {
        let gone = parts.map(Question::Sequence(number.clone())).await;
        assert!(matches!(gone, Err(Refusal::Absent(_))), "{gone:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_follow_their_traffic_while_the_house_is_kept() {
    let (parts, stop) = parts("orders", 1).await;
    parts.log.env().limits.set(Limits::kinesis());
    let settings = Settings { mode: Mode::OnDemand, ..Settings::default() };
    let stream = parts.log.create_stream(StreamName::new("s").unwrap(), 4, settings).await.unwrap();
    let house = tokio::spawn(keep_house(parts.log.clone(), stop.subscribe()));
    // It is watched from the first minute on.
    sleep(SWEEP_INTERVAL * 3 / 2).await;
    let draft = |builder: batch::Builder, _| builder.record(Draft { value: Some(b"a"), ..Draft::default() });
    let batch = (0..40_000).fold(batch::Builder::default(), draft).build().unwrap();
    let patience = log::Patience::WaitUpTo(Duration::from_secs(10));
    parts.log.append(stream.lane(0), &batch, patience).unwrap().durable().await.unwrap();
    sleep(SWEEP_INTERVAL * 16).await;
    assert_eq!(stream.open_shards(), 5);
    stop.send_replace(true);
    house.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_metrics_know_a_record_to_the_last_millisecond_of_its_retention() {
    let (parts, _stop) = parts("orders", 1).await;
    put(&parts, 0).await;
    for (later, oldest) in [(86_400_000 - 1, 0), (1, 1)] {
        advance(Duration::from_millis(later)).await;
        let (metrics, _) = parts.metrics().await;
        for (name, value) in [("oldest", oldest), ("current", 1)] {
            let line = format!("kafka_topic_partition_{name}_offset{{topic=\"orders\",partition=\"0\"}} {value}");
            assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
        }
    }
}

#[tokio::test]
async fn an_ended_gateway_can_be_shut_down_again() {
    let gateway = Gateway::builder().start().await.unwrap();
    gateway.shutdown().await;
    gateway.clone().shutdown().await;
}
