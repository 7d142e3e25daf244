//! Who uses the gateway: each does its work until the world is over, and notes what it did and saw.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, CreateTopicsRequest, DeleteTopicsRequest, EndTxnRequest, FetchRequest, GroupId, HeartbeatRequest,
    InitProducerIdRequest, LeaveGroupRequest, ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
    ProducerId, SyncGroupRequest, TransactionalId,
};
use serde_json::json;
use shardgate::batch::{Batch, Builder, Draft, Header, ProducerStamp};

use super::history::{Door, Lane, Outcome, Place, Reach, Read, What, Write};
use super::support::{init_request, join_request, name, produce, text};
use super::world::{Caller, Line, Told, World, offset_of};

/// The stream that lasts, and its number; that which comes and goes has one for each time.
pub(crate) const LASTING: (&str, u32) = ("orders", 0);
const PASSING: &str = "passing";

/// A record's value, which tells its id.
fn value_of(id: u64) -> String {
    format!("{id}{}", ".".repeat((id % 40) as usize))
}

/// The id that a value tells; 0, which nobody sends, if it tells none.
fn id_of(value: &[u8]) -> u64 {
    std::str::from_utf8(value).ok().and_then(|value| value.trim_end_matches('.').parse().ok()).unwrap_or(0)
}

/// A batch of records with these ids.
fn batch(builder: Builder, ids: &[u64]) -> Bytes {
    let values: Vec<_> = ids.iter().map(|id| value_of(*id)).collect();
    let record = |builder: Builder, value: &String| builder.record(Draft { value: Some(value.as_bytes()), ..Draft::default() });
    values.iter().fold(builder, record).build().unwrap().bytes().clone()
}

/// How many lanes a stream has now; 1 if that cannot be told.
fn lanes(world: &World, name: &str) -> u32 {
    world.gateway().and_then(|gateway| gateway.log.stream(name)).map_or(1, |stream| stream.lanes())
}

fn some_lane(line: &Line, name: &str) -> u32 {
    line.chance.below(lanes(&line.world, name).into()) as u32
}

fn fresh(world: &World, count: u64) -> Vec<u64> {
    (0..count).map(|_| world.fresh()).collect()
}

