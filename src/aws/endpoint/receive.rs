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
use tokio::time::timeout;

use crate::aws::memory::{Hold, Memory};

use super::MEMORY_TIME;

/// Largest body: AWS's 10 MiB of records of one PutRecords in base64, and room for what is around them.
const BODY_BYTES_MAX: usize = (10 << 20) / 3 * 4 + (2 << 20);
/// For a body to arrive. *Ours*: the largest one at 2 Mbit/s.
const BODY_TIME: Duration = Duration::from_secs(60);
/// Copies of a body: as it comes, decoded, and in the log's own form.
const BODY_COPIES: usize = 3;

/// The whole body, and the memory taken for it.
///
/// # Errors
/// The status to answer with: it is too large, too slow, broken off, or there is no memory for it.
pub(super) async fn body<B: Body<Data = Bytes>>(body: B, memory: &Arc<Memory>) -> Result<(Bytes, Option<Hold>), StatusCode> {
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    timeout(BODY_TIME, whole(body, memory)).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

async fn whole<B: Body<Data = Bytes>>(body: B, memory: &Arc<Memory>) -> Result<(Bytes, Option<Hold>), StatusCode> {
    let mut body = std::pin::pin!(body);
    let (mut first, mut rest, mut hold) = (Bytes::new(), BytesMut::new(), None);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > BODY_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // As it comes, so that a length that is only claimed takes nothing from others.
        merge(&mut hold, take(memory, data.len().saturating_mul(BODY_COPIES)).await?);
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok((first, hold));
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok((whole.freeze(), hold))
}

async fn take(memory: &Arc<Memory>, bytes: usize) -> Result<Option<Hold>, StatusCode> {
    timeout(MEMORY_TIME, memory.clone().wait(bytes)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

fn merge(all: &mut Option<Hold>, more: Option<Hold>) {
    match (all.as_mut(), more) {
        (Some(all), Some(more)) => all.merge(more),
        (None, more) => *all = more,
        (Some(_), None) => {}
    }
}

/// The body without the gzip that its headers say is around it (boto3 compresses what is 10 KiB or more for CloudWatch).
///
/// # Errors
/// It is not gzip, or too large without it, or in another encoding.
pub(super) fn inflated(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, String> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity").trim();
    match encoding {
        // The last two say nothing of the body; old SDKs send them.
        "identity" | "amz-1.0" | "UTF-8" => Ok(body.clone()),
        "gzip" => {
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
