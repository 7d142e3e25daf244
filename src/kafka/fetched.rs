//! The answer to a Fetch, whose batches stand beside the message: they are sent as they were read, without a copy.
//!
//! Kafka's schema ends each of the three messages within one another (FetchResponse, its topics, their partitions) with what is
//! in it, and in flexible versions with tagged fields, of which there are none here. So each is encoded empty by the message
//! crate, and its end is written anew around what belongs there.

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use super::answer::{Answer, Answerable};
use super::wire::{size_of_count, write_count};

/// The first version with short counts and tagged fields.
const FLEXIBLE: i16 = 12;

/// The whole answer.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Everything but its topics.
    pub(crate) response: FetchResponse,
    /// Those.
    pub(crate) topics: Vec<FetchedTopic>,
}

/// One topic.
#[derive(Debug)]
pub(crate) struct FetchedTopic {
    /// Everything but its partitions.
    pub(crate) topic: FetchableTopicResponse,
    /// Those.
    pub(crate) partitions: Vec<FetchedPartition>,
}

/// One partition.
#[derive(Debug)]
pub(crate) struct FetchedPartition {
    /// Everything but its records.
    pub(crate) data: PartitionData,
    /// Whole batches in order. Clients know a partition without even an empty row of them too, which Kafka never sends.
    pub(crate) batches: Vec<Bytes>,
}

impl FetchedPartition {
    /// Bytes of its batches.
    pub(crate) fn bytes(&self) -> usize {
        self.batches.iter().map(Bytes::len).sum()
    }
}

/// Bytes behind the other fields of a message without contents: their count, and that of the tagged fields.
fn empty_end(version: i16) -> usize {
    if version >= FLEXIBLE { 2 } else { 4 }
}

/// Bytes of a message whose contents take `bytes`; `count` is how long they are in the unit that it counts them in.
fn size(empty: &impl Encodable, count: usize, bytes: usize, version: i16) -> anyhow::Result<usize> {
    let counts = if version >= FLEXIBLE { size_of_count(Some(count)) + 1 } else { 4 };
    Ok(empty.compute_size(version)? - empty_end(version) + counts + bytes)
}

/// Writes a message, and its contents with `write`.
fn put(
    empty: &impl Encodable,
    count: usize,
    version: i16,
    answer: &mut Answer,
    write: impl FnOnce(&mut Answer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    empty.encode(&mut *answer.bytes, version)?;
    let end = answer.bytes.len() - empty_end(version);
    answer.bytes.truncate(end);
    if version >= FLEXIBLE {
        write_count(&mut *answer.bytes, Some(count))?;
    } else {
        answer.bytes.put_i32(i32::try_from(count)?);
    }
    write(answer)?;
    if version >= FLEXIBLE {
        answer.bytes.put_u8(0);
    }
    Ok(())
}

impl HeaderVersion for Fetched {
    fn header_version(version: i16) -> i16 {
        FetchResponse::header_version(version)
    }
}

impl Answerable for Fetched {
    fn size(&self, version: i16) -> anyhow::Result<usize> {
        let mut topics = 0;
        for topic in &self.topics {
            let mut partitions = 0;
            for partition in &topic.partitions {
                let bytes = partition.bytes();
                partitions += size(&partition.data, bytes, bytes, version)?;
            }
            topics += size(&topic.topic, topic.partitions.len(), partitions, version)?;
        }
        size(&self.response, self.topics.len(), topics, version)
    }

    fn uncopied(&self) -> usize {
        let partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        let is_copied = |partition: &&FetchedPartition| Answer::copies(&partition.batches);
        partitions.filter(|partition| !is_copied(partition)).map(FetchedPartition::bytes).sum()
    }

    fn write(&self, version: i16, answer: &mut Answer) -> anyhow::Result<()> {
        put(&self.response, self.topics.len(), version, answer, |answer| {
            self.topics.iter().try_for_each(|FetchedTopic { topic, partitions }| {
                put(topic, partitions.len(), version, answer, |answer| {
                    partitions.iter().try_for_each(|partition| partition.write(version, answer))
                })
            })
        })
    }
}

impl FetchedPartition {
    fn write(&self, version: i16, answer: &mut Answer) -> anyhow::Result<()> {
        put(&self.data, self.bytes(), version, answer, |answer| {
            answer.put_records(&self.batches);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::AbortedTransaction;
    use kafka_protocol::messages::{ProducerId, ResponseHeader, TopicName};
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::*;

    /// Both halves of the same partition: what the crate encodes, and ours.
    fn partition(index: i32, batches: &[usize], version: i16) -> (PartitionData, FetchedPartition) {
        let mut data = PartitionData::default().with_partition_index(index).with_high_watermark(9).with_last_stable_offset(7);
        data.aborted_transactions =
            Some(vec![AbortedTransaction::default().with_producer_id(ProducerId(5)).with_first_offset(index.into())]);
        if version >= 5 {
            data.log_start_offset = 3;
        }
        let batches: Vec<_> = batches.iter().map(|&size| Bytes::from(vec![index as u8; size])).collect();
        let whole = data.clone().with_records(Some(batches.concat().into()));
        (whole, FetchedPartition { data, batches })
    }

    #[test]
    fn it_is_what_the_message_crate_writes_in_every_version() {
        for version in 4..=18 {
            let of_topic = |number: u8, partitions: Vec<(PartitionData, FetchedPartition)>| {
                let mut topic = FetchableTopicResponse::default();
                if version >= 13 {
                    topic.topic_id = Uuid::from_bytes([number; 16]);
                } else {
                    topic.topic = TopicName(StrBytes::from_string(format!("topic-{number}")));
                }
                let (whole, ours): (Vec<_>, Vec<_>) = partitions.into_iter().unzip();
                (topic.clone().with_partitions(whole), FetchedTopic { topic, partitions: ours })
            };
            let many = (0..200).map(|index| partition(index, &[70], version)).collect();
            let topics = [
                of_topic(1, vec![]),
                of_topic(2, many),
                of_topic(3, vec![partition(0, &[], version), partition(1, &[1, 70_000, 5_000, 9], version)]),
            ];
            for topics in [vec![], topics.into()] {
                let (whole, ours): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
                let mut response = FetchResponse::default().with_throttle_time_ms(11);
                if version >= 7 {
                    response = response.with_error_code(2).with_session_id(3);
                }
                let fetched = Fetched { response: response.clone(), topics: ours };
                let header = ResponseHeader::default().with_correlation_id(4);
                let versions = (version, Fetched::header_version(version));
                let ours = Answer::of(&fetched, &header, versions, 1 << 20).unwrap();
                let theirs = Answer::of(&response.with_responses(whole), &header, versions, 1 << 20).unwrap();
                let sent = |answer: &Answer| answer.pieces().iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
                assert_eq!(sent(&ours), sent(&theirs), "version {version}");
                assert!(ours.bytes.capacity() < 64 << 10 && ours.bytes.len() + fetched.uncopied() == theirs.len());
            }
        }
    }
}
