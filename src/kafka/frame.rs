//! Bytes to frames: a length, then that many bytes, of which the first eight say what they are.
//!
//! Differs from Kafka in growing a frame's memory as its bytes arrive instead of allocating the announced length, and in
//! closing a connection whose announced frame does not arrive in time: either would let a client hold memory for nothing.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::buf::ByteBuf;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, sleep, timeout_at};

use super::memory::Pool;
use crate::batch::Buffer;

/// Bytes of the length in front of every frame, which it does not count.
pub(crate) const LENGTH_BYTES: usize = 4;
/// Bytes of key, version and correlation id, with which every request header begins (Kafka `RequestHeader.json`).
const FIXED_BYTES: usize = 8;
/// A frame of this size needs no permit while its connection has nothing else in flight. *Ours*: so whoever fills the
/// memory for frames delays large requests of others, never the small ones that keep them alive.
pub(crate) const SMALL_FRAME_BYTES: usize = 16 << 10;
/// Bytes read with the head of a frame, so that small requests, such as a Produce of one kilobyte, arrive with one read. What
/// waits for memory keeps as much.
const HEAD_BYTES: usize = 2 << 10;
/// Bytes read ahead behind a request that waits: a client that goes away meanwhile is noticed behind whatever little it had sent
/// before.
const READ_AHEAD_BYTES: usize = 4 << 10;
/// The first allocation for a frame; each further one is `GROWTH` times what has arrived.
const FIRST_BYTES: usize = 64 << 10;
const GROWTH: usize = 4;
/// The time any announced frame has to arrive.
const ARRIVAL_GRACE: Duration = Duration::from_secs(10);
/// The slowest accepted arrival behind the grace, in bytes per second; while others wait for memory, the slowest at all.
const ARRIVAL_BYTES_PER_SECOND: usize = 256 << 10;
/// How long a connection stays whose end cannot be seen. *Ours*: Fetch waits for half a second, and behind a JoinGroup, which
/// may wait longer, clients send no more than a heartbeat.
const UNSEEN_MAX: Duration = Duration::from_secs(10);
/// How often the pace of a frame is looked at.
const PACE: Duration = Duration::from_secs(1);
/// Values that one request may consist of. *Ours*: the ten thousand partitions of the largest topic take fewer, whatever is said
/// of them, and this many take some 30 MB decoded.
const VALUES_MAX: usize = 1 << 18;

/// What the first bytes of a frame say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Bytes of the frame, the length itself not counted; at least 8.
    pub(crate) length: usize,
    /// The API key, which may be unknown.
    pub(crate) key: i16,
    /// The API version, which may not be served.
    pub(crate) version: i16,
    /// What the answer must carry to be recognized.
    pub(crate) correlation_id: i32,
}

/// Why no further frame can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The length is not that of a request.
    #[error("a frame announces {length} bytes; 8 to {max} are accepted")]
    Length {
        /// What it announces.
        length: i32,
        /// The largest accepted.
        max: usize,
    },
    /// The client went away within a frame.
    #[error("the connection ended within a frame")]
    Truncated,
    /// The frame takes too long.
    #[error("{missing} of the {length} bytes that a frame announces did not arrive in time")]
    Late {
        /// Bytes not seen.
        missing: usize,
        /// Bytes announced.
        length: usize,
    },
    /// More was sent behind a request that waits than is read ahead.
    #[error("more than {READ_AHEAD_BYTES} bytes were sent behind a request that still waits after {UNSEEN_MAX:?}")]
    Unseen,
    /// The socket failed.
    #[error("{0}")]
    Socket(#[from] io::Error),
}

/// Reads frames. Every method can be dropped while it waits and called again: nothing that was read is lost.
pub(crate) struct FrameReader<R> {
    reader: R,
    length_max: usize,
    ahead: BytesMut,
    /// Where the memory for frames comes from.
    pool: Option<Arc<Pool>>,
    /// The frame being read, once its body was asked for.
    body: Option<Body>,
}

struct Body {
    length: usize,
    bytes: Buffer,
    deadline: Instant,
    /// When the pace is looked at next, and how much had arrived when it was looked at last.
    paced: (Instant, usize),
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of at most `length_max` bytes.
    pub(crate) fn new(reader: R, length_max: usize) -> Self {
        Self { reader, length_max, ahead: BytesMut::new(), pool: None, body: None }
    }

