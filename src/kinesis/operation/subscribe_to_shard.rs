//! **SubscribeToShard**: a shard's records as they come, for five minutes, with the consumer's own throughput.
//!
//! When nothing comes there is an event without records every five seconds at least. `ContinuationSequenceNumber` is where to go on
//! behind; the last event of a closed shard has its children instead, as KCL insists. A second subscription of the same
//! consumer to the same shard takes over, and the first is told so; within five seconds it is refused.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::aws::{Events, Input, Refusal, Rule, Sink, Structure, Subscription, Value};
use crate::kinesis::address::{Registered, shard_number};
use crate::kinesis::context::Context;
use crate::kinesis::records::{Reading, Room, Walk, millis_behind, read};
use crate::kinesis::start::Start;
use crate::kinesis::subscriptions::{Hold, taken};
use crate::kinesis::{refusal, rule, shape};
use crate::log::{Error, Reader, ShardReader};
use crate::model::{Offset, SequenceNumber, Shard, ShardId, Status, Timestamp};

/// How long a subscription lasts (Kinesis API reference, SubscribeToShard, 2026-11).
const LIFE: Duration = Duration::from_secs(300);
/// The longest time without an event, as AWS was seen to keep it.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// What one event has. *Ours*: half a second's worth, so that a slow client is not sent much at once.
const ROOM: Room = Room { records: 10_000, bytes: 1 << 20 };
/// Memory that an event with records may take: those of more than a mebibyte come alone.
const EVENT_BYTES: usize = 4 << 20;
/// The name of the events.
const EVENT: &str = "SubscribeToShardEvent";

/// SubscribeToShard.
pub(super) struct SubscribeToShard;

impl Subscription<Context> for SubscribeToShard {
    const NAME: &'static str = "SubscribeToShard";
    const RULES: &'static [Rule] = &[
        rule::CONSUMER_ARN.required(),
        rule::SHARD_ID.required(),
        Rule::structure(
            "StartingPosition",
            &[rule::ITERATOR_TYPE.named("Type"), rule::SEQUENCE_NUMBER, Rule::timestamp("Timestamp")],
        )
        .required(),
        rule::STREAM_ID,
        rule::DRY_RUN,
    ];

    async fn begin(cx: &Context, input: Input) -> Result<Events, Refusal> {
        let consumer = cx.consumer(&input)?;
        let (stream, name) = (&consumer.stream, &consumer.name);
        if consumer.get().is_none_or(|consumer| cx.log.consumer_status(&consumer) != Status::Active) {
            return Err(refusal::in_use(format!("Consumer {name} under account {} is not ACTIVE.", cx.account)));
        }
        let text = input.required_text("ShardId");
        let shard = shard_number(text).ok_or_else(|| cx.no_shard(text, stream.name()))?;
        let reader = cx.log.shard_reader(stream.id(), shard, Reader::Patient(name));
        let mut reader = reader.map_err(|_| cx.shard_does_not_exist(shard, stream.name()))?;
        let none = Structure::default();
        let position = input.structure("StartingPosition").unwrap_or(&none);
        let (kind, number) = (position.required_text("Type"), position.text("SequenceNumber"));
        let next = Start { kind, number, input: position }.find(cx, &mut reader).await?;
        drop(reader);
        if input.is_set("DryRun") {
            return Err(refusal::dry_run());
        }
        let hold = cx.shared.subscriptions.take((stream.id(), name.clone(), shard));
        cx.measure_subscription(stream, name, hold.is_ok());
        let hold = hold?;
        let subscribed = Subscribed { cx: cx.clone(), consumer, shard, next, at: None, ends_at: Instant::now() + LIFE };
        Ok(Events::made_by(|sink| subscribed.serve(hold, sink)))
    }
}

/// One subscription.
struct Subscribed {
    cx: Context,
    consumer: Registered,
    shard: ShardId,
    /// The first offset that was not sent.
    next: Offset,
    /// The arrival of the last record that was sent.
    at: Option<Timestamp>,
    ends_at: Instant,
}