/// Errors after which something may have been done all the same: all that do not say what was wrong with the request.
fn outcome<T>(code: i16, acknowledged: T) -> Outcome<T> {
    match code {
        0 => Outcome::Acknowledged(acknowledged),
        // Not known there, not as it has to be, not allowed, not now.
        3 | 10 | 19 | 22 | 25 | 27 | 42 | 45 | 47 | 48 | 49 | 53 | 87 | 90 => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

fn produced(answer: Option<kafka_protocol::messages::ProduceResponse>) -> Option<(i16, Option<i64>)> {
    let partition = &answer?.responses[0].partition_responses[0];
    Some((partition.error_code, Some(partition.base_offset).filter(|base| *base >= 0)))
}

/// Writes without an id, up to three requests at a time.
pub(crate) async fn plain_producer(mut line: Line) {
    while !line.world.is_over() {
        line.pause(1_000).await;
        let mut begun = Vec::new();
        for _ in 0..=line.chance.below(3) {
            let (lane, ids) = (some_lane(&line, LASTING.0), fresh(&line.world, 1 + line.chance.below(4)));
            let (start, request) = (line.world.moment(), produce(LASTING.0, lane as i32, Some(batch(Builder::default(), &ids))));
            let is_sent = line.send(9, &request).await;
            let write = Write {
                door: Door::Kafka,
                stream: LASTING.1,
                lane: Some(lane),
                ids,
                line: Some(line.number),
                transaction: None,
                outcome: Outcome::Unknown,
            };
            begun.push((start, write));
            if !is_sent {
                break;
            }
        }
        for (start, mut write) in begun {
            // What was sent before the connection was lost has no answer any more.
            if write.line == Some(line.number)
                && let Some((code, base)) = produced(line.receive::<ProduceRequest>(9).await)
            {
                write.outcome = outcome(code, base);
            }
            line.world.enter(start, What::Write(write));
        }
    }
}

/// Writes with a producer id, and repeats what has no answer.
pub(crate) async fn idempotent_producer(mut line: Line) {
    while !line.world.is_over() {
        let Some(begun) = line.call(4, InitProducerIdRequest::default().with_transaction_timeout_ms(60_000)).await else {
            continue;
        };
        if begun.error_code != 0 {
            line.pause(500).await;
            continue;
        }
        let (id, number) = (*begun.producer_id, line.world.fresh());
        let mut sequences = HashMap::<u32, i32>::new();
        while !line.world.is_over() {
            line.pause(1_000).await;
            let (lane, ids) = (some_lane(&line, LASTING.0), fresh(&line.world, 1 + line.chance.below(4)));
            let next = sequences.entry(lane).or_default();
            let stamp = ProducerStamp { id, epoch: begun.producer_epoch, first_sequence: *next };
            *next += ids.len() as i32;
            let records = batch(Builder::default().producer(stamp), &ids);
            let (start, mut told) = (line.world.moment(), Outcome::Unknown);
            for _ in 0..20 {
                let answer = line.call(9, produce(LASTING.0, lane as i32, Some(records.clone()))).await;
                match produced(answer) {
                    Some((0, base)) => told = Outcome::Acknowledged(base),
                    // It was there already, and where is not known any more.
                    Some((46, _)) => told = Outcome::Acknowledged(None),
                    // Nobody else has this producer id, and nothing was left out.
                    Some((code @ (45 | 47 | 59), _)) => line.world.trouble(format!("an idempotent producer was told {code}")),
                    Some(_) | None => {
                        line.pause(300).await;
                        continue;
                    }
                }
                break;
            }
            let is_done = told.is_acknowledged();
            let write = Write {
                door: Door::Kafka,
                stream: LASTING.1,
                lane: Some(lane),
                ids,
                line: Some(number),
                transaction: None,
                outcome: told,
            };
            line.world.enter(start, What::Write(write));
            if !is_done {
                break;
            }
        }
    }
}

/// Writes in transactions, as clients before and after KIP-890 do.
pub(crate) async fn transactional_producer(mut line: Line, transactional_id: &'static str, is_second: bool) {
    let mut left: Option<u64> = None;
    while !line.world.is_over() {
        let start = line.world.moment();
        let Some(begun) = line.call(4, init_request(transactional_id)).await else { continue };
        if begun.error_code != 0 {
            line.pause(300).await;
            continue;
        }
        if let Some(transaction) = left.take() {
            // Whatever became of it, it is over.
            line.world.enter(start, What::End { transaction, committed: false, outcome: Outcome::Acknowledged(()) });
        }
        let (mut id, mut epoch) = (*begun.producer_id, begun.producer_epoch);
        let mut sequences = HashMap::<u32, i32>::new();
        while !line.world.is_over() {
            let transaction = line.world.fresh();
            left = Some(transaction);
            let mut is_good = true;
            for _ in 0..=line.chance.below(3) {
                line.pause(1_000).await;
                let lane = some_lane(&line, LASTING.0);
                if !is_second {
                    let topic = AddPartitionsToTxnTopic::default().with_name(name(LASTING.0)).with_partitions(vec![lane as i32]);
                    let request = AddPartitionsToTxnRequest::default()
                        .with_v3_and_below_transactional_id(TransactionalId(text(transactional_id)))
                        .with_v3_and_below_producer_id(ProducerId(id))
                        .with_v3_and_below_producer_epoch(epoch)
                        .with_v3_and_below_topics(vec![topic]);
                    let answer = line.call(3, request).await;
                    let code =
                        answer.map(|answer| answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code);
                    is_good = code == Some(0);
                }
                if !is_good {
                    break;
                }
                let ids = fresh(&line.world, 1 + line.chance.below(3));
                let next = sequences.entry(lane).or_default();
                let stamp = ProducerStamp { id, epoch, first_sequence: *next };
                *next += ids.len() as i32;
                let records = batch(Builder::default().producer(stamp).transactional(), &ids);
                let request = produce(LASTING.0, lane as i32, Some(records))
                    .with_transactional_id(Some(TransactionalId(text(transactional_id))));
                let start = line.world.moment();
                let told = produced(line.call(if is_second { 12 } else { 9 }, request).await);
                let outcome = told.map_or(Outcome::Unknown, |(code, base)| outcome(code, base));
                is_good = outcome.is_acknowledged();
                let write = Write {
                    door: Door::Kafka,
                    stream: LASTING.1,
                    lane: Some(lane),
                    ids,
                    line: Some(line.number),
                    transaction: Some(transaction),
                    outcome,
                };
                line.world.enter(start, What::Write(write));
                if !is_good {
                    break;
                }
            }
            let committed = is_good && line.chance.below(3) > 0;
            let request = EndTxnRequest::default()
                .with_transactional_id(TransactionalId(text(transactional_id)))
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch)
                .with_committed(committed);
            let start = line.world.moment();
            // Only a client that says what its last request may have left undone may go on after it.
            let answer = line.call(if is_second { 5 } else { 3 }, request).await;
            let is_done = answer.as_ref().is_some_and(|answer| answer.error_code == 0);
            let outcome = if is_done { Outcome::Acknowledged(()) } else { Outcome::Unknown };
            line.world.enter(start, What::End { transaction, committed, outcome });
            let Some(answer) = answer.filter(|_| is_done && is_good) else { break };
            left = None;
            if is_second {
                if (*answer.producer_id, answer.producer_epoch) != (id, epoch) {
                    sequences.clear();
                }
                (id, epoch) = (*answer.producer_id, answer.producer_epoch);
            }
        }
    }
}

/// Puts records at the Kinesis door.
pub(crate) async fn putter(caller: Caller) {
    while !caller.world.is_over() {
        caller.pause(1_000).await;
        put(&caller, LASTING.0, LASTING.1).await;
    }
}

async fn put(caller: &Caller, name: &str, stream: u32) {
    let ids = fresh(&caller.world, 1 + caller.chance.below(4));
    let entry =
        |id: &u64| json!({"PartitionKey": caller.chance.below(1_000).to_string(), "Data": STANDARD.encode(value_of(*id))});
    let entries: Vec<_> = ids.iter().map(entry).collect();
    let start = caller.world.moment();
    let told = caller.call("PutRecords", json!({"StreamName": name, "Records": entries})).await;
    for (index, id) in ids.into_iter().enumerate() {
        let (mut lane, mut outcome) = (None, Outcome::Unknown);
        match &told {
            Told::Done(answer) => {
                let result = &answer["Records"][index];
                if result["SequenceNumber"].is_string() {
                    lane = caller.world.lane(stream, name, result["ShardId"].as_str().unwrap());
                    outcome = Outcome::Acknowledged(lane.map(|_| offset_of(&result["SequenceNumber"])));
                } else if result["ErrorCode"] != "InternalFailure" {
                    outcome = Outcome::Refused;
                }
            }
            Told::Refused => outcome = Outcome::Refused,
            Told::Unknown => {}
        }
        let write = Write { door: Door::Kinesis, stream, lane, ids: vec![id], line: None, transaction: None, outcome };
        caller.world.enter(start, What::Write(write));
    }
}

/// Asks for a lane's records from an offset on; the answer and the moment before it was asked.
async fn fetch(line: &mut Line, name_of: &'static str, stream: u32, lane: u32, from: i64, committed: bool) -> Fetched {
    let asked = FetchPartition::default()
        .with_partition(lane as i32)
        .with_fetch_offset(from)
        .with_partition_max_bytes(1 << (7 + line.chance.below(10)));
    let topic = FetchTopic::default().with_topic(name(name_of)).with_partitions(vec![asked]);
    let request = FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_min_bytes(1)
        .with_max_wait_ms(line.chance.below(300) as i32)
        .with_isolation_level(committed.into())
        .with_topics(vec![topic]);
    let start = line.world.moment();
    let Some(mut answer) = line.call(12, request).await else { return Fetched::Nothing };
    if answer.responses.is_empty() {
        return Fetched::Nothing;
    }
    let found = answer.responses.remove(0).partitions.remove(0);
    match found.error_code {
        0 => {}
        1 => return Fetched::OutOfRange,
        _ => return Fetched::Nothing,
    }
    let reach = Reach { horizon: found.log_start_offset, stable: found.last_stable_offset, tip: found.high_watermark };
    let (until, records) = visible(found, from, committed);
    let lane = Lane { stream, lane };
    line.world.enter(start, What::Read(Read { door: Door::Kafka, lane, committed, from, until, records, reach: Some(reach) }));
    Fetched::Until(until, reach)
}

enum Fetched {
    Until(i64, Reach),
    OutOfRange,
    Nothing,
}

/// What a client makes of an answer: where it goes on, and the records it shows.
fn visible(found: PartitionData, from: i64, committed: bool) -> (i64, Vec<(i64, u64)>) {
    let mut aborted = found.aborted_transactions.unwrap_or_default();
    aborted.sort_by_key(|one| one.first_offset);
    let (mut rest, mut records, mut gone, mut until) = (found.records.unwrap_or_default(), Vec::new(), Vec::new(), from);
    while !rest.is_empty() {
        let header = Header::parse(&rest).unwrap();
        let batch = Batch::check(rest.split_to(header.bytes)).unwrap();
        let id = header.producer.map_or(-1, |stamp| stamp.id);
        gone.extend(aborted.extract_if(.., |one| one.first_offset < header.next_offset().0).map(|one| *one.producer_id));
        until = header.next_offset().0;
        if header.control {
            gone.retain(|producer| *producer != id);
        } else if !(committed && header.transactional && gone.contains(&id)) {
            for record in batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                let offset = header.base_offset.0 + i64::from(record.offset_delta);
                if offset >= from {
                    records.push((offset, id_of(&record.value.unwrap_or_default())));
                }
            }
        }
    }
    (until, records)
}

