//! The body of a request: in bounded memory, in bounded time, and without gzip around it.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use tokio::time::{Instant, timeout, timeout_at};

use crate::aws::memory::{Hold, Memory};

use super::MEMORY_TIME;

const GZIP: &str = "gzip";
/// Largest body: AWS's 10 MiB of records of one PutRecords in base64, and room for what is around them.
const BODY_BYTES_MAX: usize = (10 << 20) / 3 * 4 + (2 << 20);
/// For a body to arrive. *Ours*: the largest one at 2 Mbit/s.
const BODY_TIME: Duration = Duration::from_secs(60);
/// Copies of a body: as it comes, decoded, and in the log's own form.
const BODY_COPIES: usize = 3;
/// What a request takes besides its head and its body. *Ours*.
const REQUEST_BYTES: usize = 8 << 10;
/// Bodies of which sizes share memory, and which part of all of it: who fills one share does not hold up the others. *Ours*.
const SHARES: [(usize, usize); 3] = [(16 << 10, 4), (1 << 20, 4), (BODY_BYTES_MAX, 2)];
/// How often the pace of a body is looked at, and what must arrive meanwhile while others wait for memory.
const PACE: Duration = Duration::from_secs(1);
const PACE_BYTES: usize = 1 << 20;
/// Requests that wait for memory at once, per share. *Ours*: their heads and a connection's unread bytes are in memory already.
const WAITING_MAX: usize = 256;

/// Memory for bodies of requests, by their size.
pub(super) struct Bodies([(usize, Arc<Memory>); SHARES.len()]);

impl Bodies {
    /// With `bytes` bytes for all of them.
    pub(super) fn of(bytes: usize) -> Self {
        Self(SHARES.map(|(size_max, part)| (size_max, Memory::of(bytes / part))))
    }

    /// The memory for bodies of that size.
    fn share(&self, bytes: usize) -> &Arc<Memory> {
        let [small, middle, large] = &self.0;
        let share = [small, middle].into_iter().find(|(size_max, _)| bytes <= *size_max);
        &share.unwrap_or(large).1
    }
}

/// The whole body, and the memory taken for the request: at once, so that nobody waits who has some already.
///
/// # Errors
/// The status to answer with: it is too large, too slow, broken off, or there is no memory for it.
pub(super) async fn body<B: Body<Data = Bytes>>(head: &Parts, body: B, bodies: &Bodies) -> Result<(Bytes, Hold), StatusCode> {
    let hint = body.size_hint();
    if hint.lower() > BODY_BYTES_MAX as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    // How large it gets without gzip nobody knows.
    let announced = hint.exact().filter(|_| encoding(&head.headers) != GZIP);
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = announced.unwrap_or(BODY_BYTES_MAX);
    let memory = bodies.share(bytes);
    if memory.waiting() >= WAITING_MAX {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let wanted = bytes * BODY_COPIES + head_bytes(head) + REQUEST_BYTES;
    let hold = timeout(MEMORY_TIME, memory.clone().wait(wanted)).await.ok().flatten().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let body = timeout(BODY_TIME, whole(body, announced, memory)).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))?;
    Ok((body, hold))
}

/// What a head takes in memory, about.
fn head_bytes(head: &Parts) -> usize {
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64);
    headers.sum::<usize>() + head.uri.path().len() + head.uri.query().map_or(0, str::len)
}

/// What comes in one piece stays as it is. Of more pieces one is made as they come, so that a body is there only once: of the size
/// that was announced, which takes no memory before it is filled.
async fn whole<B: Body<Data = Bytes>>(body: B, announced: Option<usize>, memory: &Memory) -> Result<Bytes, StatusCode> {
    let mut body = std::pin::pin!(body);
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    let (mut look_at, mut seen) = (Instant::now() + PACE, 0);
    loop {
        let next = timeout_at(look_at, body.frame()).await;
        let arrived = first.len() + rest.len();
        if next.is_err() {
            // Slow clients are welcome, but not at the cost of others.
            if memory.waiting() > 0 && arrived - seen < PACE_BYTES {
                return Err(StatusCode::REQUEST_TIMEOUT);
            }
            (look_at, seen) = (Instant::now() + PACE, arrived);
        }
        let Ok(Some(frame)) = next else {
            if next.is_ok() {
                break;
            }
            continue;
        };
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if arrived + data.len() > BODY_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if arrived == 0 {
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.reserve(announced.unwrap_or(arrived + data.len()));
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// What is around a body, as its headers say.
fn encoding(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity").trim()
}

/// The body without the gzip that its headers say is around it (boto3 compresses what is 10 KiB or more for CloudWatch).
///
/// # Errors
/// It is not gzip, or too large without it, or in another encoding.
pub(super) fn inflated(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, String> {
    match encoding(headers) {
        // The last two say nothing of the body; old SDKs send them.
        "identity" | "amz-1.0" | "UTF-8" => Ok(body.clone()),
        GZIP => {
            let mut plain = Vec::new();
            let read = MultiGzDecoder::new(body.as_ref()).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut plain);
            read.map_err(|error| format!("the body is not gzip: {error}"))?;
            if plain.len() > BODY_BYTES_MAX {
                return Err(format!("the body has more than {BODY_BYTES_MAX} bytes without gzip"));
            }
            Ok(plain.into())
        }
        other => Err(format!("the content encoding {other:?} is not known; gzip is")),
    }
}
