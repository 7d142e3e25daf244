//! EndTxn (key 26), and all that leads to it: both generations of transactions from end to end.

use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{EndTxnRequest, FetchRequest, ListOffsetsRequest, ProducerId, TransactionalId};
use shardgate::batch::Header;
use tokio::time::advance;

use crate::support::{Gateway, Generation, Transactional, batch, name, records, text};

const BOTH: [Generation; 2] = [Generation::First, Generation::Second];

/// What a reader of committed records makes of a partition: values, as a client works them out; the last stable offset; the tip.
pub(super) async fn read(gateway: &Gateway, partition: i32) -> (Vec<String>, i64, i64) {
    let asked = FetchPartition::default().with_partition(partition).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name("orders")).with_partitions(vec![asked]);
    let request = FetchRequest::default().with_max_bytes(1 << 20).with_isolation_level(1).with_topics(vec![topic]);
    let mut response = gateway.kafka().call(12, request).await;
    let found = response.responses.remove(0).partitions.remove(0);
    let mut aborted = found.aborted_transactions.unwrap();
    aborted.sort_by_key(|one| one.first_offset);
    let (mut rest, mut values, mut gone) = (found.records.unwrap_or_default(), Vec::new(), Vec::new());
    while !rest.is_empty() {
        let header = Header::parse(&rest).unwrap();
        let batch = rest.split_to(header.bytes);
        let id = header.producer.map_or(-1, |stamp| stamp.id);
        gone.extend(aborted.extract_if(.., |one| one.first_offset < header.next_offset().0).map(|one| *one.producer_id));
        if header.control {
            gone.retain(|producer| *producer != id);
        } else if !(header.transactional && gone.contains(&id)) {
            values.extend(records(&batch).into_iter().map(|record| record.value));
        }
    }
    (values, found.last_stable_offset, found.high_watermark)
}

async fn latest(gateway: &Gateway, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default().with_name(name("orders")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_isolation_level(isolation).with_topics(vec![topic]);
    gateway.kafka().call(7, request).await.topics[0].partitions[0].offset
}

#[tokio::test(start_paused = true)]
async fn committed_records_are_read_when_the_answer_is_there_and_aborted_ones_never() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 2).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        producer.write(0, &["a", "b"]).await;
        producer.write(1, &["c"]).await;
        gateway.kafka().produce("orders", 0, batch(&["plain"])).await;
        assert_eq!(read(&gateway, 0).await, (vec![], 0, 3), "{generation:?}");
        assert_eq!((latest(&gateway, 1).await, latest(&gateway, 0).await), (0, 3));
        assert_eq!(producer.end(true).await, 0);
        assert_eq!(read(&gateway, 0).await, (["a", "b", "plain"].map(str::to_owned).to_vec(), 4, 4));
        assert_eq!(read(&gateway, 1).await, (vec!["c".to_owned()], 2, 2));
        producer.write(0, &["d"]).await;
        assert_eq!(producer.end(false).await, 0);
        producer.write(0, &["e"]).await;
        assert_eq!(producer.end(true).await, 0);
        let values = ["a", "b", "plain", "e"].map(str::to_owned).to_vec();
        assert_eq!(read(&gateway, 0).await, (values.clone(), 8, 8));
        let gateway = gateway.restarted();
        assert_eq!(read(&gateway, 0).await, (values, 8, 8));
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_generation_has_an_epoch_for_every_transaction() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut first = Transactional::begin(&gateway, "first", Generation::First).await;
    let mut second = Transactional::begin(&gateway, "second", Generation::Second).await;
    for round in 1..4 {
        first.write(0, &["a"]).await;
        assert_eq!((first.end(round % 2 == 0).await, first.epoch), (0, 0));
        second.write(0, &["a"]).await;
        assert_eq!((second.end(round % 2 == 0).await, second.epoch), (0, round));
    }
    // Without anything written: there is nothing to commit, and what may have been lost on the way can be aborted.
    assert_eq!((second.end(true).await, second.epoch), (48, 3));
    assert_eq!((second.end(false).await, second.epoch), (0, 4));
    assert_eq!(first.end(true).await, 48, "the last one was aborted");
    assert_eq!(first.end(false).await, 0, "that is what happened");
}

