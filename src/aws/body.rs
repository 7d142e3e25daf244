//! The body of an answer: whole, or events as they come.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::codec::Codec;
use super::crowd::{Peer, Work};
use super::event_stream::{Events, initial};
use super::memory::Memory;

/// The body of an answer.
pub struct AnswerBody {
    inner: Inner,
    /// For as long as its connection is not idle because of it.
    _work: Option<Work>,
}

enum Inner {
    Whole(Bytes),
    Events { events: Events, codec: Codec, memory: Arc<Memory>, peer: Arc<Peer>, begun: bool },
}

impl AnswerBody {
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Self { inner: Inner::Whole(body.into()), _work: None }
    }

    /// Events for `peer` in `codec`, each of which takes of `memory` until it is sent.
    pub(super) fn events(events: Events, codec: Codec, memory: Arc<Memory>, peer: Arc<Peer>) -> Self {
        Self { inner: Inner::Events { events, codec, memory, peer, begun: false }, _work: None }
    }

    /// The same, for as long as which `work` goes on.
    pub(super) fn during(self, work: Work) -> Self {
        Self { _work: Some(work), ..self }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.get_mut().inner {
            Inner::Whole(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Inner::Events { codec, begun, .. } if !*begun => {
                *begun = true;
                Some(initial(*codec))
            }
            Inner::Events { events, codec, memory, peer, .. } => match events.poll_next(*codec, cx) {
                // Without memory for the next event there is no next event: its client subscribes again.
                Poll::Ready(frame) => frame.and_then(|(frame, hold)| memory.held(frame, peer, hold)),
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Events { .. } => SizeHint::default(),
        }
    }
}
