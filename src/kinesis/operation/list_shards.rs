//! **ListShards**: a stream's shards, all of them or those of a time, 1,000 at a time.
//!
//! The shards of one time hold the whole hash key space once: KCL begins with them and insists on it. A closed shard and its children
//! meet in whole seconds, of which the parent has the last one and the children the next.
//!
//! `NextToken` carries the filter, because clients leave it out of later requests.

use serde::{Deserialize, Serialize};

use crate::aws::{Input, Operation, Output, Refusal, Rule, Structure, Value};
use crate::kinesis::address::shard_number;
use crate::kinesis::context::Context;
use crate::kinesis::page::{self, Token};
use crate::kinesis::seal::Kind;
use crate::kinesis::{refusal, rule, shape};
use crate::log::Stream;
use crate::model::{Shard, ShardId, Timestamp};

/// Shards of one answer, whatever is asked for (Kinesis API reference, ListShards, `MaxResults`, 2026-11).
const SHARDS_MAX: usize = 1_000;

/// ListShards.
pub(super) struct ListShards;

impl Operation<Context> for ListShards {
    const NAME: &'static str = "ListShards";
    const RULES: &'static [Rule] = &[
        rule::SHARD_ID.named("ExclusiveStartShardId"),
        Rule::integer("MaxResults").range(1, 10_000),
        rule::NEXT_TOKEN,
        Rule::timestamp("StreamCreationTimestamp"),
        rule::STREAM_NAME,
        Rule::structure(
            "ShardFilter",
            &[
                Rule::text("Type").required().one_of(&[
                    "AFTER_SHARD_ID",
                    "AT_TRIM_HORIZON",
                    "FROM_TRIM_HORIZON",
                    "AT_LATEST",
                    "AT_TIMESTAMP",
                    "FROM_TIMESTAMP",
                ]),
                rule::SHARD_ID,
                Rule::timestamp("Timestamp"),
            ],
        ),
        rule::STREAM_ARN,
        rule::STREAM_ID,
    ];

    async fn perform(cx: &Context, input: Input) -> Result<Output, Refusal> {
        let (stream, filter, behind) = match input.text("NextToken") {
            Some(token) => {
                page::check_alone(
                    &input,
                    &["StreamName", "StreamARN", "ExclusiveStartShardId", "StreamCreationTimestamp", "ShardFilter"],
                )?;
                let (stream, Rest { filter, behind }) = page::open(cx, Kind::Shards, token)?;
                (stream, filter, Some(behind))
            }
            None => {
                if input.text("StreamName").or(input.text("StreamARN")).is_none() {
                    return Err(refusal::argument("Either NextToken or StreamName should be provided."));
                }
                let stream = page::stream(cx, &input)?;
                let behind = input
                    .text("ExclusiveStartShardId")
                    .map(|text| shard_number(text).ok_or_else(|| cx.no_shard(text, stream.name())));
                (stream, filter(&input)?, behind.transpose()?)
            }
        };
        let mut shards = filtered(&stream, filter, cx.now());
        shards.retain(|shard| behind.is_none_or(|behind| shard.id > behind));
        let limit = page::limit(&input, SHARDS_MAX);
        let has_more = shards.len() > limit;
        shards.truncate(limit);
        let next = shards.last().filter(|_| has_more).map(|last| {
            page::close(
                cx,
                Kind::Shards,
                &Token { stream: stream.id(), born_at: cx.now(), rest: Rest { filter, behind: last.id } },
            )
        });
        Ok(Output::with_capacity(2).with("Shards", shards.iter().map(shape::shard).collect::<Value>()).with("NextToken", next))
    }
}

/// What a token has of the request that it continues.
#[derive(Serialize, Deserialize)]
struct Rest {
    filter: Filter,
    behind: ShardId,
}

/// Which shards are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Filter {
    After(ShardId),
    AtTrimHorizon,
    FromTrimHorizon,
    AtLatest,
    At(Timestamp),
    From(Timestamp),
}

fn filter(input: &Input) -> Result<Filter, Refusal> {
    let Some(filter) = input.structure("ShardFilter") else { return Ok(Filter::FromTrimHorizon) };
    let kind = filter.required_text("Type");
    let missing = |what: &str| refusal::argument(format!("{what} has to be specified for a ShardFilter of type {kind}."));
    let time = |filter: &Structure| filter.timestamp("Timestamp").ok_or_else(|| missing("Timestamp"));
    Ok(match kind {
        "AFTER_SHARD_ID" => {
            let shard = filter.text("ShardId").ok_or_else(|| missing("ShardId"))?;
            Filter::After(shard_number(shard).ok_or_else(|| refusal::argument(format!("ShardId {shard} is invalid.")))?)
        }
        "AT_TRIM_HORIZON" => Filter::AtTrimHorizon,
        "AT_LATEST" => Filter::AtLatest,
        "AT_TIMESTAMP" => Filter::At(time(filter)?),
        "FROM_TIMESTAMP" => Filter::From(time(filter)?),
        _ => Filter::FromTrimHorizon,
    })
}

fn filtered(stream: &Stream, filter: Filter, now: Timestamp) -> Vec<Shard> {
    let mut shards = stream.listed_shards(now);
    // The second of the trim horizon. What was over when the retention was raised stays over, so the horizon is behind that.
    let over = stream.shards().iter().filter(|shard| shard.expired).filter_map(|shard| shard.closed_at).max();
    let horizon = now.minus(stream.settings().retention()).seconds();
    let horizon = horizon.max(stream.created_at().seconds()).max(over.map_or(i64::MIN, |closed_at| closed_at.seconds() + 1));
    let is_open_at = |shard: &Shard, second: i64| {
        shard.created_at.seconds() <= second && shard.closed_at.is_none_or(|closed_at| closed_at.seconds() >= second)
    };
    shards.retain(|shard| match filter {
        Filter::After(id) => shard.id > id,
        Filter::FromTrimHorizon => true,
        Filter::AtLatest => shard.is_open(),
        Filter::AtTrimHorizon => is_open_at(shard, horizon),
        Filter::At(time) => is_open_at(shard, time.seconds().max(horizon)),
        Filter::From(time) => shard.closed_at.is_none_or(|closed_at| closed_at.seconds() >= time.seconds()),
    });
    shards
}