/// A client whose answer was lost asks again.
#[tokio::test(start_paused = true)]
async fn who_ends_a_transaction_again_is_told_the_same() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        producer.write(0, &["a"]).await;
        let before = producer.epoch;
        assert_eq!(producer.end(true).await, 0);
        let (gateway, after) = (gateway.restarted(), producer.epoch);
        (producer.kafka, producer.epoch) = (gateway.kafka(), before);
        assert_eq!((producer.end(true).await, producer.epoch), (0, after), "{generation:?}");
        producer.epoch = before;
        assert_eq!(producer.end(false).await, 48, "it was committed");
        assert_eq!(read(&gateway, 0).await.0, ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_right_to_end_a_transaction_is_told_why() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut old = Transactional::begin(&gateway, "t", Generation::First).await;
    let new = Transactional::begin(&gateway, "t", Generation::First).await;
    assert_eq!((old.id, old.epoch + 1), (new.id, new.epoch));
    assert_eq!((old.end(true).await, old.add(0).await), (90, 90));
    for (transactional_id, id, epoch, version, code) in [
        ("t", new.id, 0, 1, 47),
        ("t", new.id, 0, 2, 90),
        ("t", new.id, 5, 5, 90),
        ("t", 99, 1, 5, 49),
        ("x", 0, 0, 5, 49),
        ("", 0, 0, 5, 42),
    ] {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(transactional_id)))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch);
        assert_eq!(gateway.kafka().call(version, request).await.error_code, code, "{transactional_id} {id} {epoch} {version}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_producer_fences_the_old_one_and_aborts_what_it_left() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut old = Transactional::begin(&gateway, "t", generation).await;
        old.write(0, &["left"]).await;
        let mut new = Transactional::begin(&gateway, "t", generation).await;
        assert!(new.id == old.id && new.epoch > old.epoch);
        assert_eq!(read(&gateway, 0).await, (vec![], 2, 2), "{generation:?}");
        assert_eq!((old.send(0, &["late"]).await, old.end(true).await), (47, 90));
        new.write(0, &["new"]).await;
        assert_eq!(new.end(true).await, 0);
        assert_eq!(read(&gateway, 0).await.0, ["new"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        producer.write(0, &["a"]).await;
        advance(Duration::from_secs(59)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(read(&gateway, 0).await.1, 0);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(read(&gateway, 0).await, (vec![], 2, 2), "{generation:?}");
        assert_eq!((producer.send(0, &["late"]).await, producer.end(true).await, producer.end(false).await), (47, 90, 90));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_goes_on_after_a_restart_and_its_time_runs_on() {
    for generation in BOTH {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let mut producer = Transactional::begin(&gateway, "t", generation).await;
        producer.write(0, &["a"]).await;
        advance(Duration::from_secs(30)).await;
        let gateway = gateway.restarted();
        producer.kafka = gateway.kafka();
        assert_eq!(producer.send(0, &["b"]).await, 0);
        assert_eq!(producer.end(true).await, 0);
        assert_eq!(read(&gateway, 0).await.0, ["a", "b"]);
        producer.write(0, &["c"]).await;
        let gateway = gateway.restarted();
        tokio::time::sleep(Duration::from_secs(62)).await;
        assert_eq!(read(&gateway, 0).await.1, 5, "{generation:?}");
    }
}

/// Epochs are 16 bits, and the last one is only for markers.
#[tokio::test(start_paused = true)]
async fn when_the_epochs_are_used_up_there_is_a_new_producer_id() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
    let id = producer.id;
    while producer.epoch < i16::MAX - 1 {
        assert_eq!(producer.end(false).await, 0);
        assert_eq!(producer.id, id);
    }
    producer.write(0, &["last"]).await;
    assert_eq!((producer.end(true).await, producer.epoch), (0, 0));
    assert!(producer.id != id);
    producer.write(0, &["first"]).await;
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(read(&gateway, 0).await.0, ["last", "first"]);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_deleted_does_not_hold_its_transaction_up() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let mut producer = Transactional::begin(&gateway, "t", Generation::First).await;
    producer.write(0, &["gone"]).await;
    gateway.log.delete_stream(stream.id()).await.unwrap();
    gateway.stream("orders", 1).await;
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(read(&gateway, 0).await, (vec![], 0, 0), "the new topic knows nothing of it");
}