impl Subscribed {
    /// Sends events until the subscription ends, one way or another.
    async fn serve(mut self, mut hold: Hold, mut sink: Sink) {
        let ended = tokio::select! {
            biased;
            () = hold.lost() => Err(taken()),
            ended = self.send_all(&mut sink) => ended,
        };
        if let Err(refusal) = ended {
            sink.refuse(refusal).await;
        }
    }

    async fn send_all(&mut self, sink: &mut Sink) -> Result<(), Refusal> {
        let (name, cx) = (self.consumer.name.clone(), self.cx.clone());
        let refused = |error: Error| match error {
            Error::UnknownStream(_) | Error::UnknownShard { .. } => {
                cx.shard_does_not_exist(self.shard, self.consumer.stream.name())
            }
            error => Refusal::new("InternalFailureException", error.to_string()),
        };
        let reader = cx.log.shard_reader(self.consumer.stream.id(), self.shard, Reader::Patient(&name));
        let mut reader = reader.map_err(&refused)?;
        loop {
            let silent_until = (Instant::now() + SILENCE_MAX).min(self.ends_at);
            let found = timeout_at(silent_until, wait(&mut reader, self.next)).await;
            // What comes next is made when what came before is taken.
            let place = sink.place(if found.is_ok() { EVENT_BYTES } else { 0 }).await;
            if self.consumer.get().is_none_or(|consumer| consumer.gone_at.is_some()) {
                return Err(refusal::not_found(format!("Consumer {name} under account {} not found.", cx.account)));
            }
            match found {
                _ if Instant::now() >= self.ends_at => return Ok(()),
                Ok(found) => {
                    found.map_err(&refused)?;
                    let reading = read(&cx, &mut reader, self.next, ROOM).await.map_err(&refused)?;
                    let Reading { walk, is_over, millis_behind } = reading;
                    reader.pay(walk.bytes).map_err(&refused)?;
                    (self.next, self.at) = (walk.next, walk.at.or(self.at));
                    let number = number(reader.shard(), walk.next, walk.at.unwrap_or(cx.now()));
                    let children = if is_over { shape::children(reader.stream(), self.shard) } else { Value::Null };
                    let number = Some(number).filter(|_| !is_over);
                    if is_over || !walk.records.is_empty() {
                        cx.measure_event(reader.stream(), self.shard, &name, &walk, millis_behind);
                        place.send(EVENT, event(walk.records, number, millis_behind, children));
                    }
                    if is_over {
                        return Ok(());
                    }
                }
                Err(_) => {
                    let millis_behind = millis_behind(&mut reader, self.next, self.at).await.map_err(&refused)?;
                    let number = number(reader.shard(), self.next, cx.now());
                    cx.measure_event(reader.stream(), self.shard, &name, &Walk::from(self.next), millis_behind);
                    place.send(EVENT, event(Vec::new(), Some(number), millis_behind, Value::Null));
                }
            }
        }
    }
}

/// Returns when there is something from `next` on, and the consumer may have it.
async fn wait(reader: &mut ShardReader<'_>, next: Offset) -> Result<(), Error> {
    reader.wait(next).await?;
    reader.may_read().await
}

/// The number behind which the next record is found.
fn number(shard: &Shard, next: Offset, at: Timestamp) -> String {
    let index = u64::try_from(next.0).unwrap_or(0);
    let arrived = u64::try_from(at.seconds()).unwrap_or(0);
    SequenceNumber { index, arrived, ..shard.start() }.to_string()
}

fn event(records: Vec<Structure>, number: Option<String>, millis_behind: i64, children: Value) -> Structure {
    Structure::with_capacity(4)
        .with("Records", records)
        .with("ContinuationSequenceNumber", number)
        .with("MillisBehindLatest", millis_behind)
        .with("ChildShards", children)
}