/// The first offset that a lane has.
async fn earliest(line: &mut Line, name_of: &'static str, lane: u32) -> Option<i64> {
    let asked = ListOffsetsPartition::default().with_partition_index(lane as i32).with_timestamp(-2);
    let topic = ListOffsetsTopic::default().with_name(name(name_of)).with_partitions(vec![asked]);
    let answer = line.call(5, ListOffsetsRequest::default().with_topics(vec![topic])).await?;
    let found = &answer.topics[0].partitions[0];
    (found.error_code == 0).then_some(found.offset)
}

/// Reads lanes at the Kafka door: on and on, and now and then again.
pub(crate) async fn fetcher(mut line: Line) {
    let mut positions = HashMap::<u32, i64>::new();
    while !line.world.is_over() {
        line.pause(800).await;
        let (lane, committed) = (some_lane(&line, LASTING.0), line.chance.one_in(2));
        let next = *positions.entry(lane).or_default();
        let from = if line.chance.one_in(4) { line.chance.below(next as u64 + 1) as i64 } else { next };
        match fetch(&mut line, LASTING.0, LASTING.1, lane, from, committed).await {
            Fetched::Until(until, _) => drop(positions.insert(lane, until.max(next))),
            Fetched::OutOfRange => {
                if let Some(first) = earliest(&mut line, LASTING.0, lane).await {
                    positions.insert(lane, first);
                }
            }
            Fetched::Nothing => {}
        }
    }
}

