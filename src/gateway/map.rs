//! Where a record is in both worlds: offset ⇄ sequence number ⇄ shard.

use serde::{Deserialize, Serialize};

use super::Parts;
use crate::http::Refusal;
use crate::log::{self, Stream};
use crate::model::{Offset, Realm, SequenceNumber, Shard, Timestamp};

/// What a sequence number stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// The beginning of a shard: before its first record.
    Start,
    /// A record.
    Record,
    /// The end of a closed shard: behind its last record.
    End,
}

/// A place in both worlds, as `/map` answers it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Mapped {
    /// What is there.
    pub(crate) place: Place,
    /// The region and the account of its stream, if that is not at home and therefore no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) realm: Option<String>,
    /// Its topic.
    pub(crate) topic: String,
    /// Its partition.
    pub(crate) partition: u32,
    /// The record's offset; at the start of a shard the first one of it, at its end the first one behind it.
    pub(crate) offset: i64,
    /// Its shard, as Kinesis writes it.
    pub(crate) shard: String,
    /// When that was opened.
    pub(crate) shard_created_at: Timestamp,
    /// When that was closed; `None` while it is open.
    pub(crate) shard_closed_at: Option<Timestamp>,
    /// The shards it was split or merged from.
    pub(crate) parents: Vec<String>,
    /// The shards it was split or merged into.
    pub(crate) children: Vec<String>,
    /// When the record arrived; at the ends of a shard, when that was opened or closed.
    pub(crate) arrived_at: Timestamp,
    /// Its sequence number.
    pub(crate) sequence_number: String,
}

impl Mapped {
    fn of(stream: &Stream, shard: &Shard, place: Place, offset: Offset, arrived_at: Timestamp, number: SequenceNumber) -> Self {
        let parents = [shard.parent, shard.adjacent_parent].into_iter().flatten();
        Self {
            place,
            realm: Some(stream.realm()).filter(|realm| !realm.is_home()).map(Realm::to_string),
            topic: stream.name().to_string(),
            partition: shard.lane.0,
            offset: offset.0,
            shard: shard.id.to_string(),
            shard_created_at: shard.created_at,
            shard_closed_at: shard.closed_at,
            parents: parents.map(|parent| parent.to_string()).collect(),
            children: stream.children(shard.id).iter().map(|child| child.id.to_string()).collect(),
            arrived_at,
            sequence_number: number.to_string(),
        }
    }
}

impl Parts {
    pub(super) async fn of_offset(&self, topic: &str, partition: u32, offset: Offset) -> Result<Mapped, Refusal> {
        let stream = self.log.stream(topic).ok_or_else(|| Refusal::Absent(format!("there is no topic {topic}")))?;
        self.mapped(&stream, partition, offset).await
    }

    async fn mapped(&self, stream: &Stream, partition: u32, offset: Offset) -> Result<Mapped, Refusal> {
        let arrived_at = self.log.arrived_at(stream.lane(partition), offset).await.map_err(|error| match error {
            log::Error::Store(error) => Refusal::Failed(error.to_string()),
            error => Refusal::Absent(error.to_string()),
        })?;
        let shards = stream.shards();
        let shard = shards.iter().find(|shard| shard.lane.0 == partition && shard.holds(offset));
        let shard = shard.ok_or_else(|| Refusal::Absent(format!("no shard of {} holds offset {offset}", stream.name())))?;
        let number = SequenceNumber::of(shard.id, shard.created_at, offset, arrived_at);
        Ok(Mapped::of(stream, shard, Place::Record, offset, arrived_at, number))
    }

    /// The places that have the number: usually one, but streams created within one second may share theirs.
    pub(super) async fn of_sequence(&self, text: &str) -> Result<Vec<Mapped>, Refusal> {
        let number: SequenceNumber = text.parse().map_err(|error| Refusal::Wrong(format!("{error}")))?;
        let now = self.log.env().clock.now();
        let mut found = Vec::new();
        for stream in self.log.all_streams() {
            for shard in stream.listed_shards(now).iter().filter(|shard| shard.id == number.shard) {
                if shard.start() == number {
                    found.push(Mapped::of(&stream, shard, Place::Start, shard.first, shard.created_at, number));
                } else if let (Some(end), Some(closed_at)) = (shard.end, shard.closed_at)
                    && shard.ending() == Some(number)
                {
                    found.push(Mapped::of(&stream, shard, Place::End, end, closed_at, number));
                } else if let Some(offset) = number.offset().filter(|offset| shard.holds(*offset))
                    && let Ok(mapped) = self.mapped(&stream, shard.lane.0, offset).await
                    && mapped.sequence_number == text
                {
                    found.push(mapped);
                }
            }
        }
        if found.is_empty() {
            Err(Refusal::Absent("no record and no end of a shard has that sequence number".to_owned()))
        } else {
            Ok(found)
        }
    }
}
