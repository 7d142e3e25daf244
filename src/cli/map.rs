//! `shardgate map`: offset ⇄ sequence number ⇄ shard.
//!
//! A sequence number carries its shard, its offset and two times, so it is taken apart without anybody's help. The rest (which
//! topic; when a shard was opened) a running gateway knows. The data directory is not opened: while a gateway runs it is locked.

use std::process::ExitCode;

use crate::config::Address;
use crate::gateway::{Mapped, Place};
use crate::model::{Civil, SequenceNumber, StreamName, Timestamp};

use super::{Failure, WRONG_USE, ask, block_on, say};

#[derive(clap::Args)]
pub(super) struct Args {
    /// A record, such as orders/2@1234: topic, partition and offset
    #[arg(value_name = "TOPIC/PARTITION@OFFSET", required_unless_present = "sequence", conflicts_with = "sequence")]
    record: Option<String>,
    /// A sequence number
    #[arg(long, value_name = "NUMBER")]
    sequence: Option<String>,
    /// The HTTP listener of the gateway that has the record
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SHARDGATE_HTTP_LISTENER",
        hide_env_values = true,
        default_value = "127.0.0.1:8080"
    )]
    http: Address,
}

pub(super) fn map(args: &Args) -> Result<ExitCode, Failure> {
    let text = match (&args.sequence, &args.record) {
        (Some(number), _) => of_sequence(number, &args.http)?,
        (None, Some(record)) => of_record(record, &args.http)?,
        // The command line demands one of them.
        (None, None) => String::new(),
    };
    say(&text);
    Ok(ExitCode::SUCCESS)
}

fn of_record(record: &str, http: &Address) -> Result<String, Failure> {
    let path = path(record).ok_or_else(|| Failure {
        code: WRONG_USE,
        words: format!("{record:?} is not a record; TOPIC/PARTITION@OFFSET is accepted, such as orders/2@1234"),
    })?;
    let found = block_on(async { find(http, &path).await.map_err(Failure::new) })?;
    Ok(found.iter().map(lines).collect())
}

/// The question about a record.
fn path(record: &str) -> Option<String> {
    let (lane, offset) = record.rsplit_once('@')?;
    let (topic, partition) = lane.rsplit_once('/')?;
    let (partition, offset): (u32, u64) = (partition.parse().ok()?, offset.parse().ok()?);
    let topic = StreamName::new(topic).ok()?;
    Some(format!("/map?topic={topic}&partition={partition}&offset={offset}"))
}

fn of_sequence(text: &str, http: &Address) -> Result<String, Failure> {
    let number: SequenceNumber = text.parse().map_err(|error| Failure { code: WRONG_USE, words: format!("{error}") })?;
    let found = block_on(async { Ok(find(http, &format!("/map?sequence={text}")).await) })?;
    Ok(match found {
        Ok(found) => found.iter().map(lines).collect(),
        Err(why) => format!("{}topic            unknown: {why}\n", decoded(&number)),
    })
}

async fn find(http: &Address, path: &str) -> Result<Vec<Mapped>, String> {
    let answer = ask::get(http, path).await?;
    match answer.status {
        200 => {
            serde_json::from_value(answer.body).map_err(|error| format!("the gateway at {http} answers in other words: {error}"))
        }
        _ => Err(answer.error()),
    }
}

fn lines(mapped: &Mapped) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<17}{value}\n"));
    let mut place = format!("{}/{}@{}", mapped.topic, mapped.partition, mapped.offset);
    if let Some(realm) = &mapped.realm {
        place += &format!(" of {realm}");
    }
    match mapped.place {
        Place::Record => line("record", &place),
        Place::Start => line("start of a shard", &format!("before {place}")),
        Place::End => line("end of a shard", &format!("before {place}, which is not in it")),
    }
    line("shard", &mapped.shard);
    line("shard created", &date(mapped.shard_created_at));
    if let Some(closed_at) = mapped.shard_closed_at {
        line("shard closed", &date(closed_at));
    }
    for (name, shards) in [("parents", &mapped.parents), ("children", &mapped.children)] {
        if !shards.is_empty() {
            line(name, &shards.join(", "));
        }
    }
    if mapped.place == Place::Record {
        line("arrived", &date(mapped.arrived_at));
    }
    line("sequence number", &mapped.sequence_number);
    text
}