    /// Hurries large frames along, from now on, while others wait for memory from `pool`.
    pub(crate) fn hurry_for(&mut self, pool: &Arc<Pool>) {
        self.pool = Some(pool.clone());
    }

    /// The head of the next frame, again at every call until [`Self::body`] has returned that frame.
    /// `None`: the client closed the connection between two frames.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>, Broken> {
        self.next(peek).await
    }

    /// The same of a frame that is nothing but a message of a login, as behind version 0 of SaslHandshake.
    pub(crate) async fn message(&mut self) -> Result<Option<Head>, Broken> {
        self.next(peek_message).await
    }

    async fn next(&mut self, peek: fn(&[u8], usize) -> Result<Option<Head>, Broken>) -> Result<Option<Head>, Broken> {
        loop {
            if let Some(head) = peek(&self.ahead, self.length_max)? {
                return Ok(Some(head));
            }
            if self.fill(HEAD_BYTES).await? == 0 {
                return if self.ahead.is_empty() { Ok(None) } else { Err(Broken::Truncated) };
            }
        }
    }

    /// All bytes of the frame with this head, without the length, in memory of their own.
    pub(crate) async fn body(&mut self, head: &Head) -> Result<Bytes, Broken> {
        let body = self.body.get_or_insert_with(|| Body::begin(head.length, &self.ahead));
        while let Some(room) = body.room() {
            let mut target = (&mut *body.bytes).limit(room);
            match timeout_at(body.deadline.min(body.paced.0), self.reader.read_buf(&mut target)).await {
                Ok(Ok(0)) => return Err(Broken::Truncated),
                Ok(read) => {
                    read?;
                    body.keep_pace();
                }
                Err(_) if Instant::now() >= body.deadline => return Err(body.late()),
                Err(_) => {
                    let is_hurried = self.pool.as_ref().is_some_and(|pool| pool.is_short());
                    if body.is_slow() && is_hurried {
                        return Err(body.late());
                    }
                }
            }
        }
        let bytes = std::mem::take(&mut body.bytes);
        self.body = None;
        self.ahead.advance(self.ahead.len().min(LENGTH_BYTES + bytes.len()));
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Ok(bytes.freeze())
    }

    /// Returns when the client has closed the connection. If it has sent more than is read ahead, its going cannot be seen;
    /// that is an error after a time in which whoever sends so much has an answer as a rule.
    pub(crate) async fn closed(&mut self) -> Result<(), Broken> {
        // The bytes behind a head belong to its body as soon as that is being read.
        while self.body.is_none() && self.ahead.len() < READ_AHEAD_BYTES {
            if !matches!(self.fill(READ_AHEAD_BYTES).await, Ok(1..)) {
                return Ok(());
            }
        }
        sleep(UNSEEN_MAX).await;
        Err(Broken::Unseen)
    }

    /// Reads until there are as many bytes as `bytes`, or whatever is there.
    async fn fill(&mut self, bytes: usize) -> io::Result<usize> {
        let room = bytes.saturating_sub(self.ahead.len());
        poll_fn(|cx| {
            // Idle connections keep no memory to read into.
            let mut bytes = [MaybeUninit::uninit(); READ_AHEAD_BYTES];
            let mut bytes = ReadBuf::uninit(bytes.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut bytes))?;
            self.ahead.extend_from_slice(bytes.filled());
            Poll::Ready(Ok(bytes.filled().len()))
        })
        .await
    }
}

impl Body {
    /// A body of which `ahead`, behind the length, has arrived. The bytes stay in `ahead` until the body is whole.
    fn begin(length: usize, ahead: &[u8]) -> Self {
        let arrived = ahead.get(LENGTH_BYTES..).unwrap_or_default();
        let arrived = arrived.get(..length).unwrap_or(arrived);
        let mut bytes = Buffer::with_capacity(length.min(FIRST_BYTES));
        bytes.extend_from_slice(arrived);
        let slowest = Duration::from_secs((length / ARRIVAL_BYTES_PER_SECOND) as u64);
        let (now, arrived) = (Instant::now(), bytes.len());
        Self { length, bytes, deadline: now + ARRIVAL_GRACE + slowest, paced: (now + PACE, arrived) }
    }

    fn late(&self) -> Broken {
        Broken::Late { missing: self.missing(), length: self.length }
    }

