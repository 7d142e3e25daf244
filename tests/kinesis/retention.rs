//! IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.

use serde_json::json;
use tokio::time::advance;

use super::{SECOND, put, records, refused};
use crate::support::Gateway;

#[tokio::test(start_paused = true)]
async fn the_period_is_raised_and_lowered_and_may_stay_as_it_is() {
    let gateway = Gateway::start();
    let stream = gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    for (operation, hours) in [
        ("IncreaseStreamRetentionPeriod", 24),
        ("IncreaseStreamRetentionPeriod", 8_760),
        ("DecreaseStreamRetentionPeriod", 8_760),
        ("DecreaseStreamRetentionPeriod", 24),
    ] {
        kinesis.call(operation, json!({"StreamName": "orders", "RetentionPeriodHours": hours})).await;
        assert_eq!(stream.settings().retention_hours, hours);
    }
}

#[tokio::test(start_paused = true)]
async fn periods_that_streams_do_not_have_are_refused_in_the_words_of_aws() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let hours = |hours: i64| json!({"StreamName": "orders", "RetentionPeriodHours": hours});
    kinesis.call("IncreaseStreamRetentionPeriod", hours(48)).await;
    for (operation, asked, message) in [
        (
            "IncreaseStreamRetentionPeriod",
            23,
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
        ),
        (
            "DecreaseStreamRetentionPeriod",
            -1,
            "Minimum allowed retention period is 24 hours. Requested retention period (-1 hours) is too short.",
        ),
        (
            "IncreaseStreamRetentionPeriod",
            8_761,
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
        ),
        (
            "IncreaseStreamRetentionPeriod",
            47,
            "Requested retention period (47 hours) for stream orders can not be shorter than existing retention period (48 hours). Use \
             DecreaseRetentionPeriod API.",
        ),
        (
            "DecreaseStreamRetentionPeriod",
            49,
            "Requested retention period (49 hours) for stream orders can not be longer than existing retention period (48 hours). Use \
             IncreaseRetentionPeriod API.",
        ),
    ] {
        refused(&kinesis, operation, hours(asked), "InvalidArgumentException", message).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_gone_at_once_and_stays_gone() {
    let gateway = Gateway::start();
    gateway.stream("orders", 1).await;
    let kinesis = gateway.kinesis();
    let set = async |operation, hours: u32| {
        kinesis.call(operation, json!({"StreamName": "orders", "RetentionPeriodHours": hours})).await;
    };
    set("IncreaseStreamRetentionPeriod", 48).await;
    put(&kinesis, "orders", "a", "old").await;
    advance(30 * 3_600 * SECOND).await;
    put(&kinesis, "orders", "a", "new").await;
    assert_eq!(records(&kinesis, "orders", "0").await.len(), 2);
    set("DecreaseStreamRetentionPeriod", 24).await;
    assert_eq!(records(&kinesis, "orders", "0").await.len(), 1);
    set("IncreaseStreamRetentionPeriod", 48).await;
    assert_eq!(records(&kinesis, "orders", "0").await[0].1, "new");
}
