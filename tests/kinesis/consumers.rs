//! RegisterStreamConsumer, DeregisterStreamConsumer, DescribeStreamConsumer, ListStreamConsumers.

use serde_json::{Value, json};
use shardgate::log::Options;
use shardgate::model::{Limits, Mode, Settings};
use tokio::time::advance;

use super::{SECOND, arn, refused};
use crate::support::{Gateway, Kinesis};

async fn register(kinesis: &Kinesis, name: &str) -> Value {
    let input = json!({"StreamARN": arn("orders"), "ConsumerName": name});
    kinesis.call("RegisterStreamConsumer", input).await["Consumer"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_registered_described_and_deregistered() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    advance(7 * SECOND).await;
    let kinesis = gateway.kinesis();
    let consumer_arn = format!("{}/consumer/c:1700000007", arn("orders"));
    let consumer = json!({
        "ConsumerName": "c",
        "ConsumerARN": consumer_arn,
        "ConsumerStatus": "ACTIVE",
        "ConsumerCreationTimestamp": 1_700_000_007.0,
    });
    assert_eq!(register(&kinesis, "c").await, consumer);
    assert!(stream.settings().fan_out.contains_key("c"));
    let mut described = consumer.clone();
    described["StreamARN"] = arn("orders").into();
    for input in [json!({"ConsumerARN": consumer_arn}), json!({"StreamARN": arn("orders"), "ConsumerName": "c"})] {
        assert_eq!(kinesis.call("DescribeStreamConsumer", input).await["ConsumerDescription"], described);
    }
    refused(
        &kinesis,
        "RegisterStreamConsumer",
        json!({"StreamARN": arn("orders"), "ConsumerName": "c"}),
        "ResourceInUseException",
        "Consumer c of stream orders under account 000000000000 already exists.",
    )
    .await;
    assert_eq!(kinesis.call("DeregisterStreamConsumer", json!({"ConsumerARN": consumer_arn})).await, Value::Null);
    for operation in ["DescribeStreamConsumer", "DeregisterStreamConsumer"] {
        let (name, _) = kinesis.refusal(operation, json!({"ConsumerARN": consumer_arn})).await;
        assert_eq!(name, "ResourceNotFoundException");
        let (name, _) = kinesis.refusal(operation, json!({"ConsumerName": "c"})).await;
        assert_eq!(name, "InvalidArgumentException");
    }
    // Its name may be used again, and is somebody else's then.
    advance(SECOND).await;
    assert_eq!(register(&kinesis, "c").await["ConsumerARN"], format!("{}/consumer/c:1700000008", arn("orders")));
    assert_eq!(
        kinesis.refusal("DescribeStreamConsumer", json!({"ConsumerARN": consumer_arn})).await.0,
        "ResourceNotFoundException"
    );
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_deregistered_is_deleting_for_a_while() {
    let gateway = Gateway::with_options(Options { state_change_delay: 10 * SECOND, ..Options::default() });
    let stream = gateway.stream("orders", 1).await;
    advance(10 * SECOND).await;
    let kinesis = gateway.kinesis();
    let consumer_arn = register(&kinesis, "c").await["ConsumerARN"].clone();
    register(&kinesis, "other").await;
    advance(10 * SECOND).await;
    let from = json!({"ConsumerARN": consumer_arn, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}});
    let mut events = kinesis.subscribe(from.clone()).await;
    events.next().await;
    kinesis.call("DeregisterStreamConsumer", json!({"ConsumerARN": consumer_arn})).await;
    let statuses = async |kinesis: &Kinesis| {
        let list = kinesis.call("ListStreamConsumers", json!({"StreamARN": arn("orders")})).await;
        let consumers = list["Consumers"].as_array().unwrap().iter();
        consumers.map(|one| one["ConsumerStatus"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&kinesis).await, ["DELETING", "ACTIVE"]);
    // Who was subscribed learns it with the next event, which is due after five seconds; nobody is again, and the name is taken.
    assert_eq!(events.next().await.unwrap().header(":exception-type"), "ResourceNotFoundException");
    assert_eq!(kinesis.refusal("SubscribeToShard", from).await.0, "ResourceInUseException");
    let again = json!({"StreamARN": arn("orders"), "ConsumerName": "c"});
    assert_eq!(kinesis.refusal("RegisterStreamConsumer", again.clone()).await.0, "ResourceInUseException");
    // Neither that it is asked for twice, nor other changes, nor a restart make it any longer.
    advance(3 * SECOND).await;
    kinesis.call("DeregisterStreamConsumer", json!({"ConsumerARN": consumer_arn})).await;
    kinesis.call("AddTagsToStream", json!({"StreamName": "orders", "Tags": {"a": "b"}})).await;
    drop(stream);
    let gateway = gateway.restarted();
    let kinesis = gateway.kinesis();
    assert_eq!(statuses(&kinesis).await, ["DELETING", "ACTIVE"]);
    advance(2 * SECOND).await;
    assert_eq!(statuses(&kinesis).await, ["ACTIVE"]);
    let (name, _) = kinesis.refusal("DescribeStreamConsumer", json!({"ConsumerARN": consumer_arn})).await;
    assert_eq!(name, "ResourceNotFoundException");
    let summary = kinesis.call("DescribeStreamSummary", json!({"StreamName": "orders"})).await;
    assert_eq!(summary["StreamDescriptionSummary"]["ConsumerCount"], 1);
    assert_eq!(kinesis.call("RegisterStreamConsumer", again).await["Consumer"]["ConsumerStatus"], "CREATING");
    assert_eq!(gateway.log.stream("orders").unwrap().settings().fan_out.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn consumers_are_listed_in_pages() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for name in ["b", "c", "a"] {
        register(&kinesis, name).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        answer["Consumers"].as_array().unwrap().iter().map(|one| one["ConsumerName"].as_str().unwrap().to_owned()).collect()
    };
    let first = kinesis.call("ListStreamConsumers", json!({"StreamARN": arn("orders"), "MaxResults": 2})).await;
    assert_eq!(names(&first), ["a", "b"]);
    let input = json!({"StreamARN": arn("orders"), "NextToken": first["NextToken"]});
    let rest = kinesis.call("ListStreamConsumers", input).await;
    assert_eq!((names(&rest), rest.get("NextToken")), (vec!["c".to_owned()], None));
    let wrong = json!({"StreamARN": arn("orders"), "NextToken": "x"});
    assert_eq!(kinesis.refusal("ListStreamConsumers", wrong).await.0, "InvalidArgumentException");
}

#[tokio::test(start_paused = true)]
async fn there_are_twenty_consumers_and_fifty_for_the_committed() {
    let gateway = Gateway::start();
    gateway.stream_with("orders", 1, Settings { mode: Mode::OnDemand, ..Settings::default() }).await;
    let kinesis = gateway.kinesis();
    for number in 0..20 {
        register(&kinesis, &format!("c{number}")).await;
    }
    let another = json!({"StreamARN": arn("orders"), "ConsumerName": "c20"});
    assert_eq!(kinesis.refusal("RegisterStreamConsumer", another.clone()).await.0, "LimitExceededException");
    let commit = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    kinesis.call("UpdateAccountSettings", commit).await;
    for number in 20..50 {
        register(&kinesis, &format!("c{number}")).await;
    }
    let another = json!({"StreamARN": arn("orders"), "ConsumerName": "c50"});
    assert_eq!(kinesis.refusal("RegisterStreamConsumer", another).await.0, "LimitExceededException");
}

#[tokio::test(start_paused = true)]
async fn five_consumers_are_created_at_once_where_that_takes_time() {
    let gateway = Gateway::with_options(Options { state_change_delay: 10 * SECOND, ..Options::default() });
    gateway.stream("orders", 1).await;
    advance(10 * SECOND).await;
    gateway.log.env().limits.set(Limits::kinesis());
    let kinesis = gateway.kinesis();
    for number in 0..5 {
        assert_eq!(register(&kinesis, &format!("c{number}")).await["ConsumerStatus"], "CREATING");
        advance(SECOND).await;
    }
    let another = json!({"StreamARN": arn("orders"), "ConsumerName": "c5"});
    let (name, message) = kinesis.refusal("RegisterStreamConsumer", another.clone()).await;
    assert!(name == "LimitExceededException" && message.contains("5 of them CREATING"), "{message}");
    advance(5 * SECOND).await;
    kinesis.call("RegisterStreamConsumer", another).await;
}
