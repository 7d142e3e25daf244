//! An answer on its way to its client: encoded, but for the records in it, which are sent as they were read.

use std::io::IoSlice;

use bytes::{BufMut, Bytes};
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use super::frame::LENGTH_BYTES;
use super::memory::Hold;
use crate::batch::Buffer;

/// Batches are copied if they have no more than this many bytes on average. *Ours*: a piece of its own costs the socket about as
/// much as copying so many.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// What can be answered: any message of the protocol, and what writes its records by itself.
pub(crate) trait Answerable: HeaderVersion {
    /// Bytes that it takes in `version`, records and all.
    fn size(&self, version: i16) -> anyhow::Result<usize>;

    /// Bytes of records that it does not copy.
    fn uncopied(&self) -> usize {
        0
    }

    /// Writes it in `version` behind what is there.
    fn write(&self, version: i16, answer: &mut Answer) -> anyhow::Result<()>;
}

impl<M: Encodable + HeaderVersion> Answerable for M {
    fn size(&self, version: i16) -> anyhow::Result<usize> {
        self.compute_size(version)
    }

    fn write(&self, version: i16, answer: &mut Answer) -> anyhow::Result<()> {
        self.encode(&mut *answer.bytes, version)
    }
}

/// One answer, or some that are sent together.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// All of it but `records`, its length in front.
    pub(super) bytes: Buffer,
    /// Batches that are not copied. Each stands before the byte of `bytes` that has this number.
    records: Vec<(usize, Bytes)>,
    /// Bytes of `records`.
    records_bytes: usize,
    /// Memory that was taken for it before it was there.
    pub(crate) memory: Vec<Hold>,
}

impl Answer {
    /// The whole answer, its length in front, in one allocation of the right size. One of more than `bytes_max` bytes is an error.
    pub(crate) fn of(
        message: &impl Answerable,
        header: &ResponseHeader,
        (version, header_version): (i16, i16),
        bytes_max: usize,
    ) -> Result<Self, String> {
        let failed = |error| format!("the answer does not encode: {error}");
        let size = header.compute_size(header_version).and_then(|header| Ok(header + message.size(version)?)).map_err(failed)?;
        let length = i32::try_from(size).ok().filter(|_| size <= bytes_max);
        let length = length.ok_or_else(|| format!("the answer has {size} bytes; at most {bytes_max} are sent"))?;
        let copied = size.saturating_sub(message.uncopied());
        let mut answer = Self { bytes: Buffer::with_capacity(LENGTH_BYTES + copied), ..Self::default() };
        answer.bytes.put_i32(length);
        header.encode(&mut *answer.bytes, header_version).and_then(|()| message.write(version, &mut answer)).map_err(failed)?;
        // A wrong length would make the client misread everything behind it.
        let written = answer.len() - LENGTH_BYTES;
        if written == size { Ok(answer) } else { Err(format!("the answer has {written} bytes where {size} were announced")) }
    }

    /// Whether these batches, which were read together, are copied: all or none, so that nothing lies in memory twice.
    pub(super) fn copies(batches: &[Bytes]) -> bool {
        batches.iter().map(Bytes::len).sum::<usize>() <= COPIED_BYTES_MAX * batches.len()
    }

    /// Puts batches of records behind what is there.
    pub(super) fn put_records(&mut self, batches: &[Bytes]) {
        let copies = Self::copies(batches);
        for batch in batches {
            if copies {
                self.bytes.extend_from_slice(batch);
            } else {
                self.records_bytes += batch.len();
                self.records.push((self.bytes.len(), batch.clone()));
            }
        }
    }

    /// Has `other` sent behind it.
    pub(super) fn append(&mut self, other: Self) {
        if self.bytes.is_empty() && self.records.is_empty() {
            let memory = std::mem::take(&mut self.memory);
            *self = other;
            self.memory.extend(memory);
            return;
        }
        let before = self.bytes.len();
        self.records.extend(other.records.into_iter().map(|(at, batch)| (before + at, batch)));
        self.records_bytes += other.records_bytes;
        self.bytes.extend_from_slice(&other.bytes);
        self.memory.extend(other.memory);
    }

    /// Bytes that are sent.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.records_bytes
    }

    /// What is sent, piece by piece.
    pub(super) fn pieces(&self) -> Vec<IoSlice<'_>> {
        let mut pieces = Vec::with_capacity(2 * self.records.len() + 1);
        let mut from = 0;
        for (at, batch) in &self.records {
            pieces.push(IoSlice::new(self.bytes.get(from..*at).unwrap_or_default()));
            pieces.push(IoSlice::new(batch));
            from = *at;
        }
        pieces.push(IoSlice::new(self.bytes.get(from..).unwrap_or_default()));
        pieces
    }
}

impl From<Buffer> for Answer {
    fn from(bytes: Buffer) -> Self {
        Self { bytes, ..Self::default() }
    }
}

#[cfg(test)]
impl From<&[u8]> for Answer {
    fn from(bytes: &[u8]) -> Self {
        let mut answer = Self::default();
        answer.bytes.extend_from_slice(bytes);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(answer: &Answer) -> Vec<u8> {
        answer.pieces().iter().flat_map(|piece| piece.iter().copied()).collect()
    }

    #[test]
    fn records_stand_where_they_were_put_and_large_ones_are_not_copied() {
        let small = [Bytes::from(vec![1; COPIED_BYTES_MAX - 1]), Bytes::from(vec![2; COPIED_BYTES_MAX + 1])];
        let large = [Bytes::from(vec![3; 1]), Bytes::from(vec![4; 2 * COPIED_BYTES_MAX])];
        let answer = || {
            let mut answer = Answer::from(b"head".as_slice());
            answer.put_records(&small);
            answer.put_records(&large);
            answer.put_records(&[]);
            answer.bytes.extend_from_slice(b"end");
            answer
        };
        let expected = [b"head", &small.concat()[..], &large.concat(), b"end"].concat();
        let one = answer();
        assert_eq!((sent(&one), one.len()), (expected.clone(), expected.len()));
        let is_same = |batch: &Bytes| one.pieces().iter().any(|piece| piece.as_ptr() == batch.as_ptr());
        assert!(large.iter().all(is_same) && !small.iter().any(is_same));

        let mut all = Answer::default();
        (0..3).for_each(|_| all.append(answer()));
        assert_eq!((sent(&all), all.len()), (expected.repeat(3), 3 * expected.len()));
    }
}