/// Reads shards at the Kinesis door, each from its beginning or from somewhere in it.
pub(crate) async fn getter(caller: Caller) {
    while !caller.world.is_over() {
        caller.pause(1_500).await;
        let Some(stream) = caller.world.gateway().and_then(|gateway| gateway.log.stream(LASTING.0)) else { continue };
        let shards = stream.shards();
        let shard = shards[caller.chance.below(shards.len() as u64) as usize].clone();
        let pages = 1 + caller.chance.below(4);
        get(&caller, LASTING, &shard, pages, 1 + caller.chance.below(50)).await;
    }
}

/// Reads so many pages of a shard; whether it came to its end.
async fn get(caller: &Caller, (name, number): (&str, u32), shard: &shardgate::model::Shard, pages: u64, limit: u64) -> bool {
    let input = json!({"StreamName": name, "ShardId": shard.id.to_string(), "ShardIteratorType": "TRIM_HORIZON"});
    let Told::Done(answer) = caller.call("GetShardIterator", input).await else { return false };
    let (mut token, mut from) = (answer["ShardIterator"].clone(), shard.first.0);
    let lane = Lane { stream: number, lane: shard.lane.0 };
    for _ in 0..pages {
        let start = caller.world.moment();
        let Told::Done(answer) = caller.call("GetRecords", json!({"ShardIterator": token, "Limit": limit})).await else {
            return false;
        };
        let record = |record: &serde_json::Value| {
            let value = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
            (offset_of(&record["SequenceNumber"]), id_of(&value))
        };
        let records: Vec<_> = answer["Records"].as_array().unwrap().iter().map(record).collect();
        let is_last = answer["NextShardIterator"].is_null();
        let is_all = !is_last && records.is_empty() && answer["MillisBehindLatest"] == 0;
        let until = records.last().map_or(from, |(offset, _)| offset + 1);
        let read = Read {
            door: Door::Kinesis,
            lane,
            committed: true,
            from,
            until: if is_all { i64::MAX } else { until },
            records,
            reach: None,
        };
        caller.world.enter(start, What::Read(read));
        if is_last || is_all {
            return true;
        }
        (token, from) = (answer["NextShardIterator"].clone(), until);
    }
    false
}