    /// Begins to measure anew if it was we who did not come to read for so long.
    fn keep_pace(&mut self) {
        let now = Instant::now();
        if now >= self.paced.0 {
            self.paced = (now + PACE, self.bytes.len());
        }
    }

    /// Whether it is large and too little of it arrived in the [`PACE`] that ends now.
    fn is_slow(&mut self) -> bool {
        let before = self.paced.1;
        self.paced = (Instant::now() + PACE, self.bytes.len());
        self.length > SMALL_FRAME_BYTES && self.bytes.len() - before < ARRIVAL_BYTES_PER_SECOND
    }

    fn missing(&self) -> usize {
        self.length.saturating_sub(self.bytes.len())
    }

    /// How many bytes to read next, with memory for them; `None` when the body is whole.
    fn room(&mut self) -> Option<usize> {
        let missing = self.missing();
        if missing > 0 && self.bytes.len() == self.bytes.capacity() {
            let mut larger = Buffer::with_capacity(self.length.min(self.bytes.len() * GROWTH));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        (missing > 0).then(|| missing.min(self.bytes.capacity() - self.bytes.len()))
    }
}

/// The head of the frame that `bytes` begin with; `None` if too little of it is there to tell.
fn peek(mut bytes: &[u8], length_max: usize) -> Result<Option<Head>, Broken> {
    let Ok(length) = bytes.try_get_i32() else { return Ok(None) };
    let accepted = usize::try_from(length).ok().filter(|length| (FIXED_BYTES..=length_max).contains(length));
    let Some(accepted) = accepted else { return Err(Broken::Length { length, max: length_max }) };
    let mut fixed = || Some((bytes.try_get_i16().ok()?, bytes.try_get_i16().ok()?, bytes.try_get_i32().ok()?));
    Ok(fixed().map(|(key, version, correlation_id)| Head { length: accepted, key, version, correlation_id }))
}

/// A head for the message that `bytes` begin with, which has none: that of the request that newer clients send it in.
fn peek_message(mut bytes: &[u8], length_max: usize) -> Result<Option<Head>, Broken> {
    let Ok(length) = bytes.try_get_i32() else { return Ok(None) };
    let accepted = usize::try_from(length).ok().filter(|&length| length <= length_max);
    let accepted = accepted.ok_or(Broken::Length { length, max: length_max })?;
    Ok(Some(Head { length: accepted, key: ApiKey::SaslAuthenticate as i16, version: 0, correlation_id: 0 }))
}

/// A frame as the decoder sees it: it ends early for a request of more than [`VALUES_MAX`] values, which is then a
/// decoding error. The decoder itself has no such bound, and needs up to a hundred bytes for a value of one.
pub(crate) struct Metered {
    bytes: Bytes,
    values: usize,
}

impl Metered {
    /// All of `bytes`, none of it read.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, values: VALUES_MAX }
    }

    /// Counts one read.
    fn spend(&mut self) {
        self.values = self.values.saturating_sub(1);
        if self.values == 0 {
            self.bytes.clear();
        }
    }
}

impl Buf for Metered {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.spend();
    }
}

impl ByteBuf for Metered {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        let bytes = self.bytes.split_to(size);
        self.spend();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    const MAX: usize = 100 << 20;

    fn frame(length: i32, key: i16, body: &[u8]) -> Vec<u8> {
        [&length.to_be_bytes()[..], &key.to_be_bytes(), &[0, 3, 0, 0, 0, 7], body].concat()
    }