/// What the number says by itself; its times are whole seconds.
fn decoded(number: &SequenceNumber) -> String {
    let seconds = |seconds: u64| date(Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)));
    let offset = match number.offset() {
        None => "none: the start of the shard".to_owned(),
        Some(_) if number.index == i64::MAX as u64 => "none: the end of the shard".to_owned(),
        Some(offset) => offset.to_string(),
    };
    let (created, arrived) = (seconds(number.shard_created), seconds(number.arrived));
    format!(
        "offset           {offset}\nshard            {}\nshard created    {created}\narrived          {arrived}\n",
        number.shard
    )
}

/// The time as RFC 3339 writes it, in UTC.
fn date(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(at);
    let millis = at.0.rem_euclid(1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Offset, ShardId};

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(date(Timestamp(millis)), text);
        }
    }

    #[test]
    fn a_record_is_a_topic_a_partition_and_an_offset() {
        assert_eq!(path("orders/2@1234").as_deref(), Some("/map?topic=orders&partition=2&offset=1234"));
        for wrong in ["orders", "orders/2", "orders@1", "orders/x@1", "orders/1@-1", "a b/1@1", "a&b/1@1"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_place_is_shown_with_its_shard_and_that_ones_family() {
        let created = Timestamp(1_700_000_000_000);
        let record = Mapped {
            place: Place::Record,
            realm: None,
            topic: "orders".to_owned(),
            partition: 2,
            offset: 7,
            shard: "shardId-000000000002".to_owned(),
            shard_created_at: created,
            shard_closed_at: None,
            parents: vec![],
            children: vec![],
            arrived_at: Timestamp(1_700_000_000_123),
            sequence_number: "49".to_owned(),
        };
        assert_eq!(
            lines(&record),
            "record           orders/2@7\nshard            shardId-000000000002\nshard created    2023-11-14T22:13:20.000Z\n\
             arrived          2023-11-14T22:13:20.123Z\nsequence number  49\n"
        );
        let end = Mapped {
            place: Place::End,
            shard_closed_at: Some(created),
            parents: vec!["a".to_owned()],
            children: vec!["b".to_owned(), "c".to_owned()],
            ..record.clone()
        };
        assert_eq!(
            lines(&end),
            "end of a shard   before orders/2@7, which is not in it\nshard            shardId-000000000002\n\
             shard created    2023-11-14T22:13:20.000Z\nshard closed     2023-11-14T22:13:20.000Z\nparents          a\n\
             children         b, c\nsequence number  49\n"
        );
        let abroad = Mapped { realm: Some("eu-west-1/123456789012".to_owned()), ..record.clone() };
        assert!(lines(&abroad).starts_with("record           orders/2@7 of eu-west-1/123456789012\n"));
        assert!(lines(&Mapped { place: Place::Start, ..record }).starts_with("start of a shard before orders/2@7\n"));
    }

    #[test]
    fn a_sequence_number_says_what_it_carries() {
        let created = Timestamp(1_700_000_000_000);
        let text = decoded(&SequenceNumber::of(ShardId(7), created, Offset(41), Timestamp(1_700_000_100_000)));
        for line in ["offset           41", "shard            shardId-000000000007", "arrived          2023-11-14T22:15:00.000Z"]
        {
            assert!(text.lines().any(|found| found == line), "{text}");
        }
        assert!(decoded(&SequenceNumber::start(ShardId(0), created)).contains("the start of the shard"));
        assert!(decoded(&SequenceNumber::end(ShardId(0), created, created)).contains("the end of the shard"));
    }
}