/// A member of a group: it joins, shares out if it leads, commits, and goes, with or without a word.
pub(crate) async fn member(mut line: Line) {
    const GROUP: u32 = 1;
    let mut id = String::new();
    while !line.world.is_over() {
        let Some(joined) = line.call(5, join_request("g1", &id)).await else { continue };
        id = joined.member_id.to_string();
        match joined.error_code {
            0 => {}
            79 => continue,
            code => {
                if code == 25 {
                    id.clear();
                }
                line.pause(500).await;
                continue;
            }
        }
        let generation = joined.generation_id;
        let mut shares = Vec::new();
        if joined.leader == joined.member_id {
            let (all, members) = (lanes(&line.world, LASTING.0), joined.members.len() as u32);
            for (turn, member) in (0..).zip(&joined.members) {
                let mut share = BytesMut::new();
                (0..all).filter(|lane| lane % members == turn).for_each(|lane| share.put_u32(lane));
                let member = SyncGroupRequestAssignment::default().with_member_id(member.member_id.clone());
                shares.push(member.with_assignment(share.freeze()));
            }
        }
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text("g1")))
            .with_generation_id(generation)
            .with_member_id(text(&id))
            .with_assignments(shares);
        let start = line.world.moment();
        let Some(mut synced) = line.call(3, request).await else { continue };
        if synced.error_code != 0 {
            continue;
        }
        let mut mine = Vec::new();
        while synced.assignment.has_remaining() {
            mine.push(synced.assignment.get_u32());
        }
        let assigned = What::Assigned { group: GROUP, generation, member: id.clone(), lanes: mine.clone() };
        line.world.enter(start, assigned);
        // Until the group is to be shared out anew, or it has had enough.
        while !line.world.is_over() {
            line.pause(3_000).await;
            if !mine.is_empty() {
                let lane = line.chance.of(&mine);
                commit(&mut line, "g1", GROUP, lane, Some((generation, &id))).await;
            }
            let request = HeartbeatRequest::default()
                .with_group_id(GroupId(text("g1")))
                .with_generation_id(generation)
                .with_member_id(text(&id));
            let answer = line.call(3, request).await.map(|answer| answer.error_code);
            if answer == Some(25) {
                id.clear();
            }
            if answer.is_some_and(|code| code != 0) {
                break;
            }
            match line.chance.below(12) {
                0 => {
                    // Nobody hears of it any more.
                    line.drop_connection();
                    line.pause(20_000).await;
                    if line.chance.one_in(2) {
                        id.clear();
                    }
                    break;
                }
                1 => {
                    let request = LeaveGroupRequest::default().with_group_id(GroupId(text("g1"))).with_member_id(text(&id));
                    line.call(1, request).await;
                    id.clear();
                    break;
                }
                _ => {}
            }
        }
    }
}