    fn reader() -> (DuplexStream, FrameReader<DuplexStream>) {
        let (client, server) = duplex(1 << 20);
        (client, FrameReader::new(server, MAX))
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_that_does_not_arrive_is_late_as_soon_as_others_wait_for_memory() {
        let pool = Pool::of(1);
        for others_wait in [false, true] {
            let (mut client, mut frames) = reader();
            frames.hurry_for(&pool);
            client.write_all(&frame(1 << 20, 0, &[])).await.unwrap();
            let head = frames.head().await.unwrap().unwrap();
            let all = pool.try_hold(1);
            let waits = others_wait.then(|| tokio::spawn(pool.clone().hold(1)));
            tokio::task::yield_now().await;
            let begun = Instant::now();
            assert!(matches!(frames.body(&head).await, Err(Broken::Late { .. })));
            assert_eq!(begun.elapsed() < ARRIVAL_GRACE, others_wait);
            drop((all, waits));
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_frame_that_arrives_byte_by_byte_is_the_same_frame() {
        let (mut client, mut frames) = reader();
        let sent = frame(10, 1, b"ab");
        let reading = tokio::spawn(async move {
            let head = frames.head().await.unwrap().unwrap();
            (head, frames.body(&head).await.unwrap())
        });
        for byte in &sent {
            client.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let (head, body) = reading.await.unwrap();
        assert_eq!(head, Head { length: 10, key: 1, version: 3, correlation_id: 7 });
        assert_eq!(body, &sent[4..]);
    }

    #[tokio::test]
    async fn frames_that_arrive_together_are_separated() {
        let (mut client, mut frames) = reader();
        let large = vec![b'x'; 300_000];
        client.write_all(&[frame(9, 1, b"a"), frame(300_008, 2, &large), frame(8, 3, b"")].concat()).await.unwrap();
        drop(client);
        for (key, length) in [(1, 9), (2, 300_008), (3, 8)] {
            let head = frames.head().await.unwrap().unwrap();
            assert_eq!((head.key, head.length), (key, length));
            assert_eq!(frames.body(&head).await.unwrap().len(), length);
        }
        assert_eq!(frames.head().await.unwrap(), None);
    }

    #[tokio::test]
    async fn lengths_that_no_request_has_are_refused_before_anything_else_arrives() {
        for length in [i32::MIN, -1, 0, 7, 1 + i32::try_from(MAX).unwrap(), i32::MAX] {
            let (mut client, mut frames) = reader();
            client.write_all(&length.to_be_bytes()).await.unwrap();
            assert!(matches!(frames.head().await, Err(Broken::Length { length: found, .. }) if found == length), "{length}");
        }
    }

    #[tokio::test]
    async fn an_end_within_a_frame_is_an_error_wherever_it_is() {
        let whole = frame(10, 1, b"ab");
        for sent in 1..whole.len() {
            let (mut client, mut frames) = reader();
            client.write_all(&whole[..sent]).await.unwrap();
            drop(client);
            let read = async {
                let head = frames.head().await?;
                frames.body(&head.unwrap()).await
            };
            assert!(matches!(read.await, Err(Broken::Truncated)), "{sent} bytes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_is_announced_and_not_sent_takes_little_memory_and_ends_in_time() {
        let (mut client, mut frames) = reader();
        client.write_all(&frame(i32::try_from(MAX).unwrap(), 0, &[0; 1_000])).await.unwrap();
        let head = frames.head().await.unwrap().unwrap();
        let begun = Instant::now();
        let late = frames.body(&head).await;
        assert!(matches!(late, Err(Broken::Late { length: MAX, missing }) if missing == MAX - 1_008), "{late:?}");
        assert!(frames.body.as_ref().unwrap().bytes.capacity() <= FIRST_BYTES);
        assert_eq!(begun.elapsed().as_secs(), 10 + 400);
    }

    #[tokio::test]
    async fn memory_grows_with_what_has_arrived() {
        let (mut client, mut frames) = reader();
        let sent = 200_000;
        client.write_all(&frame(i32::try_from(MAX).unwrap(), 0, &vec![0; sent])).await.unwrap();
        let head = frames.head().await.unwrap().unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), frames.body(&head)).await.is_err());
        let body = frames.body.as_ref().unwrap();
        assert_eq!(body.bytes.len(), sent + 8);
        assert!(body.bytes.capacity() <= GROWTH * body.bytes.len());
    }

    #[tokio::test]
    async fn reading_can_be_dropped_at_any_time() {
        let (mut client, mut frames) = reader();
        let sent = frame(100_008, 0, &vec![7; 100_000]);
        let writing = tokio::spawn(async move {
            for piece in sent.chunks(999) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client
        });
        let body = loop {
            let read = async {
                let head = frames.head().await.unwrap().unwrap();
                frames.body(&head).await.unwrap()
            };
            tokio::select! { biased; body = read => break body, () = tokio::task::yield_now() => {} }
        };
        assert_eq!(body.len(), 100_008);
        assert_eq!(body[8..], vec![7; 100_000]);
        drop(writing.await);
    }

    #[test]
    fn a_request_of_too_many_values_ends_early() {
        let mut metered = Metered::new(Bytes::from(vec![0; VALUES_MAX + 1_000]));
        let read = std::iter::from_fn(|| metered.try_get_u8().ok()).count();
        assert_eq!(read, VALUES_MAX);
    }
}
