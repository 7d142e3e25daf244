//! Reading, alone and in groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::producer::FutureRecord;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};

use super::{
    LOOK, assigned, beginning, consumer_config, eventually, gateway, gateway_without_limits, patience, take, values, write,
};

/// Lets all consumers do their work until `done`.
fn poll_until<C: ConsumerContext>(what: &str, consumers: &[&BaseConsumer<C>], mut done: impl FnMut() -> bool) {
    eventually(what, || {
        for consumer in consumers {
            if let Some(message) = consumer.poll(LOOK) {
                message.unwrap();
            }
        }
        done().then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_share_a_topic_and_one_takes_over_when_the_other_leaves() {
    let gateway = gateway().await;
    gateway.topic("orders", 4).await;
    let (first, second) = (gateway.consumer("g", &[]), gateway.consumer("g", &[]));
    first.subscribe(&["orders"]).unwrap();
    poll_until("the first has everything", &[&first], || assigned(&first) == [0, 1, 2, 3]);
    second.subscribe(&["orders"]).unwrap();
    poll_until("both have two", &[&first, &second], || assigned(&first).len() == 2 && assigned(&second).len() == 2);
    let mut all = [assigned(&first), assigned(&second)].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
    drop(first);
    poll_until("the second has everything", &[&second], || assigned(&second) == [0, 1, 2, 3]);

    let producer = gateway.producer(&[]);
    for partition in 0..4 {
        write(&producer, "orders", partition, [partition.to_string()]).await;
    }
    let taken = take(&second, 4);
    let mut read = values(&taken);
    read.sort_unstable();
    assert_eq!(read, ["0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_consumers_share_too() {
    let gateway = gateway().await;
    gateway.topic("orders", 4).await;
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let (first, second) = (gateway.consumer("g", &settings), gateway.consumer("g", &settings));
    first.subscribe(&["orders"]).unwrap();
    poll_until("the first has everything", &[&first], || assigned(&first) == [0, 1, 2, 3]);
    second.subscribe(&["orders"]).unwrap();
    poll_until("both have two", &[&first, &second], || assigned(&first).len() == 2 && assigned(&second).len() == 2);
    second.unsubscribe();
    poll_until("the first has everything again", &[&first, &second], || assigned(&first) == [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_on_where_it_has_committed() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    write(&gateway.producer(&[]), "orders", 0, (0..20).map(|number| number.to_string())).await;
    let consumer = gateway.consumer("g", &[]);
    consumer.subscribe(&["orders"]).unwrap();
    assert_eq!(take(&consumer, 10).last().unwrap().offset(), 9);
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("orders", 0, Offset::Offset(10)).unwrap();
    offsets.find_partition("orders", 0).unwrap().set_metadata("half");
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    drop(consumer);

    let consumer = gateway.consumer("g", &[]);
    consumer.subscribe(&["orders"]).unwrap();
    assert_eq!(take(&consumer, 10).iter().map(|message| message.offset()).collect::<Vec<_>>(), (10..20).collect::<Vec<_>>());
    let committed = consumer.committed(patience()).unwrap();
    let committed = committed.find_partition("orders", 0).unwrap();
    assert_eq!((committed.offset(), committed.metadata()), (Offset::Offset(10), "half"));
}

/// Trap 15.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_seeks_to_a_time() {
    let gateway = gateway().await;
    gateway.topic("orders", 1).await;
    let producer = gateway.producer(&[]);
    // Not from 0 on: that means "now" to librdkafka.
    for number in 1..=10 {
        let value = number.to_string();
        let record = FutureRecord::<(), String>::to("orders").partition(0).timestamp(1_000 * number).payload(&value);
        producer.send(record, patience()).await.unwrap();
    }
    let consumer = gateway.consumer("g", &[]);
    consumer.assign(&beginning("orders")).unwrap();
    assert_eq!(values(&take(&consumer, 10)).last(), Some(&"10"));
    for (time, offset) in [(0, Offset::Offset(0)), (5_001, Offset::Offset(5)), (10_000, Offset::Offset(9)), (10_001, Offset::End)]
    {
        let found = consumer.offsets_for_timestamp(time, patience()).unwrap();
        assert_eq!(found.find_partition("orders", 0).unwrap().offset(), offset, "{time}");
    }
    consumer.seek("orders", 0, Offset::Offset(5), patience()).unwrap();
    assert_eq!(values(&take(&consumer, 5)), ["6", "7", "8", "9", "10"]);
    assert_eq!(consumer.fetch_watermarks("orders", 0, patience()).unwrap(), (0, 10));
}

/// What a consumer that waits for 5 MiB is set up with, for so long.
fn five_mebibytes(millis: &str) -> Vec<(&str, &str)> {
    let most = "67108864";
    let bytes = [("fetch.min.bytes", "5242880"), ("fetch.message.max.bytes", most), ("fetch.max.bytes", most)];
    let times = [("fetch.wait.max.ms", millis), ("socket.timeout.ms", "300000"), ("receive.message.max.bytes", "134217728")];
    [bytes, times].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_waits_for_more_than_an_answer_holds_is_answered_when_one_is_full() {
    let gateway = gateway_without_limits().await;
    gateway.topic("orders", 1).await;
    // Far longer than the test takes.
    let consumer = gateway.consumer("g", &five_mebibytes("290000"));
    consumer.assign(&beginning("orders")).unwrap();
    let (producer, half) = (gateway.producer(&[]), "x".repeat(512 << 10));
    // One answer holds 4 MiB at most: from there on it is not waited for what would not fit.
    for written in 1..8 {
        write(&producer, "orders", 0, [half.clone()]).await;
        assert!(consumer.poll(LOOK).is_none(), "answered when there were {written} half mebibytes");
    }
    write(&producer, "orders", 0, vec![half; 3]).await;
    assert_eq!(take(&consumer, 7).last().unwrap().offset(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_waits_for_five_mebibytes_is_answered_with_less_when_its_time_is_up() {
    let gateway = gateway_without_limits().await;
    gateway.topic("orders", 1).await;
    let consumer = gateway.consumer("g", &five_mebibytes("700"));
    consumer.assign(&beginning("orders")).unwrap();
    let producer = gateway.producer(&[]);
    for number in 0..3 {
        let value = number.to_string();
        write(&producer, "orders", 0, [value.clone()]).await;
        assert_eq!(values(&take(&consumer, 1)), [value.as_str()]);
    }
}

/// Counts the shares that a consumer is given.
#[derive(Clone, Default)]
struct Shares(Arc<AtomicUsize>);

impl ClientContext for Shares {}

impl ConsumerContext for Shares {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if matches!(rebalance, Rebalance::Assign(_)) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_that_restarts_gets_its_partitions_back_and_nobody_else_notices() {
    let gateway = gateway().await;
    gateway.topic("orders", 4).await;
    let member = |instance: &str, shares: &Shares| -> BaseConsumer<Shares> {
        let config = consumer_config(&gateway, "g", &[("group.instance.id", instance), ("session.timeout.ms", "30000")]);
        let consumer: BaseConsumer<Shares> = config.create_with_context(shares.clone()).unwrap();
        consumer.subscribe(&["orders"]).unwrap();
        consumer
    };
    let (of_one, of_two) = (Shares::default(), Shares::default());
    let (one, two) = (member("one", &of_one), member("two", &of_two));
    poll_until("both have two", &[&one, &two], || assigned(&one).len() == 2 && assigned(&two).len() == 2);
    let (before, shares) = (assigned(&one), of_two.0.load(Ordering::Relaxed));
    drop(one);
    let one = member("one", &of_one);
    poll_until("the restarted one has its two", &[&one, &two], || assigned(&one) == before);
    assert_eq!((assigned(&two).len(), of_two.0.load(Ordering::Relaxed)), (2, shares));
}