/// Commits some offset; whether that was acknowledged.
async fn commit(line: &mut Line, group: &str, number: u32, lane: u32, member: Option<(i32, &str)>) -> bool {
    let (note, offset) = (line.world.fresh(), line.chance.below(1_000) as i64);
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(lane as i32)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text(&note.to_string())));
    let topic = OffsetCommitRequestTopic::default().with_name(name(LASTING.0)).with_partitions(vec![partition]);
    let (generation, id) = member.unwrap_or((-1, ""));
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(id))
        .with_topics(vec![topic]);
    let start = line.world.moment();
    let code = line.call(7, request).await.map(|answer| answer.topics[0].partitions[0].error_code);
    let outcome = code.map_or(Outcome::Unknown, |code| outcome(code, ()));
    let place = Place { group: number, lane: Lane { stream: LASTING.1, lane } };
    line.world.enter(start, What::Commit { place, offset, note, generation: member.map(|(generation, _)| generation), outcome });
    outcome.is_acknowledged()
}

async fn committed(line: &mut Line, group: &str, number: u32, lane: u32) {
    let topic = OffsetFetchRequestTopic::default().with_name(name(LASTING.0)).with_partition_indexes(vec![lane as i32]);
    let request = OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let start = line.world.moment();
    let Some(answer) = line.call(5, request).await else { return };
    if answer.error_code != 0 {
        return;
    }
    let found = &answer.topics[0].partitions[0];
    if found.error_code == 0 {
        let note = found.metadata.as_ref().and_then(|note| note.parse().ok()).unwrap_or(0);
        let found = (found.committed_offset >= 0).then_some((found.committed_offset, note));
        let place = Place { group: number, lane: Lane { stream: LASTING.1, lane } };
        line.world.enter(start, What::Committed { place, found });
    }
}

/// Commits for a group while it has no members: a group that has never kept anything is forgotten when it is empty, and its
/// generations begin anew.
pub(crate) async fn found_group(mut line: Line) {
    while !commit(&mut line, "g1", 1, 0, None).await {}
}

/// Commits for a group without members, and reads what both groups have committed.
pub(crate) async fn committer(mut line: Line) {
    while !line.world.is_over() {
        line.pause(1_000).await;
        let lane = some_lane(&line, LASTING.0);
        match line.chance.below(4) {
            0 => drop(commit(&mut line, "g2", 2, lane, None).await),
            1 => committed(&mut line, "g1", 1, lane).await,
            _ => committed(&mut line, "g2", 2, lane).await,
        }
    }
}

