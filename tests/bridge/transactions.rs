//! Kinesis readers and transactions: what is committed, in order, and nothing else.

use serde_json::json;
use shardgate::model::ShardId;

use crate::kinesis::{iterator, put, values};
use crate::support::{Gateway, Generation, Transactional};

async fn read(gateway: &Gateway, shard: &str) -> Vec<String> {
    let kinesis = gateway.kinesis();
    let token = iterator(&kinesis, "orders", shard, json!({"ShardIteratorType": "TRIM_HORIZON"})).await;
    values(&kinesis.call("GetRecords", json!({"ShardIterator": token})).await)
}

#[tokio::test(start_paused = true)]
async fn kinesis_readers_see_committed_records_in_order_up_to_the_first_open_transaction() {
    for generation in [Generation::First, Generation::Second] {
        let gateway = Gateway::start();
        gateway.stream("orders", 1).await;
        let (kinesis, mut one) = (gateway.kinesis(), Transactional::begin(&gateway, "one", generation).await);
        let mut other = Transactional::begin(&gateway, "other", generation).await;
        put(&kinesis, "orders", "k", "first").await;
        let latest = iterator(&kinesis, "orders", "0", json!({"ShardIteratorType": "LATEST"})).await;
        one.write(0, &["a"]).await;
        other.write(0, &["x"]).await;
        put(&kinesis, "orders", "k", "last").await;
        one.write(0, &["b"]).await;
        assert_eq!(read(&gateway, "0").await, ["first"], "{generation:?}");
        assert_eq!(other.end(false).await, 0);
        assert_eq!(read(&gateway, "0").await, ["first"]);
        assert_eq!(one.end(true).await, 0);
        assert_eq!(read(&gateway, "0").await, ["first", "a", "last", "b"]);
        let answer = kinesis.call("GetRecords", json!({"ShardIterator": latest})).await;
        assert_eq!((values(&answer), &answer["MillisBehindLatest"]), (vec!["a".into(), "last".into(), "b".into()], &json!(0)));
        assert_eq!(read(&gateway.restarted(), "0").await, ["first", "a", "last", "b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_over_a_split_and_a_merge_is_seen_whole_or_not_at_all() {
    for committed in [true, false] {
        let gateway = Gateway::start();
        let stream = gateway.stream("orders", 2).await;
        let mut producer = Transactional::begin(&gateway, "t", Generation::Second).await;
        producer.write(1, &["a"]).await;
        gateway.log.merge_shards(stream.id(), ShardId(0), ShardId(1)).await.unwrap();
        producer.write(1, &["b"]).await;
        assert_eq!((read(&gateway, "1").await.len(), read(&gateway, "2").await.len()), (0, 0));
        assert_eq!(producer.end(committed).await, 0);
        let seen = [read(&gateway, "1").await, read(&gateway, "2").await].concat();
        assert_eq!(seen, if committed { vec!["a", "b"] } else { vec![] });
    }
}