/// Creates a stream, writes to it, reads it and deletes it, at whichever door; what was in it must not come back in the next.
pub(crate) async fn churner(mut line: Line, caller: Caller) {
    while !line.world.is_over() {
        line.pause(1_000).await;
        let is_kafka = line.chance.one_in(2);
        loop {
            let is_there = if is_kafka {
                let topic = CreatableTopic::default().with_name(name(PASSING)).with_num_partitions(2).with_replication_factor(1);
                let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000);
                // TOPIC_ALREADY_EXISTS: an earlier attempt has made it.
                line.call(5, request).await.is_some_and(|answer| [0, 36].contains(&answer.topics[0].error_code))
            } else {
                let told = caller.call("CreateStream", json!({"StreamName": PASSING, "ShardCount": 2})).await;
                // ResourceInUseException is the only refusal there can be.
                !matches!(told, Told::Unknown)
            };
            if is_there {
                break;
            }
            line.pause(300).await;
        }
        let stream = line.world.fresh() as u32;
        for _ in 0..line.chance.below(6) {
            if line.chance.one_in(2) {
                put(&caller, PASSING, stream).await;
                continue;
            }
            let lane = line.chance.below(2) as u32;
            let ids = fresh(&line.world, 1 + line.chance.below(3));
            let start = line.world.moment();
            let told = produced(line.call(9, produce(PASSING, lane as i32, Some(batch(Builder::default(), &ids)))).await);
            let outcome = told.map_or(Outcome::Unknown, |(code, base)| outcome(code, base));
            let write =
                Write { door: Door::Kafka, stream, lane: Some(lane), ids, line: Some(line.number), transaction: None, outcome };
            line.world.enter(start, What::Write(write));
        }
        survey(&mut line, &caller, (PASSING, stream)).await;
        loop {
            let is_gone = if line.chance.one_in(2) {
                let topic = DeleteTopicState::default().with_name(Some(name(PASSING)));
                let request = DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000);
                line.call(6, request).await.is_some_and(|answer| [0, 3].contains(&answer.responses[0].error_code))
            } else {
                !matches!(caller.call("DeleteStream", json!({"StreamName": PASSING})).await, Told::Unknown)
            };
            if is_gone {
                break;
            }
            line.pause(300).await;
        }
    }
}

/// Reads all of a stream at both doors. What cannot be read for long is told in the history, and is no survey.
pub(crate) async fn survey(line: &mut Line, caller: &Caller, (name, number): (&'static str, u32)) {
    let start = line.world.moment();
    for committed in [false, true] {
        for lane in 0..lanes(&line.world, name) {
            let (mut from, mut attempts) = (0, 0);
            loop {
                match fetch(line, name, number, lane, from, committed).await {
                    Fetched::Until(until, reach) if until >= if committed { reach.stable } else { reach.tip } => break,
                    Fetched::Until(until, _) if until > from => (from, attempts) = (until, 0),
                    Fetched::OutOfRange => from = earliest(line, name, lane).await.unwrap_or(from),
                    Fetched::Until(..) | Fetched::Nothing => {}
                }
                attempts += 1;
                if attempts > 30 {
                    line.world.trouble(format!("{name}/{lane} cannot be read from {from} on at the Kafka door"));
                    return;
                }
                line.pause(100).await;
            }
        }
    }
    let shards = line.world.gateway().and_then(|gateway| gateway.log.stream(name)).map(|stream| stream.shards());
    for shard in shards.iter().flat_map(|shards| shards.iter()) {
        let mut attempts = 0;
        while !get(caller, (name, number), shard, 1_000, 1_000).await {
            attempts += 1;
            if attempts > 30 || line.world.gateway().is_some_and(|gateway| gateway.log.stream(name).is_none()) {
                line.world.trouble(format!("{} of {name} cannot be read at the Kinesis door", shard.id));
                return;
            }
            caller.pause(500).await;
        }
    }
    line.world.enter(start, What::Surveyed { stream: number });
}

/// Reads what both groups have committed, everywhere.
pub(crate) async fn survey_commits(line: &mut Line) {
    for lane in 0..lanes(&line.world, LASTING.0) {
        committed(line, "g1", 1, lane).await;
        committed(line, "g2", 2, lane).await;
    }
}

/// Everybody, as tasks.
pub(crate) fn all(world: &Arc<World>, chance: &super::chance::Chance) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let line = || Line::new(world, chance.fork());
    let caller = || Caller::new(world, chance.fork());
    for _ in 0..1 + chance.below(2) {
        tasks.spawn(plain_producer(line()));
        tasks.spawn(idempotent_producer(line()));
        tasks.spawn(putter(caller()));
        tasks.spawn(fetcher(line()));
        tasks.spawn(getter(caller()));
    }
    tasks.spawn(transactional_producer(line(), "t1", false));
    tasks.spawn(transactional_producer(line(), "t2", true));
    for _ in 0..1 + chance.below(3) {
        tasks.spawn(member(line()));
    }
    tasks.spawn(committer(line()));
    tasks.spawn(churner(line(), caller()));
    tasks
}
